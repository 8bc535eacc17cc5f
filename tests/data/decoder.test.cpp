// SPDX-License-Identifier: BSL-1.0
//
// How bytes become values: numbers, strings, and types of the user's own.
#include <coproc/data/decoder.hpp>

#include <cmath>
#include <cstdint>
#include <exception>
#include <limits>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <coproc/data/text.hpp>

#include "support/catch.hpp"

using namespace coproc;
using namespace std::string_literals;

namespace {

struct point {
    int x = 0, y = 0;
};

// Parses in ways that libraries have.
struct by_view {
    std::string seen;
    static by_view parse(std::string_view text) { return {std::string(text)}; }
};
struct by_string {
    std::string seen;
    static by_string parse(const std::string& text, bool strictly = true) { return {strictly ? text : ""}; }
};
struct by_range {
    std::string seen;
    static by_range parse(const char* first, const char* last) { return {std::string(first, last)}; }
};
struct by_template {
    std::string seen;
    template <class Input>
    static by_template parse(Input&& input, int = 0) {
        return {std::string(input.begin(), input.end())};
    }
};
struct perhaps {
    static std::optional<perhaps> parse(std::string_view text) {
        if (text == "yes") return perhaps{};
        return std::nullopt;
    }
};

struct picky {
    struct parse_error : std::runtime_error {
        explicit parse_error(std::size_t at) : std::runtime_error("not to my taste"), byte(at) {}
        std::size_t byte; // from 1
    };
    static picky parse(std::string_view text) {
        const std::size_t at = text.find('!');
        if (at != std::string_view::npos) throw parse_error(at + 1);
        return {};
    }
};
struct angry {
    static angry parse(std::string_view text) {
        if (text == "memory") throw std::bad_alloc();
        if (text == "number") throw 42; // NOLINT(hicpp-exception-baseclass): there are such parsers
        if (text == "logic") throw std::logic_error("no sense");
        if (text == "own") throw decode_error("anger", "too little", text, 1);
        try {
            throw std::runtime_error("the cause");
        } catch (...) {
            std::throw_with_nested(decode_error("anger", "too much", text, 2));
        }
    }
};

template <class T>
std::optional<decode_error> refusal(std::string_view text) {
    try {
        static_cast<void>(decode<T>(text));
    } catch (const decode_error& e) {
        return e;
    }
    return std::nullopt;
}

template <class T>
void check_refused(std::string_view text, std::size_t offset, std::string_view problem) {
    INFO(in_quotes(text));
    const auto e = refusal<T>(text);
    REQUIRE(e);
    CHECK(e->offset() == offset);
    CHECK(e->problem() == problem);
}

// The innermost of the causes.
std::string cause_of(const std::exception& e) {
    try {
        std::rethrow_if_nested(e);
    } catch (const std::exception& inner) {
        return cause_of(inner);
    } catch (int number) {
        return std::to_string(number);
    }
    return e.what();
}

template <class T>
std::string cause_of_refusal(std::string_view text) {
    try {
        static_cast<void>(decode<T>(text));
    } catch (const decode_error& e) {
        return cause_of(e);
    }
    return "none";
}

template <class Integer>
void check_integers_at_random(std::mt19937_64& random) {
    for (int i = 0; i < 300; ++i) {
        const auto value = static_cast<Integer>(random() >> (random() % 64));
        CHECK(decode<Integer>(" " + std::to_string(value) + "\n") == value);
    }
    using limits = std::numeric_limits<Integer>;
    CHECK(decode<Integer>(std::to_string(limits::max())) == limits::max());
    CHECK(decode<Integer>(std::to_string(limits::min())) == limits::min());
    check_refused<Integer>(std::to_string(limits::max()) + "0", 0, "beyond what its type can hold");
}

template <class Floating>
void check_by_c(std::string_view text) {
    INFO(text);
    Floating by_c{};
    Floating expected{};
    const auto r = detail::real_from_chars(text.data(), text.data() + text.size(), by_c);
    const auto e = detail::from_chars(text.data(), text.data() + text.size(), expected);
    CHECK(r.ec == e.ec);
    if (e.ec == std::errc() && e.ec == r.ec) {
        CHECK(r.ptr - text.data() == e.ptr - text.data());
        CHECK((by_c == expected || (std::isnan(by_c) && std::isnan(expected))));
        CHECK(std::signbit(by_c) == std::signbit(expected));
    }
}

} // namespace

