// SPDX-License-Identifier: BSL-1.0
#include <coproc/core/resource_usage.hpp>

#include <chrono>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using coproc::resource_usage;

TEST_CASE("CPU time is the time in the program and in the kernel for it", "[core]") {
    resource_usage usage;
    CHECK(usage.cpu_time() == 0us);
    usage.user_time = 1500us;
    usage.system_time = 2s;
    CHECK(usage.cpu_time() == 2001500us);
}

TEST_CASE("a usage that nobody measured is all zero", "[core]") {
    constexpr resource_usage usage;
    STATIC_REQUIRE(usage.peak_rss == 0u);
    STATIC_REQUIRE(usage.minor_faults + usage.major_faults == 0u);
    STATIC_REQUIRE(usage.voluntary_switches + usage.involuntary_switches == 0u);
    STATIC_REQUIRE(usage.blocks_read + usage.blocks_written == 0u);
}
