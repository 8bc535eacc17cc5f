// SPDX-License-Identifier: BSL-1.0
//
// UTF-8: what is text, what becomes of what is none, wherever it is cut. Held against the tables of the Unicode
// standard and against a plain, slow way to say what they say.
#include <coproc/data/text.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/cuts.hpp"
#include "support/catch.hpp"
#include "support/failing_allocations.hpp"

using namespace coproc;
using namespace std::string_literals;

namespace {

const std::string sign = "\xEF\xBF\xBD"; // U+FFFD

// ---- the slow way: nothing is known but how a code point is written ----

std::string written(std::uint32_t code) {
    const auto byte = [](std::uint32_t value) { return std::string(1, static_cast<char>(value)); };
    const auto tail = [&](int shift) { return byte(0x80 | ((code >> shift) & 0x3F)); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) return byte(0xC0 | (code >> 6)) + tail(0);
    if (code < 0x10000) return byte(0xE0 | (code >> 12)) + tail(6) + tail(0);
    return byte(0xF0 | (code >> 18)) + tail(12) + tail(6) + tail(0);
}

bool is_surrogate(std::uint32_t code) { return code >= 0xD800 && code < 0xE000; }

// What is the beginning of a character, or a character; of those that differ in their last byte only, one is there.
const std::set<std::string>& beginnings() {
    static const std::set<std::string> all = [] {
        std::set<std::string> found;
        for (std::uint32_t code = 0; code < 0x110000; code += code < 0x80 ? 1 : 0x40) {
            if (is_surrogate(code)) continue;
            const std::string whole = written(code);
            for (std::size_t size = 1; size <= whole.size(); ++size) found.insert(whole.substr(0, size));
        }
        return found;
    }();
    return all;
}

std::string slow_step(std::string_view bytes, bool& good) {
    const auto is_beginning = [](std::string text, std::size_t of) {
        if (text.size() == of && of > 1 && (text.back() & 0xC0) == 0x80) text.back() = '\x80';
        return beginnings().count(text) == 1;
    };
    const auto first = static_cast<unsigned char>(bytes[0]);
    const std::size_t whole = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    std::size_t size = 1;
    while (size < whole && size < bytes.size() && is_beginning(std::string(bytes.substr(0, size + 1)), whole)) ++size;
    good = size == whole && is_beginning(std::string(bytes.substr(0, size)), whole);
    return std::string(bytes.substr(0, size));
}

struct slow_answer {
    std::string replaced;
    std::optional<std::size_t> wrong; // the first byte that is
};

slow_answer slowly(std::string_view bytes) {
    slow_answer answer;
    for (std::size_t at = 0; at < bytes.size();) {
        bool good = false;
        const std::string part = slow_step(bytes.substr(at), good);
        answer.replaced += good ? part : sign;
        if (!good && !answer.wrong) answer.wrong = at;
        at += part.size();
    }
    return answer;
}

// ---- what is held against it ----

std::string replaced_in_pieces(std::string_view bytes, unsigned cut, utf8_decoder& d) {
    std::string text;
    for_each_chunk(bytes, cut, [&](std::string_view chunk) {
        const std::string copy(chunk); // gone when the next one comes
        text += d.feed(copy);
    });
    return text += d.finish();
}

std::optional<std::size_t> refused_in_pieces(std::string_view bytes, unsigned cut) {
    utf8_decoder d;
    try {
        const std::string same = replaced_in_pieces(bytes, cut, d);
        CHECK(same == bytes);
        return std::nullopt;
    } catch (const decode_error& e) {
        return e.offset();
    }
}

void check_text(std::string_view bytes) {
    const slow_answer expected = slowly(bytes);
    INFO(in_quotes(bytes));
    CHECK(is_utf8(bytes) == !expected.wrong);
    CHECK(to_utf8(std::string(bytes), utf8::replace) == expected.replaced);
    CHECK(is_utf8(expected.replaced));
    try {
        const std::string same = to_utf8(std::string(bytes));
        CHECK(same == bytes);
        CHECK_FALSE(expected.wrong);
    } catch (const decode_error& e) {
        CHECK(e.offset() == expected.wrong);
    }
}

void check_in_every_cut(std::string_view bytes) {
    const slow_answer expected = slowly(bytes);
    utf8_decoder d(utf8::replace); // the same one for all
    for_each_cut(bytes, [&](unsigned cut) {
        const bool same = replaced_in_pieces(bytes, cut, d) == expected.replaced;
        const bool refused = refused_in_pieces(bytes, cut) == expected.wrong;
        if (same && refused) return;
        INFO(in_quotes(bytes) << " cut as " << cut);
        CHECK(same);
        CHECK(refused);
    });
}

std::string signs(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += sign;
    return text;
}

struct table {
    const char* name;
    std::string bytes, replaced;
};

const std::vector<table>& tables() {
    static const std::vector<table> of_the_standard{
        {"3-8, non-shortest forms", "\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", signs(8) + "A"},
        {"3-9, surrogates", "\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", signs(8) + "A"},
        {"3-10, other ill-formed sequences", "\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", signs(5) + "A" + signs(2) + "B"},
        {"3-11, truncated sequences", "\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", signs(4) + "A"},
        {"the example of section 3.9 until version 6", "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
         "a" + signs(3) + "b" + sign + "c" + signs(2) + "d"},
    };
    return of_the_standard;
}

const std::string letters_of_four_lengths = "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z";

// Each of these begins or ends what a byte may be at its place.
constexpr std::string_view telling_bytes("\x00\x41\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC1\xC2\xDF\xE0\xE1\xEC\xED\xEE\xEF"
                                         "\xF0\xF1\xF3\xF4\xF5\xF8\xFE\xFF",
                                         27);

} // namespace

