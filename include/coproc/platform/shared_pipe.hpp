#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Taking bytes from a pipe that other processes read, too, by the same open file description: its flags are theirs as
// well, so it cannot be made non-blocking, and another may take the byte between our poll(2) and our read(2), which
// would then wait.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "../core/unique_fd.hpp"
#include "pipe.hpp"

namespace coproc::platform {

[[nodiscard]] inline bool is_pipe(int fd) noexcept {
    struct stat about {};
    return ::fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
}

#if defined(__linux__)

/// The reading end of such a pipe. splice(2) has a flag of its own for not waiting, so a byte is moved into a pipe of
/// ours, and read there.
class shared_pipe {
public:
    shared_pipe() noexcept = default;
    /// Throws std::system_error.
    explicit shared_pipe(unique_fd read) : shared_(std::move(read)), aside_(make_pipe()) {
        if (!aside_.read) throw std::system_error(last_error(), "pipe");
    }

    [[nodiscard]] static bool can_be_shared(int) noexcept { return true; }

    [[nodiscard]] int get() const noexcept { return shared_.get(); }
    /// A byte, or -1 if none is there now.
    [[nodiscard]] int take() noexcept {
        ssize_t n = 0;
        do {
            n = ::splice(shared_.get(), nullptr, aside_.write.get(), nullptr, 1, SPLICE_F_NONBLOCK);
        } while (n < 0 && errno == EINTR);
        if (n != 1) return -1;
        unsigned char byte = 0;
        do {
            n = ::read(aside_.read.get(), &byte, 1);
        } while (n < 0 && errno == EINTR);
        return n == 1 ? byte : -1;
    }

private:
    unique_fd shared_;
    pipe_ends aside_;
};

#else

/// The reading end of such a pipe. There is no way here to read without waiting from one that is blocking, so only one
/// that is not can be shared.
class shared_pipe {
public:
    shared_pipe() noexcept = default;
    explicit shared_pipe(unique_fd read) noexcept : shared_(std::move(read)) {}

    [[nodiscard]] static bool can_be_shared(int fd) noexcept {
        const int flags = ::fcntl(fd, F_GETFL);
        return flags >= 0 && (flags & O_NONBLOCK) != 0;
    }

    [[nodiscard]] int get() const noexcept { return shared_.get(); }
    /// A byte, or -1 if none is there now.
    [[nodiscard]] int take() noexcept {
        if (!can_be_shared(shared_.get())) return -1; // somebody has changed it since
        unsigned char byte = 0;
        ssize_t n = 0;
        do {
            n = ::read(shared_.get(), &byte, 1);
        } while (n < 0 && errno == EINTR);
        return n == 1 ? byte : -1;
    }

private:
    unique_fd shared_;
};

#endif

} // namespace coproc::platform
