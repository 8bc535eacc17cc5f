#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Tasks to put a bound on.

#include <chrono>

#include <coproc/coro/task.hpp>
#include <coproc/loop/sleep.hpp>

#include "support/counted.hpp"

inline coproc::task<int> after_turns(int turns, int value) {
    for (int i = 0; i < turns; ++i) co_await coproc::yield();
    co_return value;
}

inline coproc::task<> never(counted) { co_await coproc::sleep_for(std::chrono::hours::max()); }
