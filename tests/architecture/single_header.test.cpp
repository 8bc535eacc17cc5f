// SPDX-License-Identifier: BSL-1.0
//
// The preset "single-header" passes the tests with the one header in place of the many: here is seen that it does.
#include <coproc.hpp>

#include "support/catch.hpp"

TEST_CASE("the tests see the single header where they are built for it and only there", "[architecture]") {
#if defined(COPROC_TESTS_SINGLE_HEADER)
    const bool expected = true;
#else
    const bool expected = false;
#endif
#if defined(COPROC_HPP)
    const bool seen = true;
#else
    const bool seen = false;
#endif
    CHECK(seen == expected);
}
