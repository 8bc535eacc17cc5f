#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The descriptors of a child: what each of them is made of, opened or copied before the child is.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../platform/nameless_file.hpp"
#include "../platform/pipe.hpp"
#include "../platform/socket_pair.hpp"
#include "../platform/spawn_plan.hpp"
#include "command.hpp"

namespace coproc::detail {

constexpr std::array<const char*, 3> stdio_names{"stdin", "stdout", "stderr"};

/// `error` comes first, since wording the detail allocates, which may change errno.
[[noreturn]] inline void cannot_start(const command& c, spawn_stage stage, std::error_code error,
                                      std::initializer_list<std::string_view> detail) {
    throw spawn_error(stage, c.program(), concat(detail), error);
}

// ---- descriptors that are borrowed ----

/// Before we open anything, whose number a closed one might turn out to have.
inline void require_open(const command& c) {
    const auto check = [&](const lent_fd& fd, std::string_view purpose) {
        if (::fcntl(fd.get(), F_GETFD) >= 0) return;
        const std::error_code error = platform::last_error();
        cannot_start(c, spawn_stage::redirect, error,
                     {"descriptor ", std::to_string(fd.get()), ", which is to be its ", purpose, ", is not open"});
    };
    for (std::size_t number = 0; number < 3; ++number) {
        const std::optional<stdio>& said = c.stdio_of(number);
        if (said && said->as_fd() != nullptr) check(*said->as_fd(), stdio_names[number]);
    }
    for (const auto& [target, fd] : c.passed_fds()) check(fd, concat({"descriptor ", std::to_string(target)}));
}

// ---- stdin, stdout, stderr ----

/// What becomes 0, 1 or 2 of the child. Our end of a pipe; the child's end, or what was opened for it, to be closed
/// when it runs; and the number that the plan gets: of that, or of something borrowed.
struct stream_ends {
    unique_fd ours, childs;
    int source = -1;
};

[[nodiscard]] inline stream_ends opened(unique_fd file) noexcept {
    const int source = file.get();
    return {{}, std::move(file), source};
}

[[nodiscard]] inline stream_ends open_for_child(const command& c, std::size_t number, const char* path, int how) {
    unique_fd file;
    do { // a FIFO makes open(2) wait, and a signal ends that
        file = unique_fd(::open(path, how | O_CLOEXEC | O_NOCTTY, 0666));
    } while (!file && errno == EINTR);
    file = platform::above_stdio(std::move(file));
    if (!file) {
        const std::error_code error = platform::last_error();
        cannot_start(c, spawn_stage::redirect, error,
                     {"opening ", in_quotes(path), " for ", stdio_names[number], " failed"});
    }
    return opened(std::move(file));
}

[[nodiscard]] inline stream_ends open_file(const command& c, std::size_t number, const stdio::named_file& file) {
    const int how = number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | (file.append ? O_APPEND : O_TRUNC);
    return open_for_child(c, number, file.path.c_str(), how);
}

[[nodiscard]] inline stream_ends open_pipe(const command& c, std::size_t number, const stdio& what) {
    const bool sockets = what.is(stdio::socket);
    platform::pipe_ends pipe = sockets ? platform::make_socket_pair() : platform::make_pipe();
    unique_fd& ours = number == 0 ? pipe.write : pipe.read;
    unique_fd& childs = number == 0 ? pipe.read : pipe.write;
    if (!ours || !childs || !platform::set_nonblocking(ours)) {
        const std::error_code error = platform::last_error();
        cannot_start(c, spawn_stage::pipe, error,
                     {"making a ", sockets ? "socket pair" : "pipe", " for ", stdio_names[number], " failed"});
    }
    // What a child writes to its stdin is an error, as with a pipe. It would lie here unread, and for that the child
    // would find its stdin broken (ECONNRESET) where it ends.
    if (sockets && number == 0) ::shutdown(ours.get(), SHUT_RD);
    const int source = childs.get();
    return {platform::out_of_the_way(std::move(ours)), std::move(childs), source};
}

[[nodiscard]] inline stream_ends open_text(const command& c, const std::string& bytes) {
    unique_fd file = platform::nameless_file(bytes);
    if (!file) cannot_start(c, spawn_stage::redirect, platform::last_error(), {"storing the text for stdin failed"});
    return opened(std::move(file));
}

/// A copy above 2 of what is 0, 1 or 2 here, so that placing the streams in the child overwrites no source.
[[nodiscard]] inline stream_ends borrow(const command& c, std::size_t number, int fd) {
    if (fd > STDERR_FILENO) return {{}, {}, fd};
    unique_fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) {
        const std::error_code error = platform::last_error();
        cannot_start(c, spawn_stage::redirect, error,
                     {"copying descriptor ", std::to_string(fd), " for ", stdio_names[number], " failed"});
    }
    return opened(std::move(copy));
}

