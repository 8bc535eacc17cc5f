#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// make_server: a job server of ours, for children that are makes, or guests of make as cargo, ninja and GCC are. On its
// own: not reached by <coproc.hpp>.
//
//     make_server server(4);                             // never more than 4 jobs at once, ours and theirs together
//     co_await execute(server.lend(command("make", "all")));

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../core/concat.hpp"
#include "../core/unique_fd.hpp"
#include "../platform/pipe.hpp"
#include "../platform/shared_pipe.hpp"
#include "../process/command.hpp"
#include "../process/numbered_stream.hpp" // for pass_fd
#include "makeflags.hpp"
#include "token_slots.hpp"

namespace coproc {

/// How the children reach a make_server.
enum class make_style : unsigned char {
    pipe, ///< descriptors that they inherit: for any make
    fifo, ///< a path in a directory of its own: for make 4.4 and newer, and also reached where a recipe lacks a `+`
};

/// As many slots as it is told: for our own jobs by `take`, as other `job_slots`, and for the children to which it is
/// lent. Each child that runs owns a slot, as whoever starts it has to see to by taking one (a command_queue does); if
/// it is the only thing that we run, the slot is the first, which nobody has to wait for. It takes and gives back
/// others by itself.
class make_server final : public detail::token_slots {
    // The directory that the fifo is in, gone with it.
    class private_fifo {
    public:
        private_fifo() {
            const char* const temporary = std::getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe)
            const bool usable = temporary != nullptr && *temporary == '/';
            directory_ = detail::concat({usable ? temporary : "/tmp", "/coproc-XXXXXX"});
            path_ = detail::concat({directory_, "/jobs"}); // while nothing is there that memory could fail
            if (::mkdtemp(directory_.data()) == nullptr) fail("mkdtemp");
            path_.replace(0, directory_.size(), directory_);
            if (::mkfifo(path_.c_str(), S_IRUSR | S_IWUSR) == 0) return;
            const std::error_code error = platform::last_error();
            ::rmdir(directory_.c_str());
            throw std::system_error(error, "mkfifo");
        }
        private_fifo(const private_fifo&) = delete;
        private_fifo& operator=(const private_fifo&) = delete;
        ~private_fifo() { remove(); }

        [[nodiscard]] unique_fd open(int how) const {
            unique_fd fd = platform::above_stdio(unique_fd(::open(path_.c_str(), how | O_CLOEXEC)));
            if (!fd) fail("open");
            return fd;
        }
        /// What is open stays usable.
        void remove() noexcept {
            if (path_.empty() || platform::fork_count() != made_after_forks_) return;
            ::unlink(path_.c_str());
            ::rmdir(directory_.c_str());
            path_.clear();
        }
        [[nodiscard]] const std::string& path() const noexcept { return path_; }

    private:
        [[noreturn]] static void fail(const char* what) { throw std::system_error(platform::last_error(), what); }

        std::string directory_, path_;
        unsigned made_after_forks_ = platform::fork_count();
    };

public:
    /// Throws std::invalid_argument for no job at all, or more than a pipe has room for (4,096 on any system, 65,536 on
    /// Linux); std::system_error.
    explicit make_server(std::size_t jobs, make_style style = make_style::pipe) : tokens_(jobs - 1) {
        if (jobs == 0) throw std::invalid_argument("a job server needs a job");
        unique_fd own_read = fifo_.open(O_RDONLY | O_NONBLOCK);
        fill();
        // Their descriptions: blocking, as make wants them.
        unique_fd write = fifo_.open(O_WRONLY);
        if (style == make_style::pipe) lent_read_ = fifo_.open(O_RDONLY);
        const std::string number = detail::to_text(jobs);
        if (style == make_style::pipe) {
            const std::string ends = detail::concat({lent_read_.get(), ",", write.get()});
            // The first of the names is for make 4.1 and older.
            words_ = detail::concat({"-j", number, " --jobserver-fds=", ends, " --jobserver-auth=", ends});
            fifo_.remove();
        } else {
            words_ = detail::concat({"-j", number, " --jobserver-auth=fifo:", detail::escape_makeflag(fifo_.path())});
        }
        share(platform::shared_pipe(std::move(own_read)), std::move(write));
    }

    /// The command, with the job server in the MAKEFLAGS of its child, which are otherwise ours. It may be started
    /// while this lives.
    [[nodiscard]] command lend(command c) const {
        const char* const ours = std::getenv("MAKEFLAGS"); // NOLINT(concurrency-mt-unsafe)
        c.env("MAKEFLAGS", detail::makeflags_with(ours != nullptr ? ours : "", words_));
        if (lent_read_) c.pass_fd(lent_read_.get(), lent_read_.get()).pass_fd(write_end(), write_end());
        return c;
    }

    /// To be called while no child runs that was lent it: how many slots children have lost, since they were killed, or
    /// forgot; negative if they have given back what was not theirs. Afterwards as many are there as at the beginning.
    std::ptrdiff_t restore() noexcept {
        int there = 0;
        if (::ioctl(read_end(), FIONREAD, &there) != 0) return 0;
        const auto lost = static_cast<std::ptrdiff_t>(tokens_) - static_cast<std::ptrdiff_t>(held()) - there;
        for (std::ptrdiff_t i = 0; i < lost; ++i) write_token(token);
        for (std::ptrdiff_t i = 0; i > lost; --i) static_cast<void>(tokens().take());
        return lost;
    }

private:
    static constexpr char token = '+'; // as make's

    void fill() {
        const unique_fd write = fifo_.open(O_WRONLY | O_NONBLOCK);
        for (std::size_t i = 0; i < tokens_; ++i) {
            if (::write(write.get(), &token, 1) != 1) throw std::invalid_argument("more jobs than a pipe has room for");
        }
    }

    private_fifo fifo_;
    std::size_t tokens_;
    unique_fd lent_read_; // where they are given the ends of a pipe
    std::string words_;
};

} // namespace coproc
