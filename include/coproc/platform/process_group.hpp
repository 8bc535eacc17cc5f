#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Signals to a process group, and the one place that says which group may have none.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace coproc::platform {

/// False for what is no group of a child's: to kill(2), 0 means our own group, -1 everybody, 1 is init's; and the group
/// that we are in is the host's, whatever its number.
[[nodiscard]] inline bool may_signal_group(pid_t group) noexcept { return group > 1 && group != ::getpgrp(); }

/// By its number, which is that of its leader: only while that has not been reaped, or it may be a stranger's.
inline bool signal_group(pid_t group, int number) noexcept {
    return may_signal_group(group) && ::kill(-group, number) == 0;
}

namespace detail {

// Reaps nothing. False if that is no child of ours.
inline bool look_at_child(pid_t child, siginfo_t& info) noexcept {
#if defined(__WALL)
    constexpr int of_every_kind = __WALL; // also one that has not executed its program
#else
    constexpr int of_every_kind = 0;
#endif
    return child > 0 &&
           ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT | of_every_kind) == 0;
}

} // namespace detail

/// True of a child of ours that has ended and waits to be reaped, and keeps its number until then.
[[nodiscard]] inline bool waits_to_be_reaped(pid_t child) noexcept {
    siginfo_t info{};
    return detail::look_at_child(child, info) && info.si_pid == child;
}
/// Until it has been reaped.
[[nodiscard]] inline bool is_our_child(pid_t pid) noexcept {
    siginfo_t info{};
    return detail::look_at_child(pid, info);
}

} // namespace coproc::platform
