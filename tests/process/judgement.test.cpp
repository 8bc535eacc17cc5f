// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/judgement.hpp>

#include <vector>

#include "support/catch.hpp"

using namespace coproc;

TEST_CASE("an exit with code 0 is all right and nothing else until somebody says so", "[process]") {
    const judgement usual;
    CHECK(usual.is_usual());
    CHECK(usual.accepts(exit_status::exited(0)));
    for (const int code : {1, 63, 64, 128, 255}) CHECK_FALSE(usual.accepts(exit_status::exited(code)));
    CHECK_FALSE(usual.accepts(exit_status::signaled(1)));
    CHECK_FALSE(usual.accepts(exit_status::unknown()));
}

TEST_CASE("each code that was said is all right and 0 only if it was said", "[process]") {
    const judgement some({255, 7, 64});
    CHECK_FALSE(some.is_usual());
    CHECK(some.ok_codes() == std::vector<int>{7, 64, 255});
    for (const int code : {7, 64, 255}) CHECK(some.accepts(exit_status::exited(code)));
    for (const int code : {0, 6, 8, 63, 65, 254}) CHECK_FALSE(some.accepts(exit_status::exited(code)));
    CHECK_FALSE(some.accepts(exit_status::signaled(7)));
    CHECK_FALSE(judgement({0}).is_usual()); // somebody did say so
}

TEST_CASE("what is no exit code is never all right and does no harm", "[process]") {
    const judgement odd({-1, 256, 100000, 5});
    CHECK(odd.ok_codes() == std::vector<int>{5});
    CHECK_FALSE(odd.accepts(exit_status::exited(256)));
    CHECK_FALSE(odd.accepts(exit_status::exited(-1)));
}

TEST_CASE("unchecked is whatever comes", "[process]") {
    const judgement any = judgement::unchecked();
    CHECK(any.is_unchecked());
    CHECK_FALSE(any.is_usual());
    for (const exit_status& s : {exit_status::exited(9), exit_status::signaled(9), exit_status::unknown()}) {
        CHECK(any.accepts(s));
    }
}
