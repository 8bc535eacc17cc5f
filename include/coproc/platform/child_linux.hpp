#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A child on Linux: a pidfd, which names this one process for ever, however often its number is used again.

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "../core/unique_fd.hpp"
#include "contract.hpp"
#include "exit_memory_linux.hpp"
#include "pipe.hpp"
#include "process_group.hpp"
#include "rusage.hpp"

namespace coproc::platform {

class child {
public:
    child() noexcept = default;
    /// `pidfd` may be empty where the system refused one: then the pid serves, which is safe while only we reap.
    /// One that is not ours somebody else reaps.
    child(pid_t pid, unique_fd pidfd, bool is_ours = true) noexcept
        : pid_(pid), is_ours_(is_ours), pidfd_(std::move(pidfd)) {}

    [[nodiscard]] int pid() const noexcept { return pid_; }
    /// Polls readable at exit (pidfd_open(2)); -1 if there is none.
    [[nodiscard]] int exit_fd() const noexcept { return pidfd_.get(); }

    /// Whether it has been reaped or not.
    [[nodiscard]] bool has_ended() const noexcept {
        if (!pidfd_) return waits_to_be_reaped(pid_);
        pollfd exit{pidfd_.get(), POLLIN, 0};
        return ::poll(&exit, 1, 0) == 1;
    }

    bool send_signal(int number) const noexcept {
        if (!pidfd_) return send_by_pid(number);
        if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0U) == 0) return true;
        // A sandbox may refuse this call of all those with pidfds; then a child could never be ended.
        return errno != ESRCH && !has_ended() && send_by_pid(number);
    }

    /// To everybody in the process group that this child leads; false if there is nobody. Once it has been reaped that
    /// is possible where a pidfd names the group (Linux 6.9), which it does for as long as one of the group is there.
    bool signal_group(int number, bool is_reaped) const noexcept {
        if (!may_signal_group(pid_)) return false;
        if (pidfd_ && ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, to_its_group) == 0) return true;
        if (pidfd_ && errno == ESRCH) return false;
        return !is_reaped && platform::signal_group(pid_, number);
    }
    /// Whether there is anybody for that, be it that we may not signal him.
    [[nodiscard]] bool has_group(bool is_reaped) const noexcept {
        errno = 0;
        return signal_group(0, is_reaped) || errno == EPERM;
    }
    /// Before it is reaped: where its group could not be named any more and it has ended, the others get their SIGKILL
    /// now.
    void kill_group_at_the_last_moment() const noexcept {
        if (names_group_for_ever() || !waits_to_be_reaped(pid_)) return;
        platform::signal_group(pid_, SIGKILL);
    }

    [[nodiscard]] std::optional<reaped> try_reap() noexcept { return reap_with(WNOHANG); }
    [[nodiscard]] reaped reap() noexcept {
        for (int tries = 0; tries < 1000; ++tries) {
            if (const std::optional<reaped> end = reap_with(0)) return *end;
            ::sched_yield(); // the kernel is at it, which takes microseconds
        }
        return reaped{};
    }

private:
    bool send_by_pid(int number) const noexcept {
        return pid_ > 0 && ::kill(pid_, number) == 0; // kill(-1) would be everybody
    }
    [[nodiscard]] bool names_group_for_ever() const noexcept {
        return pidfd_ && (::syscall(SYS_pidfd_send_signal, pidfd_.get(), 0, nullptr, to_its_group) == 0 ||
                          errno == ESRCH || errno == EPERM);
    }

    // ECHILD: reaped by somebody else in this process, or by the kernel since SIGCHLD is ignored. Or never ours, but
    // our parent's, from whom we are a fork.
    [[nodiscard]] std::optional<reaped> reaped_elsewhere() const noexcept {
        if (const std::optional<exit_status> status = remembered_status(pidfd_.get())) return reaped{*status, {}};
        if (has_ended()) return std::nullopt; // it is being reaped at this moment
        return reaped{};
    }

    [[nodiscard]] std::optional<reaped> reap_with(int options) noexcept {
        if (!is_ours_) return has_ended() ? std::optional(reaped{}) : std::nullopt;
        if (!pidfd_) return reap_by_pid(pid_, options);
        // The system call takes a struct rusage that the libc function hides (waitid(2), C library/kernel differences).
        siginfo_t info{};
        rusage usage{};
        long result = 0;
        do {
            // __WALL: until it has executed a program, its exit signal is not SIGCHLD, and it may be killed that early.
            result = ::syscall(SYS_waitid, wait_by_pidfd, pidfd_.get(), &info, WEXITED | __WALL | options, &usage);
        } while (result < 0 && errno == EINTR); // a pidfd never names another process, so repeating is safe
        if (result < 0 && errno == ECHILD) return reaped_elsewhere();
        if (result < 0) return reap_by_pid(pid_, options | __WALL); // Linux before 5.4, or a sandbox
        if (info.si_pid == 0) return std::nullopt;
        return reaped{status_of(info), to_resource_usage(usage)};
    }

    static exit_status status_of(const siginfo_t& info) noexcept {
        switch (info.si_code) {
        case CLD_EXITED: return exit_status::exited(info.si_status);
        case CLD_KILLED: return exit_status::signaled(info.si_status);
        case CLD_DUMPED: return exit_status::signaled(info.si_status, true);
        default: return exit_status::unknown();
        }
    }

    static constexpr unsigned to_its_group = 4; // PIDFD_SIGNAL_PROCESS_GROUP
    static constexpr int wait_by_pidfd = 3;     // P_PIDFD, Linux 5.4; an enumerator, so it cannot be tested for

    pid_t pid_ = -1;
    bool is_ours_ = true;
    unique_fd pidfd_;
};

static_assert(child_process<child>);

/// A process that runs already, a child of ours or not. On failure one without a pid, with errno: ESRCH.
[[nodiscard, gnu::cold]] inline child running_process(pid_t pid) noexcept {
    unique_fd pidfd = above_stdio(unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U))));
    const int error = errno;
    const bool is_ours = is_our_child(pid);
    errno = error;
    if (!pidfd && !is_ours) return {}; // the number could be another's at any moment
    return {pid, std::move(pidfd), is_ours};
}

} // namespace coproc::platform
