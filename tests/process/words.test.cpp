// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/words.hpp>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"

using namespace coproc;

static_assert(word<const char*> && word<char[4]> && word<std::string> && word<std::string_view>);
static_assert(word<std::filesystem::path>);
static_assert(!word<int> && !word<char>);

TEST_CASE("plain words stand as they are", "[process]") {
    for (const std::string_view plain : {"ls", "-la", "/usr/bin/x", "a_b+c,d.e:f@g%h"}) {
        CHECK(shell_quoted(plain) == plain);
    }
}

// Seen to fail: a `;` taken for one of them.
TEST_CASE("no other characters than those that mean themselves stand as they are", "[process]") {
    const std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_+:,./-";
    for (int value = 1; value < 256; ++value) {
        const std::string one(1, static_cast<char>(value));
        CAPTURE(value);
        CHECK((shell_quoted(one) == one) == (plain.find(one) != std::string_view::npos));
    }
}

TEST_CASE("a null pointer is no word and is refused where it is given", "[process]") {
    const char* const none = nullptr;
    command c("x");
    CHECK_THROWS_AS(command(none), std::invalid_argument);
    CHECK_THROWS_AS(command("x", none), std::invalid_argument);
    CHECK_THROWS_AS(c.arg(none), std::invalid_argument);
    CHECK_THROWS_AS(c.arg0(none), std::invalid_argument);
    CHECK_THROWS_AS(c.env("KEY", none), std::invalid_argument);
    CHECK_THROWS_AS(c.env(none, "value"), std::invalid_argument);
    CHECK_THROWS_AS(c.unset_env(none), std::invalid_argument);
    CHECK_THROWS_AS(c.cwd(none), std::invalid_argument);
    CHECK_THROWS_AS(c.cgroup(none), std::invalid_argument);
    CHECK_THROWS_AS(c.args(std::vector<const char*>{"a", none}), std::invalid_argument);
    CHECK_THROWS_AS(secret(none), std::invalid_argument);
    CHECK_THROWS_AS(stdio::file(none), std::invalid_argument);
    CHECK_THROWS_AS(shell(none), std::invalid_argument);
    CHECK(c.to_string() == "x");
}

TEST_CASE("what a shell would touch stands between single quotes", "[process]") {
    CHECK(shell_quoted("") == "''");
    CHECK(shell_quoted("a b") == "'a b'");
    CHECK(shell_quoted("$HOME") == "'$HOME'");
    CHECK(shell_quoted("A=b") == "'A=b'"); // in front of a program it would be an assignment
    CHECK(shell_quoted("~") == "'~'");
    CHECK(shell_quoted("it's") == "'it'\\''s'");
    CHECK(shell_quoted("a\nb") == "'a\nb'");
    CHECK(shell_quoted("caf\xc3\xa9") == "'caf\xc3\xa9'");
}