template <>
struct coproc::decoder<point> {
    static point decode(std::string_view text) {
        const std::size_t comma = text.find(',');
        if (comma == std::string_view::npos) throw std::invalid_argument("a point has two coordinates");
        return {coproc::decode<int>(text.substr(0, comma)), coproc::decode<int>(text.substr(comma + 1))};
    }
};

TEST_CASE("integers of every size are read with the space around them", "[data][decoder]") {
    std::mt19937_64 random(1); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    check_integers_at_random<std::int8_t>(random);
    check_integers_at_random<std::uint8_t>(random);
    check_integers_at_random<std::int16_t>(random);
    check_integers_at_random<std::uint32_t>(random);
    check_integers_at_random<std::int64_t>(random);
    check_integers_at_random<std::uint64_t>(random);
    check_integers_at_random<unsigned long>(random);
    CHECK(decode<int>("\r\n\t -7 \v\f") == -7);
    CHECK(decode<int>("+7") == 7);
    CHECK(decode<int>("007") == 7);
}

TEST_CASE("what is no integer is refused where it stops to be one", "[data][decoder]") {
    check_refused<int>("", 0, "expected an integer");
    check_refused<int>(" \n", 2, "expected an integer");
    check_refused<int>(" abc", 1, "expected an integer");
    check_refused<int>("12a", 2, "expected an integer");
    check_refused<int>("12 13", 2, "expected an integer");
    check_refused<int>("1.5", 1, "expected an integer");
    check_refused<int>("0x10", 1, "expected an integer");
    check_refused<int>("+-7", 0, "expected an integer");
    check_refused<int>("++7", 1, "expected an integer");
    check_refused<int>("-", 0, "expected an integer");
    check_refused<int>("7\0"s, 1, "expected an integer");
    check_refused<unsigned>("-7", 0, "expected an unsigned integer");
    check_refused<int>("\n2147483648\n", 1, "beyond what its type can hold");
    check_refused<int>("99999999999999999999999999x", 26, "expected an integer");
    const auto e = refusal<int>("usage: prog FILE\n");
    REQUIRE(e);
    CHECK(std::string(e->what()) == "cannot decode \"integer\": expected an integer at byte 0 (line 1, column 1) near "
                                    "\"usage: prog FILE\\x0a\": malformed");
}

TEST_CASE("floating point is read exactly and in the notation of C", "[data][decoder]") {
    CHECK(decode<double>(" 0.1\n") == 0.1);
    CHECK(decode<float>("3.25") == 3.25F);
    CHECK(decode<long double>("-2") == -2.0L);
    CHECK(decode<double>("+1e3") == 1000);
    CHECK(decode<double>("1.7976931348623157e308") == std::numeric_limits<double>::max());
    CHECK(std::isinf(decode<double>("inf")));
    CHECK(std::isnan(decode<double>("nan")));
    CHECK(std::signbit(decode<double>("-0.0")));
    check_refused<double>("1,5", 1, "expected a number");
    check_refused<double>("0x10", 1, "expected a number");
    check_refused<double>("", 0, "expected a number");
    check_refused<double>("1e999", 0, "beyond what its type can hold");
}

