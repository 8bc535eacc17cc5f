// SPDX-License-Identifier: BSL-1.0
// login: asks for a name and a password (me, secret), three times at the most, and on a terminal does not show what is
// typed for the latter. Then it obeys: `echo WORDS`, `count N` (a line each), `sure` (which asks back), `exit CODE`.
// Ends with 1 if nobody has logged in, with 2 at the end of stdin.
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void say(std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(1, text.data(), text.size());
        if (n < 0) std::exit(3);
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

std::string hear() {
    std::string line;
    for (char c = 0; ::read(0, &c, 1) == 1; line += c) {
        if (c == '\n') return line;
    }
    std::exit(2);
}

std::string ask(std::string_view question) {
    say(question);
    return hear();
}

std::string ask_in_secret(std::string_view question) {
    termios shown{};
    if (::tcgetattr(0, &shown) != 0) return ask(question);
    termios hidden = shown;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(0, TCSAFLUSH, &hidden);
    std::string answer = ask(question);
    ::tcsetattr(0, TCSAFLUSH, &shown);
    say("\n");
    return answer;
}

bool let_in() {
    for (int tries = 0; tries < 3; ++tries) {
        const std::string name = ask("login: ");
        const std::string password = ask_in_secret("Password: ");
        if (name == "me" && password == "secret") return true;
        say("Login incorrect\n");
    }
    return false;
}

} // namespace

int main() {
    if (!let_in()) return 1;
    say("Welcome\n");
    for (;;) {
        const std::string line = ask("$ ");
        const std::size_t space = line.find(' ');
        const std::string verb = line.substr(0, space);
        const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
        if (verb == "exit") return std::atoi(rest.c_str());
        if (verb == "echo") say(rest + "\n");
        else if (verb == "count")
            for (int i = 1; i <= std::atoi(rest.c_str()); ++i) say(std::to_string(i) + "\n");
        else if (verb == "sure") say(ask("Sure [y/n]? ") == "y" ? "done\n" : "left\n");
        else say(verb + ": not found\n");
    }
}