[[nodiscard]] inline stream_ends open_stream(const command& c, std::size_t number, const stdio& what) {
    if (const auto* file = what.as_file()) return open_file(c, number, *file);
    if (const auto* fd = what.as_fd()) return borrow(c, number, fd->get());
    if (const auto* text = what.as_text()) return open_text(c, text->bytes);
    if (what.is(stdio::null)) return open_for_child(c, number, "/dev/null", number == 0 ? O_RDONLY : O_WRONLY);
    if (what.is_stream()) return open_pipe(c, number, what);
    return {}; // ours, or the other output's
}

/// What the three streams need while the child is made.
class stdio_setup {
public:
    stdio_setup(const command& c, const stdio& unset) {
        require_open(c);
        for (std::size_t number = 0; number < 3; ++number) {
            const std::optional<stdio>& said = c.stdio_of(number);
            ends_[number] = open_stream(c, number, said ? *said : unset);
        }
        merge(c, 1, 2, stdio::to_err);
        merge(c, 2, 1, stdio::to_out);
    }

    [[nodiscard]] int source(std::size_t number) const noexcept { return ends_[number].source; }
    /// Our end of a pipe; empty if it is none.
    [[nodiscard]] unique_fd take_ours(std::size_t number) noexcept { return std::move(ends_[number].ours); }

private:
    void merge(const command& c, std::size_t from, std::size_t into, stdio::kind how) {
        const std::optional<stdio>& said = c.stdio_of(from);
        if (!said || !said->is(how)) return;
        if (ends_[into].source >= 0) ends_[from].source = ends_[into].source;
        else ends_[from] = borrow(c, from, static_cast<int>(into)); // the other one is inherited
    }

    std::array<stream_ends, 3> ends_;
};

// ---- from 3 on ----

/// The descriptors that are passed on, ready to be placed: no source is the target of another.
class passed_fds {
public:
    explicit passed_fds(const command& c) {
        const auto& wanted = c.passed_fds(); // by rising target
        if (wanted.empty()) return;
        const int highest = wanted.rbegin()->first;
        list_.reserve(wanted.size());
        for (const auto& [target, fd] : wanted) {
            int source = fd.get();
            if (source <= highest) {
                const int above = highest < std::numeric_limits<int>::max() ? highest + 1 : highest; // then it fails
                raised_.emplace_back(::fcntl(source, F_DUPFD_CLOEXEC, above));
                source = raised_.back().get();
            }
            if (source < 0) {
                const std::error_code error = platform::last_error();
                cannot_start(c, spawn_stage::redirect, error,
                             {"copying descriptor ", std::to_string(fd.get()), " to pass it on failed"});
            }
            list_.push_back({source, target});
        }
    }

    [[nodiscard]] const platform::passed_fd* data() const noexcept { return list_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }

private:
    std::vector<unique_fd> raised_;
    std::vector<platform::passed_fd> list_;
};

// ---- all of them ----

class child_fds {
public:
    /// Throws spawn_error.
    child_fds(const command& c, const stdio& unset) : streams_(c, unset), passed_(c) {}

    void describe(platform::spawn_plan& plan) const noexcept {
        for (std::size_t number = 0; number < 3; ++number) plan.stdio[number] = streams_.source(number);
        plan.passed = passed_.data();
        plan.passed_count = passed_.size();
    }
    [[nodiscard]] unique_fd take_ours(std::size_t number) noexcept { return streams_.take_ours(number); }

private:
    stdio_setup streams_;
    passed_fds passed_;
};

} // namespace coproc::detail