TEST_CASE("every code point but the surrogates is text", "[data][text]") {
    std::string all;
    for (std::uint32_t code = 0; code < 0x110000; ++code) {
        const std::string one = written(code);
        if (is_utf8(one) == is_surrogate(code)) FAIL_CHECK("U+" << std::hex << code);
        if (!is_surrogate(code)) all += one;
    }
    CHECK(is_utf8(all));
    CHECK_FALSE(is_utf8(written(0x110000)));
    CHECK(is_utf8(""));
}

TEST_CASE("what is no text is replaced as the tables of the Unicode standard have it", "[data][text]") {
    for (const table& each : tables()) {
        INFO(each.name);
        CHECK(to_utf8(each.bytes, utf8::replace) == each.replaced);
        CHECK(slowly(each.bytes).replaced == each.replaced); // so the slow way is a good judge
        check_text(each.bytes);
    }
}

TEST_CASE("text is the same wherever its chunks are cut", "[data][text]") {
    for (const table& each : tables()) check_in_every_cut(each.bytes);
    check_in_every_cut(letters_of_four_lengths);
    check_in_every_cut("a\xF0\x9F\x98");
    check_in_every_cut("\xE2\x82");
    check_in_every_cut("\xF4\x90\x80\x80");
    check_in_every_cut("");
}

TEST_CASE("each short sequence of telling bytes is judged as the slow way does", "[data][text]") {
    for (const char a : telling_bytes) {
        for (const char b : telling_bytes) {
            for (const char c : telling_bytes) {
                const std::string three{a, b, c};
                const slow_answer expected = slowly(three);
                if (to_utf8(three, utf8::replace) != expected.replaced ||
                    is_utf8(three) == expected.wrong.has_value()) {
                    check_text(three);
                }
                if ((a & 0xF0) != 0xF0 || static_cast<unsigned char>(a) > 0xF4) continue;
                for (const char d : telling_bytes) {
                    const std::string four = three + d;
                    if (to_utf8(four, utf8::replace) != slowly(four).replaced) check_text(four);
                }
            }
        }
    }
}

TEST_CASE("text at random is judged as the slow way does in any chunks", "[data][text]") {
    std::mt19937 random(20231); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    const auto up_to = [&](std::size_t most) { return static_cast<std::size_t>(random() % (most + 1)); };
    utf8_decoder d(utf8::replace);
    for (int round = 0; round < 4000; ++round) {
        std::string bytes;
        for (std::size_t parts = up_to(8); parts != 0; --parts) {
            switch (up_to(3)) {
            case 0: bytes += written(static_cast<std::uint32_t>(up_to(0x10FFFF))); break; // perhaps a surrogate
            case 1: bytes.append(up_to(20), 'a'); break;
            case 2: bytes += telling_bytes[up_to(telling_bytes.size() - 1)]; break;
            default: bytes += written(static_cast<std::uint32_t>(up_to(0xFFFF))).substr(0, 1 + up_to(2)); break;
            }
        }
        check_text(bytes);
        const slow_answer expected = slowly(bytes);
        std::string text;
        std::string_view rest = bytes;
        while (!rest.empty()) {
            const std::size_t size = up_to(std::min<std::size_t>(rest.size(), 9));
            text += d.feed(rest.substr(0, size));
            rest.remove_prefix(size);
        }
        text += d.finish();
        if (text != expected.replaced) FAIL_CHECK(in_quotes(bytes));
    }
}

