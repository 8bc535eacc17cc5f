// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/result.hpp>

#include <type_traits>
#include <utility>

#include <coproc/process/process_error.hpp>

#include "support/catch.hpp"

using namespace coproc;

static_assert(std::is_same_v<decltype(std::declval<const result&>().check()), const result&>);
static_assert(std::is_same_v<decltype(std::declval<result>().check()), result>);

TEST_CASE("check hands a success on", "[process]") {
    result good;
    good.status = exit_status::exited(0);
    good.out = std::string(100, 'x');
    CHECK(&good.check() == &good);
    const result moved = std::move(good).check();
    CHECK(moved.out == std::string(100, 'x'));
}

TEST_CASE("check throws at whatever is no success", "[process]") {
    for (const exit_status s : {exit_status::exited(1), exit_status::signaled(9), exit_status::unknown()}) {
        result bad;
        bad.status = s;
        CHECK_THROWS_AS(bad.check(), exit_error);
        CHECK_THROWS_AS(std::move(bad).check(), exit_error);
    }
}

TEST_CASE("a result that was never filled is no success", "[process]") {
    CHECK_THROWS_AS(result().check(), exit_error);
}
