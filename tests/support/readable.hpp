#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Whether a descriptor polls readable.

#include <poll.h>

#include <cerrno>

/// Waits for it up to `timeout_ms`; by default not at all, and -1 is for ever.
inline bool readable(int fd, int timeout_ms = 0) {
    pollfd entry{fd, POLLIN, 0};
    int ready = 0;
    do ready = ::poll(&entry, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready == 1 && (entry.revents & POLLIN) != 0;
}
