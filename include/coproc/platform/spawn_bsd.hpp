#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Starting a child on macOS and BSD: by posix_spawn(3), and by fork(2) what that cannot do.

#include "child_bsd.hpp"
#include "spawn_fork.hpp"
#include "spawn_plan.hpp"
#include "spawn_posix.hpp"

namespace coproc::platform {

/// Of no use here: posix_spawn resets what it is told to.
class dispositions {};

/// Starts what the plan says and waits until the program runs. On failure no program has run and nothing is left.
///
/// The environment variable COPROC_SPAWN=fork, looked at once, avoids posix_spawn.
[[nodiscard]] inline spawn_outcome spawn(const spawn_plan& plan, child& started) noexcept {
    static const bool always_fork = detail::is_asked_for("fork");
    pid_t pid = -1;
    const spawn_outcome outcome = always_fork || !detail::posix_spawn_can(plan) ? detail::spawn_by_fork(plan, pid)
                                                                                : detail::posix_spawn(plan, pid);
    if (outcome.error == 0) started = child(pid);
    return outcome;
}

} // namespace coproc::platform
