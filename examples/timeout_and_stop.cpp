// SPDX-License-Identifier: BSL-1.0
//
// Patience, in three ways: wait so long, do anything for so long, and stop a child that will not listen.
#include <coproc.hpp>

#include <iostream>

using namespace coproc;
using namespace std::chrono_literals;

task<> app() {
    async_process sleeper("sleep", "60");
    if (!co_await sleeper.wait(50ms)) std::cout << "sleep: still running, and nothing is lost by asking\n";
    const exit_status polite = co_await sleeper.stop();
    std::cout << "sleep: " << polite.to_string() << '\n';

    async_process silent("cat");
    const auto line = co_await with_timeout(silent.read_line(), 50ms); // destroyed when the time is up
    std::cout << "cat: " << (line ? "said something" : "said nothing for 50 ms") << '\n';
    co_await silent.write_stdin("here I am\n");
    const auto later = co_await silent.read_line(); // the read that was given up has taken nothing
    std::cout << "cat: " << later.value_or("nothing") << '\n';

    async_process stubborn("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done");
    co_await stubborn.read_line();
    const exit_status hard = co_await stubborn.stop(100ms); // SIGTERM is ignored, SIGKILL cannot be
    std::cout << "stubborn: " << hard.to_string() << '\n';
}

int main() { run(app()); }
