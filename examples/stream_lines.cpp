// SPDX-License-Identifier: BSL-1.0
//
// The lines of two children at once, each as it comes; stderr apart from stdout.
#include <coproc.hpp>

#include <iostream>

using namespace coproc;

// Parameters, not captures: they live in the coroutine as long as it does.
task<std::size_t> print_lines(const char* name, line_stream lines) {
    std::size_t count = 0;
    while (auto line = co_await lines.next()) {
        std::cout << name << ": " << *line << '\n'; // valid until the next next()
        ++count;
    }
    co_return count;
}

task<int> app() {
    async_process first("printf", "%s\\n", "one", "two", "three");
    async_process second("sh", "-c", "echo out; echo err >&2");
    auto counts =
        co_await when_all(print_lines("first", first.stream_stdout()), print_lines("second", second.stream_stdout()),
                          print_lines("second, stderr", second.stream_stderr()));
    const auto [a, b, c] = counts;
    std::cout << a + b + c << " lines\n";
    const exit_status status = co_await first.wait();
    co_return status.success() && a + b + c == 5 ? 0 : 1;
}

int main() { return run(app()); }
