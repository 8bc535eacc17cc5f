// SPDX-License-Identifier: BSL-1.0
//
// Text is JSON exactly where RFC 8259 says so, and comes back as what it was.
#include <coproc/data/json.hpp>

#include <algorithm>
#include <bit>
#include <charconv>
#include <clocale>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "support/catch.hpp"
#include "support/failing_allocations.hpp"

using coproc::decode_error;
using coproc::json;

namespace {

std::optional<decode_error> refused(std::string_view text, std::size_t deepest = 512) {
    try {
        static_cast<void>(json::parse(text, deepest));
    } catch (const decode_error& e) {
        return e;
    }
    return std::nullopt;
}

std::string normal(std::string_view text) { return json::parse(text).dump(); }

std::string nested(std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

} // namespace

TEST_CASE("json is what RFC 8259 says", "[data][json]") {
    // The text, and how it is written: as itself where nothing is said.
    static const std::vector<std::pair<std::string_view, std::string_view>> cases{
        {"null", ""},
        {"true", ""},
        {"false", ""},
        {" \t\r\n null \t\r\n ", "null"},
        {"[]", ""},
        {"{}", ""},
        {"[ ]", "[]"},
        {"{\n}", "{}"},
        {"[[],[[]],{}]", ""},
        {"[1 , 2\t,\n3]", "[1,2,3]"},
        {"{\"a\" : {\"b\" : [ null ] } , \"\" : 0}", "{\"a\":{\"b\":[null]},\"\":0}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
        {"0", ""},
        {"-0", "-0.0"},
        {"-1", ""},
        {"10", ""},
        {"9223372036854775807", ""},
        {"9223372036854775808", ""},
        {"18446744073709551615", ""},
        {"18446744073709551616", "18446744073709551616.0"},
        {"-9223372036854775808", ""},
        {"-9223372036854775809", "-9223372036854775808.0"},
        {"0.1", ""},
        {"-0.0", ""},
        {"1.0", ""},
        {"1.50", "1.5"},
        {"1e2", "100.0"},
        {"1E+2", "100.0"},
        {"1e-2", "0.01"},
        {"0e5", "0.0"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"4.9e-324", "5e-324"},
        {"2e-324", "0.0"},
        {"1e-400", "0.0"},
        {"-1e-99999999999999999999", "-0.0"},
        {"0e99999999999999999999", "0.0"},
        {"123456789012345678901234567890", "1.2345678901234568e+29"},
        {"\"\"", ""},
        {"\"a b\"", ""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u0041\\u00e9\\u20aC\"", "\"A\xc3\xa9\xe2\x82\xac\""},
        {"\"\\u0000\\u001f\\u007f\"", "\"\\u0000\\u001f\x7f\""},
        {"\"\\uD834\\uDD1E\"", "\"\xf0\x9d\x84\x9e\""},
        {"\"\\uDBFF\\uDFFF\"", "\"\xf4\x8f\xbf\xbf\""},
        {"\"\\uE000\\uD7FF\\uFFFF\"", "\"\xee\x80\x80\xed\x9f\xbf\xef\xbf\xbf\""},
        {"\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"", ""},
        {"\"\\u2028\xe2\x80\xa9 // # '\"", "\"\xe2\x80\xa8\xe2\x80\xa9 // # '\""},
        {"[\"\\\"\"]", ""},
        {"{\"\\u0061\":1,\"a\":2}", "{\"a\":2}"}, // the same key
    };
    for (const auto& [text, written] : cases) {
        INFO(text);
        const std::optional<decode_error> e = refused(text);
        REQUIRE_FALSE(e);
        const std::string dumped = normal(text);
        CHECK(dumped == (written.empty() ? text : written));
        CHECK(normal(dumped) == dumped);
    }
}

TEST_CASE("what is no json is refused with what is wrong and where", "[data][json]") {
    struct wrong {
        std::string_view text;
        std::size_t offset;
        std::string_view problem;
    };
    using namespace std::string_view_literals;
    static const std::vector<wrong> cases{
        {"", 0, "expected a value"},
        {"  \n", 3, "expected a value"},
        {"\xEF\xBB\xBF{}", 0, "a byte order mark"},
        {"nul", 0, "expected a value"},
        {"True", 0, "expected a value"},
        {"nullx", 4, "expected the end"},
        {"NaN", 0, "expected a value"},
        {"Infinity", 0, "expected a value"},
        {"-Infinity", 1, "expected a digit"},
        {"1 2", 2, "expected the end"},
        {"[] []", 3, "expected the end"},
        {"[1]]", 3, "expected the end"},
        {"{}}", 2, "expected the end"},
        {"null\0"sv, 4, "expected the end"},
        {"\0"sv, 0, "expected a value"},
        {"[1\0]"sv, 2, "expected ',' or ']'"},
        {"\xff", 0, "expected a value"},
        {"[", 1, "expected a value"},
        {"[1", 2, "expected ',' or ']'"},
        {"[1,", 3, "expected a value"},
        {"[1,]", 3, "expected a value"},
        {"[,1]", 1, "expected a value"},
        {"[1,,2]", 3, "expected a value"},
        {"[1 2]", 3, "expected ',' or ']'"},
        {"[1:2]", 2, "expected ',' or ']'"},
        {"[1}", 2, "expected ',' or ']'"},
        {"]", 0, "expected a value"},
        {"[\x0b]", 1, "expected a value"},
        {"[\xc2\xa0]", 1, "expected a value"},
        {"{", 1, "expected a key"},
        {"{\"a\"", 4, "expected ':'"},
        {"{\"a\":", 5, "expected a value"},
        {"{\"a\":1", 6, "expected ',' or '}'"},
        {"{\"a\":1,}", 7, "expected a key"},
        {"{\"a\":1]", 6, "expected ',' or '}'"},
        {"{\"a\" 1}", 5, "expected ':'"},
        {"{\"a\",1}", 4, "expected ':'"},
        {"{a:1}", 1, "expected a key"},
        {"{'a':1}", 1, "expected a key"},
        {"{1:1}", 1, "expected a key"},
        {"{,}", 1, "expected a key"},
        {"[1 // no\n]", 3, "expected ',' or ']'"},
        {"/* */1", 0, "expected a value"},
        {"01", 0, "a number with a leading zero"},
        {"-01", 1, "a number with a leading zero"},
        {"00.5", 0, "a number with a leading zero"},
        {"+1", 0, "expected a value"},
        {"-", 1, "expected a digit"},
        {"--1", 1, "expected a digit"},
        {".5", 0, "expected a value"},
        {"1.", 2, "expected a digit"},
        {"1.e1", 2, "expected a digit"},
        {"1e", 2, "expected a digit"},
        {"1e+", 3, "expected a digit"},
        {"1e+-1", 3, "expected a digit"},
        {"1e1.5", 3, "expected the end"},
        {"0x10", 1, "expected the end"},
        {"1,5", 1, "expected the end"},
        {"1_000", 1, "expected the end"},
        {"\xef\xbc\x91", 0, "expected a value"}, // a full-width digit
        {"1e400", 0, "a number too large"},
        {"[-1e400]", 1, "a number too large"},
        {"1e99999999999999999999", 0, "a number too large"},
        {"1.7976931348623159e308", 0, "a number too large"},
        {"\"", 0, "a string without an end"},
        {"[\"ab", 1, "a string without an end"},
        {"\"a\nb\"", 2, "a control character in a string"},
        {"\"\t\"", 1, "a control character in a string"},
        {"\"\0\""sv, 1, "a control character in a string"},
        {"\"\\", 1, "no such escape"},
        {"\"\\\"", 0, "a string without an end"},
        {"\"\\x41\"", 1, "no such escape"},
        {"\"\\'\"", 1, "no such escape"},
        {"\"\\U0041\"", 1, "no such escape"},
        {"\"\\\n\"", 1, "no such escape"},
        {"\"\\u\"", 1, "\\u without four hexadecimal digits"},
        {"\"\\u004\"", 1, "\\u without four hexadecimal digits"},
        {"\"\\u00g1\"", 1, "\\u without four hexadecimal digits"},
        {"\"\\u+041\"", 1, "\\u without four hexadecimal digits"},
        {"\"\\uD834\"", 1, "half of a surrogate pair"},
        {"\"ab\\uD834x\"", 3, "half of a surrogate pair"},
        {"\"\\uDD1E\"", 1, "half of a surrogate pair"},
        {"\"\\uDD1E\\uD834\"", 1, "half of a surrogate pair"},
        {"\"\\uD834\\uD834\"", 1, "half of a surrogate pair"},
        {"\"\\uD834\\n\"", 1, "half of a surrogate pair"},
        {"\"\\uD834\\u00\"", 7, "\\u without four hexadecimal digits"},
        {"\"\x80\"", 1, "no UTF-8"},
        {"\"\xc0\xaf\"", 1, "no UTF-8"},
        {"\"\xc3\"", 1, "no UTF-8"},
        {"\"\xe0\x9f\xbf\"", 1, "no UTF-8"},
        {"\"\xed\xa0\x80\"", 1, "no UTF-8"},
        {"\"a\xf0\x8f\xbf\xbf\"", 2, "no UTF-8"},
        {"\"\xf4\x90\x80\x80\"", 1, "no UTF-8"},
        {"\"\xf5\x80\x80\x80\"", 1, "no UTF-8"},
        {"{\"\xff\":1}", 2, "no UTF-8"},
        {"\xff\xfe[\0]\0"sv, 0, "expected a value"}, // UTF-16
    };
    for (const wrong& each : cases) {
        INFO(each.text);
        const std::optional<decode_error> e = refused(each.text);
        REQUIRE(e);
        CHECK(e->problem() == each.problem);
        CHECK(e->offset() == each.offset);
        CHECK(e->format() == "JSON");
    }
}

TEST_CASE("json that is cut off anywhere is refused", "[data][json]") {
    const std::string_view text =
        "{\"a\": [1.5e+3, \"\\ud834\\udd1e \xf0\x9d\x84\x9e\", true, {\"b\": null}], \"c\": {}}";
    REQUIRE_FALSE(refused(text));
    for (std::size_t size = 0; size < text.size(); ++size) {
        INFO(text.substr(0, size));
        const std::optional<decode_error> e = refused(text.substr(0, size));
        REQUIRE(e);
        CHECK(e->offset() <= size);
    }
}

TEST_CASE("json is as deep as it may be and no deeper", "[data][json]") {
    CHECK_FALSE(refused(nested(512)));
    const std::optional<decode_error> e = refused(nested(513));
    REQUIRE(e);
    CHECK(e->offset() == 512);
    CHECK(e->problem() == "more than 512 levels");
    CHECK(refused(std::string(100'000, '[')));
    CHECK(refused("[]", 0));
    CHECK_FALSE(refused("1", 0));
    CHECK_FALSE(refused("[{},{},[]]", 2));
    CHECK(refused("[{\"a\":[]}]", 2));
    const std::string objects = [] {
        std::string text;
        for (int i = 0; i < 600; ++i) text += "{\"a\":";
        return text;
    }();
    CHECK(refused(objects)->problem() == "more than 512 levels");
}

TEST_CASE("a very deep value is copied and compared and written and destroyed without recursion", "[data][json]") {
    constexpr std::size_t deep = 100'000;
    const std::string text = nested(deep);
    json value = json::parse(text, deep);
    json copy = value;
    CHECK(copy == value);
    CHECK(copy.dump() == text);
    copy = json::object({{"in", std::move(copy)}}); // assigned what has it as a part
    CHECK_FALSE(copy == value);
    copy = json(std::move(copy)["in"]);
    CHECK(copy == value);

    std::string objects;
    for (std::size_t i = 0; i < deep; ++i) objects += "{\"a\":[1,";
    objects += "2";
    for (std::size_t i = 0; i < deep; ++i) objects += "]}";
    const json second = json::parse(objects, 2 * deep);
    const json third = second;
    CHECK(third == second);
    CHECK(third.dump() == objects);

    json grown; // without the parser
    for (std::size_t i = 0; i < deep; ++i) {
        json outer;
        outer.push_back(std::move(grown));
        grown = std::move(outer);
    }
    CHECK(grown.dump().size() == 2 * deep + 4);
}

TEST_CASE("of a key that comes twice the last value counts in the place of the first", "[data][json]") {
    CHECK(normal("{\"a\":1,\"b\":2,\"a\":3,\"c\":4,\"b\":5}") == "{\"a\":3,\"b\":5,\"c\":4}");
    std::string many = "{";
    std::string kept = "{";
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 1000; ++i) {
            const std::string key = "\"" + std::to_string(i * 7919 % 1000) + "\":";
            many += key + std::to_string(round) + ",";
            if (round == 2) kept += key + "2,";
        }
    }
    many.back() = '}';
    kept.back() = '}';
    CHECK(normal(many) == kept);
}

TEST_CASE("an object of very many keys is read in a time that is not quadratic", "[data][json]") {
    std::string text = "{";
    for (int i = 0; i < 100'000; ++i) text += "\"key " + std::to_string(i) + "\":0,";
    text += "\"key 0\":1}";
    const json value = json::parse(text);
    CHECK(value.size() == 100'000);
    CHECK(value.at("key 0").as_int() == 1);
    // Nor are two of them compared so.
    std::vector<json::member> members = json(value).as_object();
    std::string reversed = "{";
    for (auto m = members.rbegin(); m != members.rend(); ++m)
        reversed += json(m->key).dump() + ":" + m->value.dump() + ",";
    reversed.back() = '}';
    CHECK(json::parse(reversed) == value);
}

TEST_CASE("every double comes back as it was", "[data][json]") {
    std::mt19937_64 random(20240217);
    const auto check = [](double d) {
        const std::string text = json(d).dump();
        const json back = json::parse(text);
        if (std::bit_cast<std::uint64_t>(back.as_double()) != std::bit_cast<std::uint64_t>(d) ||
            back.type() != json::kind::real) {
            FAIL(text << " is not what it was");
        }
    };
    using limits = std::numeric_limits<double>;
    for (const double d :
         {0.0, -0.0, 1.0, -1.0, 0.1, 1e21, 1e22, 1e23, 123456789012345680.0, limits::min(), limits::max(),
          limits::lowest(), limits::denorm_min(), limits::epsilon(), 9007199254740993.0}) {
        check(d);
    }
    for (int i = 0; i < 50'000; ++i) {
        const auto d = std::bit_cast<double>(random());
        if (d - d == 0) check(d);
    }
}

TEST_CASE("numbers are read without from_chars as with it", "[data][json]") {
    std::mt19937_64 random(4711);
    const auto below = [&random](std::uint64_t n) { return random() % n; };
    const auto digits = [&](std::size_t count) {
        std::string text;
        while (text.size() < count) text += static_cast<char>('0' + below(10));
        return text;
    };
    const auto check = [](const std::string& text, double expected) {
        const double read = coproc::detail::real_without_point<double>(text);
        if (std::bit_cast<std::uint64_t>(read) != std::bit_cast<std::uint64_t>(expected)) FAIL(text << ": " << read);
    };
    for (int i = 0; i < 30'000; ++i) {
        std::string text = below(2) == 0 ? "-" : "";
        text += below(4) == 0 ? "0" : std::to_string(1 + below(9)) + digits(below(20));
        if (below(3) != 0) text += "." + digits(1 + below(i % 100 == 0 ? 1200 : 30));
        if (below(3) != 0) text += (below(2) == 0 ? "e" : "E+") + std::to_string(below(290));
        else if (below(2) == 0) text += "e-" + std::to_string(below(330));
        double expected = 0;
        const std::from_chars_result known =
            coproc::detail::from_chars(text.data(), text.data() + text.size(), expected);
        if (known.ec == std::errc()) check(text, expected);
    }
    const std::string zeros(30'000, '0');
    check("1" + zeros + "e-30000", 1);
    check("0." + zeros + "1e30001", 1);
    check("1" + zeros + ".5e-30000", 1);
    check("0e999999999999", 0);
    check("-0.000", -0.0);
    check("1e-999999999999999999999", 0);
    check("1e999999999999999999999", std::numeric_limits<double>::infinity());
    // Halfway between two doubles, and a little more in the last of very many digits.
    check("9007199254740993", 9007199254740992.0);
    check("9007199254740993." + zeros + "1", 9007199254740994.0);
}

TEST_CASE("numbers have a point whatever the locale says", "[data][json]") {
    const std::string before = std::setlocale(LC_ALL, nullptr);
    for (const char* name : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "C"}) {
        if (std::setlocale(LC_ALL, name) == nullptr) continue;
        CHECK(normal("[1.5,1234567.25]") == "[1.5,1234567.25]");
        CHECK(coproc::detail::real_without_point<double>("1234.5e-1") == 123.45);
    }
    std::setlocale(LC_ALL, before.c_str());
}

TEST_CASE("json on many lines is the same value", "[data][json]") {
    const json value = json::parse("{\"a\":[1,[],{}],\"b\":{\"c\":null}}");
    CHECK(value.dump(2) == "{\n"
                           "  \"a\": [\n"
                           "    1,\n"
                           "    [],\n"
                           "    {}\n"
                           "  ],\n"
                           "  \"b\": {\n"
                           "    \"c\": null\n"
                           "  }\n"
                           "}");
    CHECK(value.dump(0) == "{\n\"a\": [\n1,\n[],\n{}\n],\n\"b\": {\n\"c\": null\n}\n}");
    CHECK(json::parse(value.dump(3)) == value);
    CHECK(json().dump(4) == "null");
}

#if defined(COPROC_TEST_HAS_OWN_NEW)
TEST_CASE("memory that runs out while json is read or copied or written leaves nothing", "[data][json]") {
    std::string text = "{\"a long key that is on the heap\":[\"and such a string of many bytes\",1.5,{}],\"b\":[[[]]]";
    for (int i = 0; i < 20; ++i)
        text += ",\"another long key, which is number " + std::to_string(i % 19) + "\":{\"x\":[]}";
    text += "}";
    const std::string expected = normal(text);
    const long before = failing_allocations::blocks;
    bool failed = true;
    for (long count = 0; failed; ++count) {
        bool told = false;
        bool good = false;
        failing_allocations::fail_from(count, false);
        try {
            const json value = json::parse(text);
            json copy = value;
            copy["new"].push_back(true);
            good = copy.erase("new") && copy == value && copy.dump() == expected;
        } catch (const std::bad_alloc&) {
            told = true;
        }
        failed = failing_allocations::fail_no_more();
        if (told != failed || good == failed || failing_allocations::blocks != before) {
            FAIL("the allocation after " << count << ": " << told << good << failing_allocations::blocks - before);
        }
    }
}
#endif
