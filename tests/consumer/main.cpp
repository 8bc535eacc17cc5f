// SPDX-License-Identifier: BSL-1.0
//
// One of two translation units that include everything and instantiate the same coroutines.
#include <coproc.hpp>

#include <iostream>

coproc::task<std::string> greet_from_other_unit();

coproc::task<std::string> greet() {
    coproc::async_process echo("echo", "one unit");
    coproc::result r = co_await echo.communicate();
    co_return r.check().out;
}

int main() {
    const std::string all = coproc::run(greet()) + coproc::run(greet_from_other_unit());
    std::cout << all;
    return all == "one unit\nanother unit\n" ? 0 : 1;
}
