#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Where a child cannot be started without waiting for it: `begin` always says so.

#include "child_bsd.hpp"
#include "contract.hpp"
#include "spawn_plan.hpp"

namespace coproc::platform {

class launch_slots {};

class launch {
public:
    [[nodiscard]] bool begin(launch_slots&, const spawn_plan&, child&) noexcept { return false; }
    [[nodiscard]] bool has_left() const noexcept { return true; }
    void sleep(clock::duration) const noexcept {}
    [[nodiscard]] spawn_outcome outcome() const noexcept { return {}; }
    [[nodiscard]] spawn_plan plan() const noexcept { return {}; }
    void give_back() noexcept {}
};

} // namespace coproc::platform
