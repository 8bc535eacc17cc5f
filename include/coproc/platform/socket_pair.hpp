#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A pair of connected sockets in place of a pipe.

#include <fcntl.h>
#include <sys/socket.h>

#include "../core/unique_fd.hpp"
#include "pipe.hpp"

namespace coproc::platform {

/// As make_pipe, but of stream sockets of the family AF_UNIX: what is written to `write` is read from `read`. (They
/// carry bytes in the other direction, too.)
[[nodiscard]] inline pipe_ends make_socket_pair() noexcept {
    int fds[2];
#if defined(SOCK_CLOEXEC)
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return {};
#else // as with pipes
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return {};
    for (const int fd : fds) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
    pipe_ends ends{above_stdio(unique_fd(fds[0])), above_stdio(unique_fd(fds[1]))};
    if (!ends.read || !ends.write) return {};
    // What one side may be ahead of the other. Linux gives no more than net.core.wmem_max, twice that of its default;
    // it is taken from nobody until it is used.
    constexpr int ahead = 1 << 20;
    ::setsockopt(ends.write.get(), SOL_SOCKET, SO_SNDBUF, &ahead, sizeof ahead);
#if !defined(__linux__) // where both sides count
    ::setsockopt(ends.read.get(), SOL_SOCKET, SO_RCVBUF, &ahead, sizeof ahead);
#endif
    return ends;
}

} // namespace coproc::platform
