// SPDX-License-Identifier: BSL-1.0
//
// A dialogue: write a line, await the answer. The child lives as long as the coroutine that talks to it.
#include <coproc.hpp>

#include <iostream>

using namespace coproc;

task<std::string> ask(async_process& child, std::string question) {
    question += '\n';
    co_await child.write_stdin(question);
    auto answer = co_await child.read_line();
    if (!answer) throw std::runtime_error("it has nothing more to say");
    co_return std::move(*answer);
}

task<> dialogue(async_process& shell) {
    const std::string sum = co_await ask(shell, "echo $((40 + 2))");
    std::cout << "40 + 2 is " << sum << '\n';
    co_await ask(shell, "name=coproc; echo noted"); // it remembers
    const std::string name = co_await ask(shell, "echo \"$name\"");
    std::cout << "the name is " << name << '\n';
}

task<int> app() {
    // Stdin is closed and the child awaited when the body ends; the child is stopped if the body throws.
    const exit_status status = co_await with_process(command("sh"), dialogue);
    std::cout << "sh " << status.to_string() << '\n';
    co_return status.success() ? 0 : 1;
}

int main() { return run(app()); }
