// SPDX-License-Identifier: BSL-1.0
// lazy: a shared library of somebody who uses coproc, in which the dynamic linker looks for a function at its first
// call.
#include <coproc/platform/platform.hpp>

#include <linux/sched.h>
#include <sys/wait.h>

#include <cstddef>
#include <cstring>

/// How much of its stack a child takes that is started here, until it executes its program; -1 if none can be started
/// that shares our memory. Only the first call in a process tells what the dynamic linker takes.
extern "C" long stack_of_a_child(const coproc::platform::spawn_plan* plan) {
    namespace detail = coproc::platform::detail;
    constexpr unsigned char untouched = 0xA5;
    alignas(64) static char stack[65536];
    std::memset(stack, untouched, sizeof stack);
    detail::child_slot slot{plan, 0, {}, false};
    int pidfd = -1;
    long pid = 0;
    {
        const detail::all_signals_blocked guard;
        pid = detail::clone3_child(CLONE_VM | CLONE_VFORK, stack, slot, pidfd);
    }
    if (pid < 0) return -1;
    const coproc::unique_fd its_name(pidfd);
    ::waitpid(static_cast<pid_t>(pid), nullptr, __WALL);
    if (!slot.ran || slot.outcome.error != 0) return -1;
    std::size_t free = 0;
    while (free < sizeof stack && static_cast<unsigned char>(stack[free]) == untouched) ++free;
    return static_cast<long>(sizeof stack - free);
}
