#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The other end of a stream, by plain system calls.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

#include <coproc/core/unique_fd.hpp>
#include <coproc/platform/pipe.hpp>

/// What is in the pipe now, up to `most`; never waits.
inline std::string take_from(const coproc::unique_fd& fd, std::size_t most = static_cast<std::size_t>(-1)) {
    std::string taken;
    while (taken.size() < most) {
        pollfd one{fd.get(), POLLIN, 0};
        if (::poll(&one, 1, 0) != 1) break;
        char buffer[65536];
        const ssize_t n = ::read(fd.get(), buffer, std::min(sizeof buffer, most - taken.size()));
        if (n <= 0) break;
        taken.append(buffer, static_cast<std::size_t>(n));
    }
    return taken;
}

/// Writes all of it; the pipe must have room.
inline void put_into(const coproc::unique_fd& fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
        if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
        else if (errno != EINTR) break;
    }
}

/// Writes until the pipe is full; answers how much that was.
inline std::size_t fill(const coproc::unique_fd& fd) {
    const int flags = ::fcntl(fd.get(), F_GETFL);
    ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
    std::size_t written = 0;
    const std::string bytes(4096, '.');
    for (ssize_t n = 0; (n = ::write(fd.get(), bytes.data(), bytes.size())) > 0;)
        written += static_cast<std::size_t>(n);
    ::fcntl(fd.get(), F_SETFL, flags);
    return written;
}
