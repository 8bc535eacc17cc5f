#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// make_slots: a guest of GNU make takes part in its -j. On its own: not reached by <coproc.hpp>.
//
//     make_slots slots;                                  // as MAKEFLAGS says
//     if (!slots.problem().empty()) std::cerr << "warning: " << slots.problem() << '\n';
//     job_slot mine = co_await slots.take();             // or a command_queue's `q.slots_from(slots)`

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../platform/pipe.hpp"
#include "../platform/shared_pipe.hpp"
#include "../process/command.hpp"
#include "../process/numbered_stream.hpp" // for pass_fd
#include "makeflags.hpp"
#include "token_slots.hpp"

namespace coproc {

/// The slots that make lends us. The first is there at once, since make has counted us as one job of its own; each
/// other one waits for a byte of make's job server and gives the same byte back. What our children do in the slots
/// that we take is our business: each may be a program that has one thread, or a make that is lent the rest.
///
/// Where MAKEFLAGS names no job server, slots are free and unlimited. Where it names one that we cannot use, `problem`
/// says why, and there is the first slot alone, as for make itself: the recipe lacks a `+`, so that the descriptors are
/// closed, or belong to something that is no pipe or was opened by ourselves. That is why this has to be made before
/// anything marks what the program has inherited close-on-exec. Nothing that is not make's is ever read or written.
///
/// No flag of make's descriptors is changed, and nothing here blocks. On other systems than Linux the pipe of a make
/// older than 4.4 that is blocking cannot be read so: then, too, there is the first slot alone. (A fifo can: make 4.4.)
/// A slot is lost for the rest of make's run where this process is killed while it holds one.
class make_slots final : public detail::token_slots {
public:
    /// By the MAKEFLAGS of our environment. Throws std::system_error (EMFILE …), std::bad_alloc.
    make_slots() : make_slots(of_environment()) {}
    /// By these.
    explicit make_slots(std::string_view makeflags) : dry_run_(detail::makeflags_say_dry_run(makeflags)) {
        const std::optional<std::string> auth = detail::jobserver_auth(makeflags);
        if (!auth) set_unlimited();
        else if (auth->substr(0, 5) == "fifo:") open_fifo(auth->substr(5));
        else adopt_pipe(*auth);
    }

    /// There is a job server, usable or not: not everything may run at once.
    [[nodiscard]] bool limited() const noexcept { return !is_unlimited(); }
    /// Empty, or why there is only one slot though make has been told -j: words to be shown to the user.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    /// Make was only to show what it would do (-n), and so should its guests.
    [[nodiscard]] bool dry_run() const noexcept { return dry_run_; }

    /// The command, with what its child needs to be a guest of the same make: a job server by fifo needs nothing, the
    /// ends of a pipe have to be passed on. It may be started while this lives.
    [[nodiscard]] command lend(command c) const {
        if (lent_read_ > 2 && lent_write_ > 2) c.pass_fd(lent_read_, read_end()).pass_fd(lent_write_, write_end());
        return c;
    }

private:
    [[nodiscard]] static std::string_view of_environment() noexcept {
        const char* const flags = std::getenv("MAKEFLAGS"); // NOLINT(concurrency-mt-unsafe)
        return flags != nullptr ? flags : "";
    }

    // A description of our own, so it may be non-blocking. The writing end keeps the reading one from seeing an end.
    void open_fifo(const std::string& path) {
        struct stat about {};
        if (::stat(path.c_str(), &about) != 0) return cannot_use(path, platform::last_error().message());
        if (!S_ISFIFO(about.st_mode)) return cannot_use(path, "it is no fifo");
        unique_fd read = platform::above_stdio(unique_fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)));
        if (!read) return cannot_use(path, platform::last_error().message());
        unique_fd write = platform::above_stdio(unique_fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)));
        if (!write) return cannot_use(path, platform::last_error().message());
        if (!platform::is_pipe(read.get()) || !platform::is_pipe(write.get())) return cannot_use(path, "it is no fifo");
        share(platform::shared_pipe(std::move(read)), std::move(write));
    }

    void adopt_pipe(std::string_view both) {
        const std::optional<int> read = number(both.substr(0, both.find(',')));
        const std::optional<int> write =
            both.find(',') != both.npos ? number(both.substr(both.find(',') + 1)) : std::nullopt;
        if (!read || !write) return cannot_use(both, "that names no descriptors");
        if (*read < 0 || *write < 0) return cannot_use(both, "make has not lent it: the recipe's line lacks a +");
        const std::string why = why_neither(*read, *write);
        if (!why.empty()) return cannot_use(both, why);
        // Under numbers of our own, so that it does not matter what the host does with those.
        unique_fd own_read(::fcntl(*read, F_DUPFD_CLOEXEC, 3));
        unique_fd own_write(::fcntl(*write, F_DUPFD_CLOEXEC, 3));
        if (!own_read || !own_write) throw std::system_error(platform::last_error(), "dup");
        share(platform::shared_pipe(std::move(own_read)), std::move(own_write));
        lent_read_ = *read;
        lent_write_ = *write;
    }

    [[nodiscard]] static std::string why_neither(int read, int write) {
        std::string why = why_not(read, O_RDONLY);
        if (why.empty()) why = why_not(write, O_WRONLY);
        if (why.empty() && !platform::shared_pipe::can_be_shared(read))
            why = "it is a blocking pipe, which this system cannot share; make 4.4 has a fifo";
        return why;
    }
    // Empty where `fd` may be an end of make's pipe.
    [[nodiscard]] static std::string why_not(int fd, int mode) {
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags < 0) return detail::concat({"descriptor ", fd, " is not open: the recipe's line lacks a +"});
        if (!platform::is_pipe(fd))
            return detail::concat({"descriptor ", fd, " is no pipe: the recipe's line lacks a +"});
        if ((flags & O_ACCMODE) != mode && (flags & O_ACCMODE) != O_RDWR)
            return detail::concat({"descriptor ", fd, " is the wrong end of a pipe"});
        // What was there when this program began has survived an exec.
        if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0)
            return detail::concat({"descriptor ", fd, " is not make's: it was opened by this program"});
        return {};
    }

    [[nodiscard]] static std::optional<int> number(std::string_view digits) noexcept {
        int value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
        return value;
    }

    void cannot_use(std::string_view server, std::string_view why) {
        problem_ =
            detail::concat({"cannot use make's job server ", in_quotes(server), ": ", why, "; one job at a time"});
    }

    std::string problem_;
    int lent_read_ = -1; // their numbers in MAKEFLAGS, where it is a pipe
    int lent_write_ = -1;
    bool dry_run_;
};

} // namespace coproc
