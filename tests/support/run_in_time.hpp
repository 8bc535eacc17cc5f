#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The door from a test into coroutines. A hang becomes a failure with a name, long before a test driver's patience
// ends.

#include <chrono>
#include <type_traits>
#include <utility>

#include <coproc/loop/run.hpp>
#include <coproc/loop/with_timeout.hpp>

#include "catch.hpp"

/// As coproc::run, but fails the test where that takes for ever.
template <coproc::awaitable A>
auto run_in_time(A what, std::chrono::seconds limit = std::chrono::seconds(30)) {
    auto done = coproc::run(coproc::with_timeout(std::move(what), limit));
    if (!done) FAIL("hangs: nothing came of it in " << limit.count() << " s");
    if constexpr (!std::is_same_v<decltype(done), bool>) return std::move(*done);
}
