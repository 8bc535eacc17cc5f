// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/destroy.hpp>

#include <chrono>
#include <stdexcept>

#include "support/catch.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("a destroy policy kills at once or after a grace or not at all", "[process]") {
    CHECK_FALSE(destroy(destroy::kill).detaches());
    CHECK(destroy(destroy::kill).grace() == 0s);
    CHECK(destroy::terminate(2s).grace() == 2s);
    CHECK_FALSE(destroy::terminate(2s).detaches());
    CHECK(destroy(destroy::detach).detaches());
    CHECK(destroy::terminate(std::chrono::hours::max()).grace() == platform::clock::duration::max());
    CHECK(destroy::terminate(0s).grace() == 0s);
}

TEST_CASE("a destruction with less than no grace is refused where it is said", "[process]") {
    CHECK_THROWS_AS(destroy::terminate(-1ns), std::invalid_argument);
    CHECK_THROWS_AS(destroy::terminate(-0.5s), std::invalid_argument);
}
