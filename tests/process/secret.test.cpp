// SPDX-License-Identifier: BSL-1.0
//
// A secret is given to the child and shown to nobody.
#include <coproc/process/secret.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <coproc/process/async_process.hpp>
#include <coproc/process/command.hpp>
#include <coproc/process/shell.hpp>
#include <coproc/process/start.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::string_literals;

static_assert(word_or_secret<secret> && word_or_secret<std::string> && !word<secret>);
static_assert(!std::is_convertible_v<secret, std::string_view>); // not shown by accident
static_assert(!std::is_convertible_v<std::string, secret>);
static_assert(!std::is_constructible_v<command, secret>); // a program has a name

namespace {

constexpr const char* sesame = "open sesame";

// Everything that an error tells.
std::string all_of(const error& e) { return e.operation() + "\n" + e.subject() + "\n" + e.what(); }

template <class F>
std::string error_of(F f) {
    try {
        f();
    } catch (const error& e) {
        return all_of(e);
    }
    return {};
}

bool tells_sesame(const std::string& text) { return text.find(sesame) != std::string::npos; }

command with_secrets(const std::string& program) {
    return command(program, "a", secret(sesame), "b").env("TOKEN", secret(sesame));
}

task<result> run_with_secrets(command c) {
    async_process p(c);
    CHECK(p.command_line() == c.to_string());
    co_return co_await p.communicate();
}

task<> start_it(command c) { async_process p = co_await start(c); }

} // namespace

TEST_CASE("a secret argument arrives and is shown as three stars", "[process]") {
    const nothing_leaks check;
    const std::string program = child("echo_args");
    const command c = with_secrets(program);
    CHECK(c.to_string() == program + " a *** b");
    CHECK(c.words() == program + "\0a\0***\0b"s);
    const result r = run_in_time(run_with_secrets(c));
    CHECK(pieces(r.out) == std::vector<std::string>{program, "a", sesame, "b"});
    CHECK(r.command_line == program + " a *** b");
}

TEST_CASE("a secret in the environment arrives", "[process]") {
    const nothing_leaks check;
    const command c = command(child("print_env")).clear_env().env("A", "1").env("TOKEN", secret(sesame));
    const result r = run_in_time(run_with_secrets(c));
    CHECK(pieces(r.out) == std::vector<std::string>{"A=1", "TOKEN="s + sesame});
    CHECK(c.env_changes()[1].secret);
    CHECK_FALSE(c.env_changes()[0].secret);
}

TEST_CASE("a secret can be given wherever a word can and in any number", "[process]") {
    const std::string pw = sesame;
    CHECK(command("login", secret(pw)).to_string() == "login ***");
    CHECK(command("login").arg(secret(pw)).arg("x").arg(secret(std::string_view(pw))).to_string() == "login *** x ***");
    CHECK(command("login").args(std::vector<secret>{secret("a"), secret("b")}).arg("c").to_string() ==
          "login *** *** c");
    CHECK(command("login", secret("")).to_string() == "login ***"); // nor is it shown that there is none
    CHECK(shell("login \"$1\"", secret(pw)).to_string() == "/bin/sh -c 'login \"$1\"' sh ***");
    CHECK(command("login", secret(pw)).args() == std::vector<std::string>{pw});
    CHECK(command("x", "a", secret(pw), secret(pw)).secret_args() == std::vector<std::size_t>{1, 2});
}

TEST_CASE("what is only written like a hidden secret is a word as any other", "[process]") {
    CHECK(command("x", "***", secret("***")).to_string() == "x '***' ***");
    CHECK_THROWS_AS(command::parse(command("x", secret(sesame)).to_string()), std::invalid_argument);
}

TEST_CASE("a copy of a command keeps its secrets", "[process]") {
    const command original("x", "a", secret(sesame));
    command copy = original;
    copy.arg("b");
    CHECK(copy.to_string() == "x a *** b");
    copy = command("y", "z");
    CHECK(copy.to_string() == "y z");
    command moved = command("x", "a", secret(sesame));
    command to = std::move(moved);
    CHECK(to.to_string() == "x a ***");
}

TEST_CASE("a start that fails tells no secret", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    const std::string here = child("echo_args");
    const std::string missing = error_of([&] { async_process p(with_secrets("/no/such/program")); });
    CHECK(missing.find("/no/such/program") != std::string::npos);
    std::vector<std::string> errors{
        missing,
        error_of([&] { async_process p(with_secrets("no such program")); }),
        error_of([&] { async_process p(with_secrets(here).cwd("/no/such/directory")); }),
        error_of([&] { async_process p(with_secrets(here).out(stdio::file("/no/such/directory/file"))); }),
        error_of([&] { async_process p(with_secrets(here).in(stdio::fd(1'000'000))); }),
        error_of([&] { async_process p(with_secrets(here).pass_fd(5, 1'000'000)); }),
        error_of([&] { loop.run(start_it(with_secrets("/no/such/program"))); }),
        error_of([&] { loop.run(start_it(with_secrets(here).cwd("/no/such/directory"))); }),
    };
    for (const std::string& text : errors) {
        CHECK_FALSE(text.empty());
        CHECK_FALSE(tells_sesame(text));
    }
}

TEST_CASE("an exit that is no success tells no secret", "[process]") {
    const nothing_leaks check;
    const result r = run_in_time(run_with_secrets(command(child("exit_with"), "3", secret(sesame))));
    const std::string text = error_of([&] { r.check(); });
    CHECK(text.find("exit_with 3 ***") != std::string::npos);
    CHECK_FALSE(tells_sesame(text));
}

TEST_CASE("errors of its streams tell no secret", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(with_secrets(child("exit_with")));
        std::string text;
        try {
            static_cast<void>(co_await p.out().read_exactly(10));
        } catch (const error& e) {
            text = all_of(e);
        }
        CHECK_FALSE(text.empty());
        CHECK_FALSE(tells_sesame(text));
        co_await p.wait();
    };
    run_in_time(talk());
}

TEST_CASE("a secret that cannot be passed on is not printed by the refusal", "[process]") {
    const std::string nul = "open\0sesame"s;
    try {
        command("x").arg(secret(nul));
        FAIL("nothing thrown");
    } catch (const std::invalid_argument& e) {
        CHECK(e.what() == "a secret contains a NUL byte"s);
    }
    try {
        command("x").env("a=b", secret(sesame));
        FAIL("nothing thrown");
    } catch (const std::invalid_argument& e) {
        CHECK_FALSE(tells_sesame(e.what()));
    }
}
