#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// write(2) that says EPIPE and sends no SIGPIPE, whatever the host has decided about that signal: its disposition,
// its mask and its pending signals are afterwards what they were before.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <sys/socket.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <sys/uio.h>
#if defined(SYS_pwritev2)
#define COPROC_HAS_NOSIGNAL 1
#endif
#endif

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace coproc::platform {

#if defined(__APPLE__)

/// To be called once for each descriptor that is to be written to.
inline void expect_no_sigpipe(int fd) noexcept {
    const int yes = 1;
    if (::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &yes, sizeof yes) != 0) ::fcntl(fd, F_SETNOSIGPIPE, 1); // no socket
}

[[nodiscard]] inline ssize_t write_without_sigpipe(int fd, const char* data, std::size_t size) noexcept {
    return ::write(fd, data, size);
}

#else

inline void expect_no_sigpipe(int) noexcept {}

/// `call()`, which says -1 and EPIPE as write(2) does. A pipe has no MSG_NOSIGNAL, so the signal, which goes to the
/// thread that writes, is blocked there during the call and taken off the thread again if it came: two cheap system
/// calls (0.3 us together).
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

#if defined(COPROC_HAS_NOSIGNAL)

/// Whether this process has seen RWF_NOSIGNAL refused for a write that write(2) has done.
inline std::atomic<bool> nosignal_refused{false};

/// As write(2), and sends no SIGPIPE: RWF_NOSIGNAL of linux/fs.h, since Linux 6.18. At the offset -1 it writes where
/// write(2) would (pwritev2(2)). By number, since the C library may be older.
[[nodiscard]] inline ssize_t write_nosignal(int fd, const char* data, std::size_t size) noexcept {
    constexpr long rwf_nosignal = 0x100;
    const iovec bytes{const_cast<char*>(data), size};
    return ::syscall(SYS_pwritev2, fd, &bytes, 1L, -1L, -1L, rwf_nosignal);
}

/// As write(2), without SIGPIPE.
[[nodiscard]] inline ssize_t write_without_sigpipe(int fd, const char* data, std::size_t size) noexcept {
    bool refused = false;
    if (!nosignal_refused.load(std::memory_order_relaxed)) {
        const ssize_t written = write_nosignal(fd, data, size);
        // An older kernel says EOPNOTSUPP, as does a device with a driver of long ago; a sandbox ENOSYS or EPERM. Some
        // of these may be meant for the write itself, so write(2) has the last word.
        refused = written < 0 &&
                  (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EPERM || errno == EACCES);
        if (!refused) return written;
    }
    const ssize_t written = without_sigpipe([=] { return ::write(fd, data, size); });
    if (refused && written >= 0) nosignal_refused.store(true, std::memory_order_relaxed);
    return written;
}

#else

[[nodiscard]] inline ssize_t write_without_sigpipe(int fd, const char* data, std::size_t size) noexcept {
    return without_sigpipe([=] { return ::write(fd, data, size); });
}

#endif
#endif

} // namespace coproc::platform
