// SPDX-License-Identifier: BSL-1.0
#include <coproc.hpp>

coproc::task<std::string> greet_from_other_unit() {
    coproc::async_process echo("echo", "another unit");
    coproc::result r = co_await echo.communicate();
    co_return r.check().out;
}
