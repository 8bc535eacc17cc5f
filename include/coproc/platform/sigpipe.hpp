#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// write(2) that says EPIPE and sends no SIGPIPE, whatever the host has decided about that signal: its disposition,
// its mask and its pending signals are afterwards what they were before.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace coproc::platform {

#if defined(__APPLE__)

/// To be called once for each descriptor that is to be written to.
inline void expect_no_sigpipe(int fd) noexcept { ::fcntl(fd, F_SETNOSIGPIPE, 1); }

[[nodiscard]] inline ssize_t write_without_sigpipe(int fd, const char* data, std::size_t size) noexcept {
    return ::write(fd, data, size);
}

#else

inline void expect_no_sigpipe(int) noexcept {}

/// `call()`, which says -1 and EPIPE as write(2) does. A pipe has no MSG_NOSIGNAL, so the signal, which goes to the
/// thread that writes, is blocked there during the call and taken off the thread again if it came: two cheap system
/// calls (0.3 us together). pwritev2 with RWF_NOSIGNAL does the same in one, but only since Linux 6.18.
template <class Call>
[[nodiscard]] ssize_t without_sigpipe(Call call) noexcept {
    sigset_t sigpipe;
    sigset_t before;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe, &before);

    // One that was pending already is the host's, and signals do not queue: ours would melt into it.
    bool was_pending = false;
    if (sigismember(&before, SIGPIPE) == 1) {
        sigset_t pending;
        ::sigpending(&pending);
        was_pending = sigismember(&pending, SIGPIPE) == 1;
    }

    const ssize_t written = call();
    const int error = errno;
    if (written < 0 && error == EPIPE && !was_pending) {
        sigset_t pending;
        ::sigpending(&pending);
        int taken = 0;
        if (sigismember(&pending, SIGPIPE) == 1) ::sigwait(&sigpipe, &taken);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return written;
}

[[nodiscard]] inline ssize_t write_without_sigpipe(int fd, const char* data, std::size_t size) noexcept {
    return without_sigpipe([=] { return ::write(fd, data, size); });
}

#endif

} // namespace coproc::platform
