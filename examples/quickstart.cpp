// SPDX-License-Identifier: BSL-1.0
//
// Three commands of this machine: one streams, one answers, one takes too long; each is accounted for.
#include <algorithm>
#include <coproc.hpp>
#include <iostream>

using namespace coproc;
using namespace std::chrono_literals;

void report(const async_process& child) {
    const resource_usage usage = child.usage().value();
    std::cout << "  " << child.command_line() << ": " << child.status()->to_string() << ", " << usage.cpu_time().count()
              << " us of CPU, at most " << usage.peak_rss / 1024 << " KiB of memory\n";
}

task<> stream() {
    async_process list("ls", "-l", "/usr/bin");
    std::size_t count = 0;
    std::size_t longest = 0;
    line_stream lines = list.stream_stdout();
    while (auto line = co_await lines.next()) { // a view, as soon as the line is there
        ++count;
        longest = std::max(longest, line->size());
    }
    co_await list.wait();
    std::cout << count << " lines, the longest has " << longest << " characters\n";
    report(list);
}

task<> talk() {
    async_process shell("sh");
    for (int n = 6; n < 9; ++n) {
        const std::string question = "echo $((" + std::to_string(n) + " * 7))\n";
        co_await shell.write_stdin(question);
        const auto answer = co_await shell.read_line();
        std::cout << n << " * 7 = " << answer.value() << '\n';
    }
    shell.close_stdin();
    co_await shell.wait();
    report(shell);
}

task<> lose_patience() {
    async_process sleeper("sleep", "60");
    if (!co_await sleeper.wait(100ms)) {
        std::cout << "still running after 100 ms: stopped\n";
        co_await sleeper.stop(); // SIGTERM, 5 s of grace, SIGKILL
    }
    report(sleeper);
}

task<> app() {
    co_await stream();
    co_await talk();
    co_await lose_patience();
}

int main() { run(app()); }
