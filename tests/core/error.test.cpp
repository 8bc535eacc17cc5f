// SPDX-License-Identifier: BSL-1.0
#include <coproc/core/error.hpp>

#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

#include "support/catch.hpp"

using coproc::errc;
using coproc::spawn_stage;

namespace {

std::error_code not_found() { return std::make_error_code(std::errc::no_such_file_or_directory); }

} // namespace

TEST_CASE("an error says what was done and on what and what the system said", "[core]") {
    const coproc::spawn_error e(spawn_stage::exec, "gti", "exec failed", not_found());
    CHECK(std::string(e.what()) == "cannot start \"gti\": exec failed: " + not_found().message());
    CHECK(e.operation() == "start");
    CHECK(e.subject() == "gti");
    CHECK(e.stage() == spawn_stage::exec);
    CHECK(e.code() == std::errc::no_such_file_or_directory);
}

TEST_CASE("an error without a detail has no gap in its message", "[core]") {
    const coproc::stream_error e("write", "stdin of cat", std::make_error_code(std::errc::broken_pipe));
    const std::string reason = std::make_error_code(std::errc::broken_pipe).message();
    CHECK(std::string(e.what()) == "cannot write \"stdin of cat\": " + reason);
}

TEST_CASE("a message stays on one line whatever its subject is called", "[core]") {
    CHECK(coproc::in_quotes("plain") == R"("plain")");
    CHECK(coproc::in_quotes("") == R"("")");
    CHECK(coproc::in_quotes("a\"b\\c") == R"("a\"b\\c")");
    CHECK(coproc::in_quotes(std::string("\n\t\x7f\0", 4)) == R"("\x0a\x09\x7f\x00")");
    CHECK(coproc::in_quotes("gr\xc3\xb6\xc3\x9f"
                            "er") == "\"gr\xc3\xb6\xc3\x9f"
                                     "er\""); // UTF-8 as it is

    const coproc::spawn_error e(spawn_stage::exec, "two\nlines", "exec failed", not_found());
    CHECK(std::string(e.what()).find('\n') == std::string::npos);
    CHECK(e.subject() == "two\nlines"); // for programs it is what it was
}

TEST_CASE("a stream that ended early tells what came and what was expected", "[core]") {
    const coproc::incomplete_read counted("stdout of cat", "abc", 10);
    CHECK(counted.partial() == "abc");
    CHECK(counted.expected() == 10u);
    CHECK(counted.code() == errc::end_of_stream);
    CHECK(std::string(counted.what()) == "cannot read \"stdout of cat\": got 3 bytes of 10: the stream ended early");

    const coproc::incomplete_read delimited("stdout of cat", "abc", 0);
    CHECK(delimited.expected() == 0u);
    CHECK(std::string(delimited.what()) ==
          "cannot read \"stdout of cat\": got 3 bytes and no delimiter: the stream ended early");
}

TEST_CASE("a line that is too long tells the limit that it passed", "[core]") {
    const coproc::line_too_long e("stdout of yes", 80);
    CHECK(e.limit() == 80u);
    CHECK(e.code() == errc::line_too_long);
    CHECK(std::string(e.what()).find("more than 80 bytes") != std::string::npos);
}

TEST_CASE("every error is caught as what it is and as what it stands on", "[core]") {
    const auto throw_it = [] { throw coproc::incomplete_read("s", "", 1); };
    CHECK_THROWS_AS(throw_it(), coproc::incomplete_read);
    CHECK_THROWS_AS(throw_it(), coproc::stream_error);
    CHECK_THROWS_AS(throw_it(), coproc::error);
    CHECK_THROWS_AS(throw_it(), std::system_error);

    STATIC_REQUIRE(std::is_base_of_v<coproc::error, coproc::spawn_error>);
    STATIC_REQUIRE(std::is_base_of_v<coproc::stream_error, coproc::line_too_long>);
    // A mistake of the caller is no failure of the world, and a handler of the one must not swallow the other.
    STATIC_REQUIRE(std::is_base_of_v<std::logic_error, coproc::usage_error>);
    STATIC_REQUIRE_FALSE(std::is_base_of_v<coproc::error, coproc::usage_error>);
}

TEST_CASE("copying an error cannot throw and keeps its words", "[core]") {
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<coproc::error>);
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<coproc::spawn_error>);
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<coproc::incomplete_read>);
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<coproc::line_too_long>);
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<coproc::usage_error>);

    std::string words;
    const auto copy_of_a_temporary = [] {
        const coproc::incomplete_read original("stream", "partial", 9);
        return coproc::incomplete_read(original);
    };
    const coproc::incomplete_read copy = copy_of_a_temporary();
    CHECK(copy.partial() == "partial");
    CHECK(copy.subject() == "stream");
    CHECK(std::string(copy.what()).find("got 7 bytes of 9") != std::string::npos);
}

TEST_CASE("our own conditions are error codes of a category of their own", "[core]") {
    const std::error_code code = errc::unsuccessful;
    CHECK(std::string(code.category().name()) == "coproc");
    CHECK(code.message() == "not a success");
    CHECK(code != std::error_code(static_cast<int>(errc::unsuccessful), std::generic_category()));
    CHECK(std::error_code(errc::end_of_stream).message() == "the stream ended early");
    CHECK(std::error_code(errc::line_too_long).message() == "line too long");
    CHECK(std::error_code(99, coproc::error_category()).message() == "unknown error");
    CHECK(static_cast<bool>(std::error_code(errc::end_of_stream))); // none of them is 0, which would be no error
}
