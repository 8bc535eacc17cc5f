// SPDX-License-Identifier: BSL-1.0
//
// execute, try_execute, output: one call from a command to its result.
#include <signal.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("execute captures and checks a command in one call", "[process]") {
    nothing_leaks check;
    const result r = run_in_time(execute(command(child("cat")), "hello\n"));
    CHECK(r.out == "hello\n");
    CHECK(r.err.empty());
    CHECK(r.status.success());
}
