// SPDX-License-Identifier: BSL-1.0
//
// The other one, which has the headers, too, that coproc.hpp leaves out.
#include <coproc.hpp>

#include <coproc/io/expect_regex.hpp>

coproc::task<std::string> greet_from_other_unit() {
    coproc::async_process echo("echo", "another unit");
    static const std::regex line("[a-z ]+\n");
    coproc::expectation found = co_await coproc::expect(echo.out(), line);
    co_return found.match;
}
