// SPDX-License-Identifier: BSL-1.0
//
// Commands of which each reads what the one before it writes: without a shell, and with everybody's result.
#include <coproc.hpp>

#include <iostream>

using namespace coproc;
using namespace std::chrono_literals;

void print(const pipeline_result& r) {
    std::cout << r.command_line << '\n';
    for (const result& stage : r.stages) {
        std::cout << "  " << stage.command_line << ": " << stage.status.to_string() << '\n';
    }
}

task<int> app() {
    // What $(...) gives, of three programs; the first one reads our text.
    const std::string text = "pear\napple\npear\nfig\n";
    std::cout << co_await output(command("sort") | command("uniq") | command("wc", "-l"), text) << " kinds of fruit\n";

    // Line by line as they come. Leaving early ends all of them.
    auto words = lines(command("printf", "%s\\n", "two", "one") | command("sort"));
    while (auto line = co_await words.next()) std::cout << *line << '\n';

    // A last stage that has had enough ends the others, and that is no failure.
    const pipeline endless = command("yes") | command("head", "-n", "1");
    print(co_await execute(endless));

    // A stage that fails makes all of it fail, wherever it stands.
    const pipeline bad = command("ls", "/no/such/directory") | command("cat");
    const pipeline_attempt tried = co_await try_execute(bad);
    print(tried);
    std::cout << "failed: stage " << tried.failed.at(0) + 1 << '\n';

    // Past its time all of it is stopped.
    pipeline slow = command("sleep", "60") | command("cat");
    try {
        co_await execute(slow.timeout(100ms));
    } catch (const pipeline_error& e) {
        std::cout << (e.code() == std::errc::timed_out ? "out of time: " : "failed: ") << e.subject() << '\n';
    }
    co_return tried ? 1 : 0;
}

int main() { return run(app()); }
