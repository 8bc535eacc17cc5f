#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Writing to what is not ours alone: a terminal, a log that the host has open. All of it, however long that takes, and
// without SIGPIPE.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string_view>

#include "sigpipe.hpp"

namespace coproc::platform {
namespace detail {

/// As write_without_sigpipe, which macOS knows for a description as a whole only: others who share it find it as it
/// was.
[[nodiscard]] inline ssize_t write_to_shared(int fd, const char* data, std::size_t size) noexcept {
#if defined(__APPLE__)
    const int before = ::fcntl(fd, F_GETNOSIGPIPE);
    if (before == 0) ::fcntl(fd, F_SETNOSIGPIPE, 1);
    const ssize_t written = ::write(fd, data, size);
    const int error = errno;
    if (before == 0) ::fcntl(fd, F_SETNOSIGPIPE, 0);
    errno = error;
    return written;
#else
    return write_without_sigpipe(fd, data, size);
#endif
}

inline void wait_until_writable(int fd) noexcept {
    pollfd entry{fd, POLLOUT, 0};
    const int ready = ::poll(&entry, 1, -1); // a signal ends it, and then it is tried again
    if (ready == 1 && (entry.revents & POLLNVAL) != 0) ::poll(nullptr, 0, 1); // macOS says so of terminals
}

} // namespace detail

/// Writes all of it, and waits where it would block, also if the descriptor is non-blocking. 0, or the errno.
[[nodiscard]] inline int write_patiently(int fd, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t n = detail::write_to_shared(fd, bytes.data(), bytes.size());
        if (n >= 0) bytes.remove_prefix(static_cast<std::size_t>(n));
        else if (errno == EAGAIN) detail::wait_until_writable(fd);
        else if (errno != EINTR) return errno;
    }
    return 0;
}

} // namespace coproc::platform
