// SPDX-License-Identifier: BSL-1.0
//
// coproc's awaitables in a coroutine type that is not coproc's: any std::coroutine_handle<> will do.
#include <coproc.hpp>

#include <exception>
#include <iostream>

// The smallest coroutine there is: starts at once, owns itself, and must not throw.
struct fire_and_forget {
    struct promise_type {
        fire_and_forget get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

fire_and_forget upper_case(coproc::event_loop& loop, std::string text) {
    coproc::async_process tr(coproc::command("tr", "a-z", "A-Z"), loop);
    co_await tr.write_stdin(text);
    tr.close_stdin();
    const std::string shouted = co_await tr.read_stdout();
    const coproc::exit_status status = co_await tr.wait();
    std::cout << shouted << "tr " << status.to_string() << '\n';
    loop.stop();
}

int main() {
    coproc::event_loop loop;
    upper_case(loop, "no framework required\n");
    loop.run();
}
