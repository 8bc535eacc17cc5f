// SPDX-License-Identifier: BSL-1.0
//
// decode_error says what is wrong, where, and whose bytes they were.
#include <coproc/data/decode_error.hpp>

#include <string>
#include <type_traits>

#include "support/catch.hpp"

using coproc::decode_error;

TEST_CASE("a decode_error tells the place in bytes and lines and characters", "[data]") {
    const std::string text = "{\"a\": 1,\n \"gr\xc3\xbc\xc3\x9f\" 2}";
    const decode_error e("JSON", "expected ':'", text, text.find('2'));
    CHECK(e.offset() == 19);
    CHECK(e.line() == 2);
    CHECK(e.column() == 9); // two characters of two bytes each
    CHECK(e.excerpt() == text);
    CHECK(e.format() == "JSON");
    CHECK(e.problem() == "expected ':'");
    CHECK(e.subject() == "JSON");
    CHECK(e.code() == coproc::errc::malformed);
    CHECK(std::string(e.what()) == "cannot decode \"JSON\": expected ':' at byte 19 (line 2, column 9) near "
                                   "\"{\\\"a\\\": 1,\\x0a \\\"gr\xc3\xbc\xc3\x9f\\\" 2}\": malformed");
    CHECK(std::is_nothrow_copy_constructible_v<decode_error>);
}

TEST_CASE("a decode_error names the child whose bytes they were", "[data]") {
    const decode_error e = decode_error("UTF-8", "no character",
                                        "ab\xff"
                                        "c",
                                        2)
                               .of("lsblk -J");
    CHECK(e.subject() == "lsblk -J");
    CHECK(
        std::string(e.what()) ==
        "cannot decode UTF-8 of \"lsblk -J\": no character at byte 2 (line 1, column 3) near \"ab\\xffc\": malformed");
    const decode_error moved = e.at({7, 3, 0, "x"});
    CHECK(std::string(moved.what()) ==
          "cannot decode UTF-8 of \"lsblk -J\": no character at byte 7 of line 3 near \"x\": malformed");
    CHECK(decode_error("UTF-8", "no character", "", 0).at({7, 0, 0, ""}).subject() == "UTF-8");
}

TEST_CASE("the excerpt of a decode_error is short and begins and ends with whole characters", "[data]") {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "\xe2\x82\xac";
    for (std::size_t at = 0; at <= text.size(); at += 3) {
        const decode_error e("JSON", "wrong", text, at);
        CHECK(e.excerpt().size() <= 48);
        CHECK(e.excerpt().size() >= 24);
        CHECK(coproc::detail::utf8_prefix(e.excerpt()) == e.excerpt().size());
    }
    // Bytes that continue a character which never began are no reason to look further.
    CHECK(decode_error("JSON", "wrong", std::string(100, '\x80'), 50).excerpt().size() > 40);
}

TEST_CASE("a place beyond the end of the text has what is before it", "[data]") {
    const std::string text(40, 'x');
    CHECK(decode_error::place::around(text, 40) == std::string(24, 'x'));
    CHECK(decode_error::place::around(text, 41) == std::string(24, 'x'));
    CHECK(decode_error::place::around("", static_cast<std::size_t>(-1)).empty());
    const decode_error e("point", "expected a comma", "1\n2", 100);
    CHECK(e.offset() == 100);
    CHECK(e.line() == 2);
    CHECK(e.excerpt() == "1\n2");
}
