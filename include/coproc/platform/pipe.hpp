#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Descriptors of our own: close-on-exec from birth where the system can, and never numbered 0, 1 or 2.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "../core/unique_fd.hpp"

namespace coproc::platform {

/// The errno of a call that has just failed.
[[nodiscard]] inline std::error_code last_error() noexcept { return {errno, std::system_category()}; }

/// Moves a descriptor above 2, close-on-exec. Empty on failure, with errno.
///
/// A host that has closed its stdin gets 0 for the next thing it opens. Were that one end of our pipe, the host's
/// next read of "stdin" would take the child's bytes.
[[nodiscard]] inline unique_fd above_stdio(unique_fd fd) noexcept {
    if (!fd || fd.get() > 2) return fd;
    return unique_fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
}

/// What stays open for as long as a child lives goes above 128 once there is more than a little of it, and leaves the
/// numbers below to what the next child is to be given: the less of our table that has to take, the sooner it is made.
/// No further up, since a child that is made without CLONE_FILES gets a table as long as ours: with one of 2,048 its
/// start took 4 us longer. Without room up there, the same.
[[nodiscard]] inline unique_fd out_of_the_way(unique_fd fd) noexcept {
    if (fd.get() < 64 || fd.get() >= 128) return fd;
    unique_fd moved(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 128));
    return moved ? std::move(moved) : std::move(fd);
}

struct pipe_ends {
    unique_fd read, write;
};

/// A pipe, both ends close-on-exec and blocking. Empty ends on failure, with errno.
[[nodiscard]] inline pipe_ends make_pipe() noexcept {
    int fds[2];
#if defined(__APPLE__)
    // No pipe2: between these calls a fork in another thread may inherit the ends. Our own children never do, since
    // they are started with POSIX_SPAWN_CLOEXEC_DEFAULT.
    if (::pipe(fds) != 0) return {};
    for (const int fd : fds) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
#else
    if (::pipe2(fds, O_CLOEXEC) != 0) return {};
#endif
    pipe_ends ends{above_stdio(unique_fd(fds[0])), above_stdio(unique_fd(fds[1]))};
    if (!ends.read || !ends.write) return {};
    return ends;
}

/// What a pipe holds from birth, on Linux (pipe(7): 16 pages), and what one is worth that carries much: beyond that,
/// with reads of up to 256 KiB, nothing is gained.
constexpr int usual_pipe_size = 65536;
constexpr int bulk_pipe_size = 4 * usual_pipe_size;

/// Enlarges a pipe for bulk, so that its two sides need not take turns. False where that cannot be, and nothing has
/// changed: it is no pipe, or the user has spent what he may have of pipe buffers (EPERM; pipe-user-pages-soft in
/// pipe(7), 64 MiB). One that is smaller than usual is left alone: somebody has made it so, or that limit has.
inline bool enlarge_for_bulk([[maybe_unused]] int fd) noexcept {
#if defined(__linux__)
    const int size = ::fcntl(fd, F_GETPIPE_SZ);
    return size >= usual_pipe_size && size < bulk_pipe_size && ::fcntl(fd, F_SETPIPE_SZ, bulk_pipe_size) >= 0;
#else
    return false;
#endif
}

/// Makes our end of a fresh pipe, which has no flags yet, non-blocking. False on failure, with errno.
[[nodiscard]] inline bool set_nonblocking(const unique_fd& fresh) noexcept {
    return ::fcntl(fresh.get(), F_SETFL, O_NONBLOCK) == 0;
}

/// The same descriptor, non-blocking. For our end of a pipe only: O_NONBLOCK belongs to the open file description, and
/// a description that a child or the shell shares would become non-blocking for them as well. Throws std::system_error.
[[nodiscard]] inline unique_fd nonblocking(unique_fd fd) {
    const int flags = ::fcntl(fd.get(), F_GETFL); // a file may have been opened with O_APPEND
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        throw std::system_error(last_error(), "fcntl");
    return fd;
}

} // namespace coproc::platform
