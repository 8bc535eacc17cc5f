// SPDX-License-Identifier: BSL-1.0
//
// Gives a program a terminal: some behave differently there, some will not run without one.
#include <coproc.hpp>

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

using namespace coproc;

// The other side: this very program, started with an argument. It could be an editor, a shell, or ssh.
int screen() {
    if (::isatty(1) == 0) {
        std::cout << "this is no terminal\n";
        return 1;
    }
    for (std::string line; std::getline(std::cin, line);) {
        winsize now{};
        ::ioctl(0, TIOCGWINSZ, &now);
        std::cout << line << " on " << now.ws_row << " by " << now.ws_col << std::endl;
    }
    std::cout << "goodbye" << std::endl;
    return 0;
}

task<> type(async_process& shown, std::string line) {
    line += '\n';
    co_await shown.write_stdin(line);
    const auto echo = co_await shown.read_line(); // what is typed is seen, unless terminal().echo(false)
    const auto answer = co_await shown.read_line();
    std::cout << echo.value() << " -> " << answer.value() << '\n';
}

task<int> app(const char* self) {
    async_process piped(self, "screen");
    const std::string refusal = co_await piped.read_stdout();
    std::cout << refusal;

    command c(self, "screen");
    async_process shown(c.pty(30, 100)); // its stdin, stdout and stderr, and the controlling terminal of its session
    co_await type(shown, "hello");
    shown.resize(50, 132);
    co_await type(shown, "hello");
    shown.close_stdin(); // types the end, as control and D do
    const auto last = co_await shown.read_line();
    std::cout << last.value() << '\n';

    async_process interrupted(c);
    co_await type(interrupted, "patience");
    co_await interrupted.write_stdin("\x03"); // control and C
    const exit_status status = co_await interrupted.wait();
    std::cout << status.to_string() << '\n';
    co_return 0;
}

int main(int argc, char** argv) { return argc > 1 ? screen() : run(app(argv[0])); }
