#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// run_rules: how far a run may go, what is kept of what it writes, and what counts as a success.

#include <chrono>

#include "../io/capture.hpp"
#include "../loop/timers.hpp"
#include "judgement.hpp"

namespace coproc::detail {

struct run_rules {
    using duration = platform::clock::duration;

    duration timeout = duration::max();
    duration idle_timeout = duration::max();
    duration grace = std::chrono::seconds(5);
    duration drain = std::chrono::seconds(1);
    capture out = capture::all();
    capture err = capture::all();
    judgement accepted;
};

/// Those of a command that says nothing.
[[nodiscard]] inline const run_rules& usual_rules() noexcept {
    static constexpr run_rules usual;
    return usual;
}

} // namespace coproc::detail
