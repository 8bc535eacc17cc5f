#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Bytes from one descriptor to another that do not pass through our memory: splice(2), where the system has it and one
// of the two is a pipe.

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "sigpipe.hpp"

namespace coproc::platform {

struct splice_outcome {
    enum class kind {
        moved,
        source_dry, ///< nothing to move until the source polls readable
        sink_full,  ///< no room until the sink polls writable
        refused,    ///< not between these two; or the end, or an error, which read(2) and write(2) will tell
    };
    kind what;
    std::size_t bytes = 0;
};

#if defined(__linux__)

/// Moves up to `most` bytes; never waits, and sends no SIGPIPE. Both descriptors are non-blocking, or files.
[[nodiscard]] inline splice_outcome splice_some(int from, int to, std::size_t most) noexcept {
    using kind = splice_outcome::kind;
    const auto polls = [](int fd, short events) {
        pollfd entry{fd, events, 0};
        return ::poll(&entry, 1, 0) != 0; // a hang-up or an error is an answer, too
    };
    for (int attempt = 0; attempt < 8; ++attempt) {
        const ssize_t n = without_sigpipe(
            [=] { return ::splice(from, nullptr, to, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK); });
        if (n > 0) return {kind::moved, static_cast<std::size_t>(n)};
        if (n < 0 && errno == EINTR) continue;
        if (n == 0 || errno != EAGAIN) break;
        // It does not say on which side. If neither is the reason any more, it may go on.
        if (!polls(from, POLLIN)) return {kind::source_dry};
        if (!polls(to, POLLOUT)) return {kind::sink_full};
    }
    return {kind::refused};
}

#else

[[nodiscard]] inline splice_outcome splice_some(int, int, std::size_t) noexcept {
    return {splice_outcome::kind::refused};
}

#endif

/// Whether there are bytes to read; false also where the system does not say.
[[nodiscard]] inline bool has_bytes(int fd) noexcept {
    int count = 0;
    return ::ioctl(fd, FIONREAD, &count) == 0 && count != 0; // negative for a file of more than 2 GiB
}

} // namespace coproc::platform
