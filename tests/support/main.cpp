// SPDX-License-Identifier: BSL-1.0
//
// The test program, which ends with the descriptors that it began with.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

#include <cstdio>
#include <set>

#include "resources.hpp"

int main(int argc, char** argv) {
    const std::set<int> before = open_descriptors();
    const int failed = Catch::Session().run(argc, argv);
#if !defined(COPROC_BACKEND_KQUEUE) // libkqueue keeps some of its own
    if (open_descriptors() != before) {
        std::fprintf(stderr, "the tests have left descriptors open, or closed some that were not theirs\n");
        return failed != 0 ? failed : 1;
    }
#endif
    return failed;
}
