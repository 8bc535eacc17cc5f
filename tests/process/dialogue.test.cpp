// SPDX-License-Identifier: BSL-1.0
//
// Dialogues with a program that asks, led by expect.
#include <coproc.hpp>

#include <coproc/io/expect_regex.hpp>

#include <chrono>
#include <cstddef>
#include <regex>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// Either way of talking: by pipes, or on a terminal, which shows what is typed and ends lines in its own way.
class way_of_talking {
public:
    explicit way_of_talking(bool terminal) : terminal_(terminal) {}

    [[nodiscard]] command login() const {
        command c(child("login"));
        if (terminal_) c.pty();
        return c;
    }
    [[nodiscard]] std::string shown(std::string_view typed, std::string_view said) const {
        if (!terminal_) return std::string(said);
        std::string all;
        for (const std::string_view text : {typed, said}) {
            for (const char c : text) all.append(c == '\n' ? "\r\n" : std::string(1, c));
        }
        return all;
    }

private:
    bool terminal_;
};

// What the child says in answer to a line, up to its next prompt.
task<std::string> answer_at_prompt(async_process& p, std::string line) {
    line += '\n';
    co_await p.write_stdin(line);
    expectation found = co_await p.expect(20s, "$ ");
    co_return std::move(found.before);
}

task<expectation> log_in(async_process& p, std::string name, std::string password) {
    co_await p.expect(20s, "login: ");
    name += '\n';
    co_await p.write_stdin(name);
    co_await p.expect(20s, "Password: ");
    password += '\n';
    co_await p.write_stdin(password);
    co_return co_await p.expect(20s, "$ ", "incorrect", eof);
}

} // namespace

TEST_CASE("a program that asks is answered and obeys", "[process][expect]") {
    const way_of_talking way(GENERATE(false, true));
    const nothing_leaks check;
    const auto talk = [&]() -> task<exit_status> {
        async_process p(way.login());
        const expectation welcome = co_await log_in(p, "me", "secret");
        CHECK(welcome.index == 0);
        CHECK(welcome.before == way.shown("\n", "Welcome\n")); // the password is typed on no terminal
        const std::string echoed = co_await answer_at_prompt(p, "echo hello  world");
        CHECK(echoed == way.shown("echo hello  world\n", "hello  world\n"));
        const std::string counted = co_await answer_at_prompt(p, "count 3");
        CHECK(counted == way.shown("count 3\n", "1\n2\n3\n"));
        const std::string unknown = co_await answer_at_prompt(p, "frob");
        CHECK(unknown == way.shown("frob\n", "frob: not found\n"));
        co_await p.write_stdin("exit 7\n");
        const expectation end = co_await p.expect(20s, eof);
        CHECK(end.before == way.shown("exit 7\n", ""));
        co_return co_await p.wait();
    };
    CHECK(run_in_time(talk()).to_string() == "exited with code 7");
}

TEST_CASE("a program that refuses is heard and asked again", "[process][expect]") {
    const way_of_talking way(GENERATE(false, true));
    const nothing_leaks check;
    const auto talk = [&]() -> task<> {
        async_process p(way.login());
        const expectation wrong = co_await log_in(p, "me", "guess");
        CHECK(wrong.index == 1);
        const expectation right = co_await log_in(p, "me", "secret");
        CHECK(right.index == 0);
        p.close_stdin();
        const exit_status status = co_await p.wait();
        CHECK(status.code() == 2);
    };
    run_in_time(talk());
}

TEST_CASE("a program that ends where it was expected to go on says so", "[process][expect]") {
    const way_of_talking way(GENERATE(false, true));
    const nothing_leaks check;
    const auto talk = [&]() -> task<std::string> {
        async_process p(way.login());
        for (int i = 0; i < 3; ++i) {
            const expectation wrong = co_await log_in(p, "you", "secret");
            CHECK(wrong.index == 1);
        }
        try {
            co_await log_in(p, "me", "secret");
        } catch (const incomplete_read& e) {
            co_return e.what();
        }
        co_return "nothing";
    };
    const std::string said = run_in_time(talk());
    const std::string expected = "no \"login: \" in " + in_quotes(way.shown("", "\n")) + ": the stream ended early";
    CAPTURE(said);
    CHECK(said.ends_with(expected));
}

TEST_CASE("a prompt that does not come is told with what came instead", "[process][expect]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        std::string said;
        async_process p(child("login"));
        try {
            co_await p.expect(300ms, "$ ", std::string("# "));
        } catch (const expect_timeout& e) {
            said = e.what();
        }
        const expectation found = co_await p.expect("login: "); // still there, or still to come
        CHECK(found.before.empty());
        co_return said;
    };
    const std::string said = run_in_time(talk());
    const std::string expected = "cannot read \"stdout of " + child("login") + "\": no \"$ \" or \"# \"";
    CHECK(said.substr(0, expected.size()) == expected);
}

TEST_CASE("a question of any form is known by a regex", "[process][expect]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("login"));
        co_await log_in(p, "me", "secret");
        co_await p.write_stdin("sure\n");
        const std::regex question("(\\w+) \\[(.)/(.)\\][?] ");
        const expectation found = co_await p.expect(20s, "$ ", question);
        CHECK(found.index == 1);
        CHECK(found.groups == std::vector<std::string>{"Sure", "y", "n"});
        const std::string answer = co_await answer_at_prompt(p, found.groups.at(1));
        CHECK(answer == "done\n");
    };
    run_in_time(talk());
}

TEST_CASE("stderr that nobody reads does not hold up what is expected of stdout", "[process][expect]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("trade"), "eo", "1000000");
        const expectation found = co_await expect(p.out(), 20s, "xyz");
        CHECK(found.before.size() == 23);
        const expectation end = co_await expect(p.err(), 20s, eof);
        CHECK(end.before.size() == 1000000);
        co_await p.stop();
    };
    run_in_time(talk());
}

TEST_CASE("a dialogue can be logged while it is led", "[process][expect]") {
    const nothing_leaks check;
    std::string log;
    const auto talk = [&]() -> task<> {
        command logged(child("login"));
        logged.out(stdio::sink([&log](std::string_view bytes) { log += bytes; }));
        async_process p(logged);
        const expectation welcome = co_await log_in(p, "me", "secret");
        CHECK(welcome.index == 0);
        const std::string echoed = co_await answer_at_prompt(p, "echo hello");
        CHECK(echoed == "hello\n");
    };
    run_in_time(talk());
    CHECK(log == "login: Password: Welcome\n$ hello\n$ ");
}

TEST_CASE("what is not piped cannot be expected to say anything", "[process][expect]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("exit_with"), "0").out(stdio::null));
        CHECK_THROWS_AS(static_cast<void>(p.expect(1s, "$ ")), usage_error);
        co_await p.wait();
    };
    run_in_time(talk());
}
