#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Whether this kernel still tells how a child ended that somebody else has reaped (Linux 6.15, by its pidfd).

#if defined(__linux__)

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <coproc/platform/exit_memory_linux.hpp>

inline bool kernel_remembers_exits() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(3);
    const coproc::unique_fd named(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)));
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return coproc::platform::remembered_status(named.get()) == coproc::exit_status::exited(3);
}

#else

inline bool kernel_remembers_exits() { return false; }

#endif
