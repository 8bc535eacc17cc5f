// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/command.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <coproc/process/async_process.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::string_literals;

using words = std::vector<std::string>;

static_assert(std::is_copy_constructible_v<command> && std::is_copy_assignable_v<command>);
static_assert(std::is_nothrow_move_constructible_v<command>);
static_assert(!std::is_aggregate_v<command>);
static_assert(!std::is_convertible_v<const char*, command>); // a string is not a command by accident

namespace {

// What std::invalid_argument says; empty if nothing was thrown.
template <class F>
std::string complaint(F f) {
    try {
        f();
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

} // namespace

TEST_CASE("a command is its words", "[process]") {
    command c("cc", "-O2", "a b"s, std::string_view("c"), std::filesystem::path("/d"));
    c.arg("e").args(words{"f", "g"}).arg("");
    CHECK(c.program() == "cc");
    CHECK(c.args() == words{"-O2", "a b", "c", "/d", "e", "f", "g", ""});
    CHECK(c.arg0() == "cc");
    CHECK(c.arg0("gcc").arg0() == "gcc");
    CHECK(c.program() == "cc");
    CHECK(c.arg0("").arg0().empty());
}

TEST_CASE("any range of words will do", "[process]") {
    const char* array[] = {"a", "b"};
    const std::vector<std::filesystem::path> paths{"c", "d"};
    CHECK(command("x").args(array).args(paths).args(words()).args() == words{"a", "b", "c", "d"});
}

TEST_CASE("a copy of a command is another command", "[process]") {
    command original("x", "a");
    original.env("K", "1").cwd("/");
    command copy = original;
    copy.arg("b").env("K", "2").cwd("/tmp").in(stdio::null);
    CHECK(original.args() == words{"a"});
    CHECK(original.env_changes().size() == 1);
    CHECK(original.cwd() == "/");
    CHECK_FALSE(original.stdio_of(0));
    copy = original;
    CHECK(copy.args() == words{"a"});
    CHECK_FALSE(copy.stdio_of(0));
}

TEST_CASE("a chain on a temporary can be kept", "[process]") {
    const std::string path(1000, 'x');
    const command c = command("x").arg(path).env("K", path).cwd("/").out(stdio::null).err(stdio::file(path));
    CHECK(c.args() == words{path});
    CHECK(c.stdio_of(1)->is(stdio::null));
    CHECK(c.stdio_of(2)->as_file()->path == path);
}

TEST_CASE("a command says what was said", "[process]") {
    command c("x");
    CHECK(c.cwd().empty());
    CHECK_FALSE(c.env_is_cleared());
    CHECK(c.env_changes().empty());
    CHECK_FALSE(c.on_destroy().detaches());
    c.env("A", "1").unset_env("B");
    REQUIRE(c.env_changes().size() == 2);
    CHECK(c.env_changes()[0].key == "A");
    CHECK(c.env_changes()[0].value == "1");
    CHECK_FALSE(c.env_changes()[1].value);
    c.clear_env();
    CHECK(c.env_is_cleared());
    CHECK(c.env_changes().empty());
    CHECK(c.on_destroy(destroy::detach).on_destroy().detaches());
    CHECK_THROWS_AS(c.stdio_of(3), std::out_of_range);
}

TEST_CASE("what no system can pass on is refused where it is given and named", "[process]") {
    const std::string nul("a\0b", 3);
    CHECK(complaint([&] { command c(nul); }) == "the program \"a\\x00b\" contains a NUL byte");
    CHECK(complaint([&] { command c("x", nul); }) == "the argument \"a\\x00b\" contains a NUL byte");
    CHECK(complaint([&] { command("x").arg0(nul); }) == "the argument \"a\\x00b\" contains a NUL byte");
    CHECK(complaint([&] { command("x").args(words{"ok", nul}); }) == "the argument \"a\\x00b\" contains a NUL byte");
    CHECK(complaint([&] { command("x").env(nul, "v"); }) == "the environment key \"a\\x00b\" contains a NUL byte");
    CHECK(complaint([&] { command("x").env("k", nul); }) == "the environment value \"a\\x00b\" contains a NUL byte");
    CHECK(complaint([&] { command("x").unset_env(nul); }) == "the environment key \"a\\x00b\" contains a NUL byte");
    CHECK(complaint([&] { command("x").cwd(nul); }) == "the directory \"a\\x00b\" contains a NUL byte");
    CHECK(complaint([&] { command("x").env("a=b", "v"); }) == "the environment key \"a=b\" contains a '='");
    CHECK(complaint([&] { command("x").unset_env("a=b"); }) == "the environment key \"a=b\" contains a '='");
    CHECK(complaint([&] { command("x").env("=", "v"); }) == "the environment key \"=\" contains a '='");
    CHECK(complaint([&] { command("x").env("", "v"); }) == "an environment key is empty");
    CHECK(complaint([&] { command("x").unset_env(""); }) == "an environment key is empty");
    CHECK(complaint([&] { command c(""); }) == "the program of a command is empty");
    CHECK(complaint([&] { command("x").cwd(""); }) == "the directory of a command is empty");
}

TEST_CASE("a word that is refused leaves the command as it was", "[process]") {
    command c("x", "a");
    CHECK_FALSE(complaint([&] { c.arg("\0"s); }).empty());
    CHECK_FALSE(complaint([&] { c.env("k", "\0"s); }).empty());
    CHECK_FALSE(complaint([&] { c.cwd("\0"s); }).empty());
    CHECK(c.args() == words{"a"});
    CHECK(c.env_changes().empty());
    CHECK(c.cwd().empty());
}

TEST_CASE("a value may hold what a key may not", "[process]") {
    CHECK(command("x").env("K", "a=b=c").env("E", "").env_changes()[0].value == "a=b=c");
}

TEST_CASE("a command is worded as a shell would read it", "[process]") {
    CHECK(command("ls").to_string() == "ls");
    CHECK(command("/bin/echo", "a", "b c", "", "it's").to_string() == "/bin/echo a 'b c' '' 'it'\\''s'");
    CHECK(command("a b").to_string() == "'a b'");
}

TEST_CASE("a shell reads back the same words", "[process]") {
    const nothing_leaks check;
    words hard{"",      " ",  "a b",    "'",   "''",          "\"",       "\\",  "\\'", "$HOME",  "`id`",
               "$(id)", "*",  "?",      "[a]", "~",           "#x",       "a#",  "&",   "|",      ";",
               "<",     ">",  "(",      ")",   "{a,b}",       "!x",       "a=b", "-n",  "--",     "\t",
               "a\nb",  "\n", "a\\\nb", "\r",  "caf\xc3\xa9", "\xff\xfe", "%s",  "^",   "\x1b[0m"};
    std::string all;
    for (char c = 1; c < 127; ++c) all += c;
    hard.push_back(all);
    command c(child("echo_args"));
    c.args(hard);
    // The library has no shell of its own here: a system's shell is the judge.
    const auto talk = [](std::string line) -> task<result> {
        async_process shell("/bin/sh", "-c", line);
        co_return co_await shell.communicate();
    };
    const result r = run_in_time(talk(c.to_string()));
    CHECK(r.err.empty());
    words expected{child("echo_args")};
    expected.insert(expected.end(), hard.begin(), hard.end());
    CHECK(pieces(r.out) == expected);
}

TEST_CASE("one command can be started many times", "[process]") {
    const nothing_leaks check;
    const command c(child("echo_args"), "x");
    const auto talk = [](const command& what) -> task<std::string> {
        async_process first(what);
        async_process second(what);
        std::string both = co_await first.read_stdout();
        both += co_await second.read_stdout();
        co_return both;
    };
    const std::string once = child("echo_args") + '\0' + "x" + '\0';
    CHECK(run_in_time(talk(c)) == once + once);
    CHECK(run_in_time(talk(c)) == once + once);
}

TEST_CASE("a command can be given its own words again", "[process]") {
    command twice("echo", "a long argument that is certainly not kept inside the string", "b");
    twice.args(twice.args());
    CHECK(twice.args().size() == 4);
    CHECK(twice.args()[2] == twice.args()[0]);
    CHECK(twice.args()[3] == "b");
}

TEST_CASE("a program that is named like a word of the shell is quoted", "[process]") {
    CHECK(command("if", "then").to_string() == "'if' then");
    CHECK(command("time").to_string() == "'time'");
    CHECK(command("timeout").to_string() == "timeout");
}
