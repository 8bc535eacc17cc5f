#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A process that has got the number of another one, which has gone (Linux, by clone3 with set_tid; for root).

#if defined(__linux__)

#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

/// Lives until it is killed, at the latest by the destructor.
class recycled {
public:
    explicit recycled(pid_t number) {
        clone_args arguments{};
        arguments.exit_signal = SIGCHLD;
        arguments.set_tid = reinterpret_cast<std::uintptr_t>(&number);
        arguments.set_tid_size = 1;
        pid_ = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
        if (pid_ != 0) return;
        for (;;) ::syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
    }
    recycled(const recycled&) = delete;
    recycled& operator=(const recycled&) = delete;
    ~recycled() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }

    /// False where that is not allowed, or somebody was faster.
    [[nodiscard]] bool there() const { return pid_ > 0; }
    [[nodiscard]] bool alive() const {
        // SIGKILL acts at once on a process that sleeps, but not before kill(2) has returned.
        ::usleep(20000);
        siginfo_t info{};
        return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
    }

private:
    pid_t pid_ = -1;
};

#endif