TEST_CASE("where the library reads no floating point C does it with the same results", "[data][decoder]") {
    for (const std::string_view text :
         {"0",     "-0",       "1.5",  "-1.5e10", "1e",     "1e+",    "1e5x", ".5",         "5.",
          ".",     "",         "-",    "+1",      " 1",     "--1",    "-+1",  "- 1",        "inf",
          "-inf",  "infinity", "nan",  "1e999",   "-1e999", "1e-999", "0x10", "-0x1p3",     "12345678901234567890123",
          "1.2.3", "4.9e-324", "1..2", "e5",      "1e-5 ",  "INF",    "-NaN", "infinitely", "1e-46",
          "1e39",  "00.10"}) {
        check_by_c<double>(text);
        check_by_c<float>(text);
        check_by_c<long double>(text);
    }
    std::mt19937_64 random(2); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t digits = random() >> (random() % 64);
        const auto exponent = static_cast<int>(random() % 600) - 300;
        check_by_c<double>(std::to_string(digits) + "." + std::to_string(random() % 1000) + "e" +
                           std::to_string(exponent));
    }
}

TEST_CASE("a boolean is true or false or 1 or 0", "[data][decoder]") {
    CHECK(decode<bool>("true\n"));
    CHECK(decode<bool>("1"));
    CHECK_FALSE(decode<bool>(" false"));
    CHECK_FALSE(decode<bool>("0\n"));
    check_refused<bool>("yes", 0, "expected true, false, 1 or 0");
    check_refused<bool>("", 0, "expected true, false, 1 or 0");
    check_refused<bool>(" 2", 1, "expected true, false, 1 or 0");
}

TEST_CASE("a string is the bytes as they are", "[data][decoder]") {
    CHECK(decode<std::string>("\xFF\0 x\n"s) == "\xFF\0 x\n"s);
    CHECK(decode<utf8_text>("caf\xC3\xA9\n").str() == "caf\xC3\xA9\n");
    check_refused<utf8_text>("caf\xC3", 3, "the end in the midst of a character");
}

TEST_CASE("a type with a parse of its own needs nothing", "[data][decoder]") {
    CHECK(decode<by_view>("a\nb\n").seen == "a\nb\n");
    CHECK(decode<by_string>("a\0b"s).seen == "a\0b"s);
    CHECK(decode<by_range>("abc").seen == "abc");
    CHECK(decode<by_range>("").seen.empty());
    CHECK(decode<by_template>("abc").seen == "abc");
    static_cast<void>(decode<perhaps>("yes"));
    check_refused<perhaps>("no", 0, "refused by the parse of its type");
}

TEST_CASE("a decoder can be specialised and use others", "[data][decoder]") {
    const point p = decode<point>("3, 4\n");
    CHECK(p.x == 3);
    CHECK(p.y == 4);
    check_refused<point>("3; 4", 0, "a point has two coordinates");
    CHECK(cause_of_refusal<point>("3; 4") == "a point has two coordinates");
    check_refused<point>("3,x", 0, "expected an integer"); // of its own part
}

TEST_CASE("what a parse throws is nested in a decode_error", "[data][decoder]") {
    CHECK(cause_of_refusal<picky>("good!") == "not to my taste");
    check_refused<picky>("good!", 4, "not to my taste"); // it has told the place
    CHECK(cause_of_refusal<angry>("number") == "42");
    check_refused<angry>("number", 0, "refused by the decoder of its type");
    CHECK(cause_of_refusal<angry>("logic") == "no sense");
    check_refused<angry>("own", 1, "too little");
    check_refused<angry>("nested", 2, "too much");
    CHECK(cause_of_refusal<angry>("nested") == "the cause");
    CHECK_THROWS_AS(decode<angry>("memory"), std::bad_alloc);
}

TEST_CASE("trimmed takes space from both ends", "[data][decoder]") {
    CHECK(trimmed(" a b\r\n") == "a b");
    CHECK(trimmed("\t\v\f ").empty());
    CHECK(trimmed("").empty());
    CHECK(trimmed("x") == "x");
}