TEST_CASE("bad bytes are named with the place where they are", "[data][text]") {
    try {
        static_cast<void>(to_utf8("first line\nsecond \xFF line"));
        FAIL_CHECK("no error");
    } catch (const decode_error& e) {
        CHECK(e.offset() == 18);
        CHECK(e.line() == 2);
        CHECK(e.column() == 8);
        CHECK(std::string(e.what()) ==
              "cannot decode \"UTF-8\": bytes that are no character at byte 18 (line 2, column 8) "
              "near \"first line\\x0asecond \\xff line\": malformed");
    }
    utf8_decoder d;
    CHECK(d.feed("first line\n") == "first line\n");
    CHECK(d.feed("second \xE2\x82") == "second ");
    try {
        static_cast<void>(d.feed("!"));
        FAIL_CHECK("no error");
    } catch (const decode_error& e) {
        CHECK(e.offset() == 18);
        CHECK(e.excerpt() == "\xE2\x82!");
    }
    // It has taken nothing of that chunk.
    CHECK(d.feed("\xAC") == "\xE2\x82\xAC");
    CHECK(d.feed("\xE2") == "");
    try {
        static_cast<void>(d.finish());
        FAIL_CHECK("no error");
    } catch (const decode_error& e) {
        CHECK(e.offset() == 21);
        CHECK(e.problem() == "the end in the midst of a character");
    }
    CHECK(d.finish().empty()); // begun anew
    CHECK(d.feed("x") == "x");
}

TEST_CASE("a chunk that is text is handed on as it is", "[data][text]") {
    utf8_decoder d(utf8::replace);
    const std::string chunk = "all of it \xC3\xA4";
    CHECK(d.feed(chunk).data() == chunk.data());
    const std::string cut = chunk.substr(0, chunk.size() - 1);
    CHECK(d.feed(cut).data() == cut.data());
    CHECK(d.feed("\xA4!") == "\xC3\xA4!");
    CHECK(d.finish().empty());
}

TEST_CASE("a byte order mark is a character like others", "[data][text]") {
    CHECK(to_utf8("\xEF\xBB\xBFx") == "\xEF\xBB\xBFx");
    CHECK(to_utf8("a\0b"s) == "a\0b"s);
}

TEST_CASE("a utf8_text holds nothing but text", "[data][text]") {
    CHECK_THROWS_AS(utf8_text("\xFF"), decode_error);
    CHECK(utf8_text("\xFF", utf8::replace).str() == sign);
    const utf8_text text("caf\xC3\xA9");
    CHECK(std::string_view(text) == "caf\xC3\xA9");
    CHECK(text == utf8_text::parse("caf\xC3\xA9"));
    CHECK(utf8_text().str().empty());
}

TEST_CASE("a megabyte of bad bytes is replaced one by one", "[data][text]") {
    const std::string bad(std::size_t{1} << 20, '\xFF');
    CHECK(to_utf8(bad, utf8::replace).size() == 3 * bad.size());
    utf8_decoder d(utf8::replace);
    std::size_t size = 0;
    for (std::size_t at = 0; at < bad.size(); at += 4096) size += d.feed(std::string_view(bad).substr(at, 4096)).size();
    CHECK(size == 3 * bad.size());
}

#if defined(COPROC_TEST_HAS_OWN_NEW)

TEST_CASE("text that is good asks for no memory", "[data][text]") {
    std::string text;
    for (int i = 0; i < 100; ++i) text += letters_of_four_lengths;
    std::string moved = text;
    const long before = failing_allocations::made;
    const std::string same = to_utf8(std::move(moved), utf8::replace);
    utf8_decoder d;
    const bool whole = d.feed(text).size() == text.size();
    CHECK(failing_allocations::made == before);
    CHECK(whole);
    CHECK(same == text);

    // A chunk that begins inside of a character is copied, to where the one before was.
    for (std::size_t at = 0; at + 5 <= text.size(); at += 5) static_cast<void>(d.feed(text.substr(at, 5)));
    const std::string five = text.substr(0, 5);
    const std::string six = text.substr(5, 6);
    const long warm = failing_allocations::made;
    std::size_t taken = 0;
    for (int i = 0; i < 100; ++i) taken += d.feed(five).size() + d.feed(six).size();
    CHECK(failing_allocations::made == warm);
    CHECK(taken == 1100);
}

TEST_CASE("a chunk for which there is no memory can be fed again", "[data][text]") {
    const std::string bytes(1000, '\xFF');
    const std::string begin = "\xE2\x82";
    const std::string end = "\xAC" + bytes;
    int failures = 0;
    for (long nth = 0;; ++nth) {
        utf8_decoder d(utf8::replace);
        static_cast<void>(d.feed(begin));
        std::string_view text;
        failing_allocations::fail_from(nth, false);
        try {
            text = d.feed(end);
        } catch (const std::bad_alloc&) {
        }
        const bool failed = failing_allocations::fail_no_more();
        if (failed) text = d.feed(end);
        CHECK(text.size() == 3 + 3 * bytes.size());
        if (!failed) break;
        ++failures;
    }
    CHECK(failures > 0);
}

#endif
