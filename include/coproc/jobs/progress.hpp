#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// queue_progress: what a queue of jobs tells of itself while it runs.
//
//     queue.on_progress([](const queue_progress& now) { std::cerr << now.done << " of " << now.total << '\n'; });

#include <cstddef>
#include <span>
#include <string_view>

#include "../core/exit_status.hpp"
#include "../platform/contract.hpp"

namespace coproc {

/// How a job, or one attempt at it, has ended.
struct job_ending {
    std::string_view name;
    bool succeeded = false;
    exit_status status; ///< of its child, if there was one
    /// What there is to say in place of the status: that it could not be started and why, that its time was over, that
    /// it was left out. Empty: the status says it.
    std::string_view reason;
    platform::clock::duration elapsed{};
    bool again = false; ///< it will be tried once more, and counts as waiting until then
};

/// How things stand. Texts live as long as the call.
struct queue_progress {
    std::size_t total = 0;                   ///< all jobs known by now: more may come
    std::size_t done = 0;                    ///< those that have ended, well or not, or will never run
    std::size_t running = 0;                 ///< those that have a child
    std::size_t waiting = 0;                 ///< for a free place, another job or the next attempt
    std::size_t failed = 0;                  ///< those of the done that have not succeeded
    platform::clock::duration elapsed{};     ///< since the first start
    std::span<const std::string_view> names; ///< of those that run, the oldest first
    const job_ending* last = nullptr;        ///< what has just ended; null if it is something else that has changed
    bool finished = false;                   ///< all is over: told once, and nothing follows
};

} // namespace coproc
