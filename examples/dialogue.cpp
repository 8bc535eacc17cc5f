// SPDX-License-Identifier: BSL-1.0
//
// Logs in to a prompt and drives it: expect waits for what a program says, whether or not a line ends there.
#include <coproc.hpp>

#include <iostream>

using namespace coproc;
using namespace std::chrono_literals;

// The other side: this very program, started with an argument. It could be ssh, gdb, or sudo.
int guarded_machine() {
    const auto ask = [](const char* question) {
        std::cout << question << std::flush;
        std::string answer;
        if (!std::getline(std::cin, answer)) std::_Exit(1);
        return answer;
    };
    while (ask("login: ") != "alice" || ask("Password: ") != "rabbit") std::cout << "Login incorrect\n";
    for (std::string order; (order = ask("$ ")) != "exit";) std::cout << "no such command: " << order << '\n';
    return 0;
}

task<bool> log_in(async_process& machine, std::string password) {
    co_await machine.expect(5s, "login: "); // throws, with what came instead, if that does not come in time
    co_await machine.write_stdin("alice\n");
    co_await machine.expect(5s, "Password: ");
    password += '\n';
    co_await machine.write_stdin(password);
    const expectation found = co_await machine.expect(5s, "$ ", "incorrect");
    co_return found.index == 0; // which of them it was
}

task<> talk(async_process& machine) {
    for (const char* const guess : {"hatter", "rabbit"}) {
        const bool let_in = co_await log_in(machine, guess);
        std::cout << guess << (let_in ? ": let in\n" : ": refused\n");
    }
    co_await machine.write_stdin("make tea\n");
    const expectation answer = co_await machine.expect(5s, "\r\n$ "); // a terminal ends its lines so
    std::cout << "it says: " << answer.before << '\n';                // all that came before the match
    try {
        co_await machine.expect(100ms, "tea");
    } catch (const expect_timeout& e) { // nothing is lost by that
        std::cout << e.code().message() << '\n';
    }
    co_await machine.write_stdin("exit\n");
    co_await machine.expect(5s, eof); // the end can be expected, too
}

task<int> app(const char* self) {
    command machine(self, "guarded machine");
    machine.pty(terminal().echo(false)); // who asks for a password may do that on a terminal only
    const exit_status status = co_await with_process(machine, talk);
    std::cout << "it " << status.to_string() << '\n';
    co_return status.success() ? 0 : 1;
}

int main(int argc, char** argv) { return argc > 1 ? guarded_machine() : run(app(argv[0])); }
