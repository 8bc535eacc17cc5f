// SPDX-License-Identifier: BSL-1.0
#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"

using namespace coproc;

TEST_CASE("communicate feeds stdin and reads to the end and waits", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process cat(child("cat"));
        co_return co_await cat.communicate("hello\n");
    };
    const result r = run(talk());
    CHECK(r.out == "hello\n");
    CHECK(r.err.empty());
    CHECK(r.status.success());
}
