// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/stdio.hpp>

#include <filesystem>
#include <string>

#include "support/catch.hpp"

using coproc::stdio;

TEST_CASE("a stdio is what it was made of", "[process]") {
    CHECK(stdio(stdio::pipe).is(stdio::pipe));
    CHECK_FALSE(stdio(stdio::pipe).is(stdio::null));
    CHECK(stdio(stdio::inherit).is(stdio::inherit));
    const stdio file = stdio::file("log");
    REQUIRE(file.as_file() != nullptr);
    CHECK(file.as_file()->path == "log");
    CHECK_FALSE(file.as_file()->append);
    CHECK(stdio::append("log").as_file()->append);
    for (const stdio::kind k : {stdio::inherit, stdio::null, stdio::pipe}) CHECK_FALSE(file.is(k));
    CHECK(stdio::file(std::filesystem::path("/tmp") / "x").as_file()->path == "/tmp/x");
    CHECK(stdio::fd(7).as_fd()->get() == 7);
    CHECK(stdio::text("abc").as_text()->bytes == "abc");
    CHECK(stdio(stdio::null).as_text() == nullptr);
    CHECK_THROWS_AS(static_cast<void>(stdio::fd(-1)), std::invalid_argument);
}

TEST_CASE("the path of a file is checked where it is given", "[process]") {
    CHECK_THROWS_AS(static_cast<void>(stdio::file("")), std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(stdio::file(std::string("a\0b", 3))), std::invalid_argument);
}
