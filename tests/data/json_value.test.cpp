// SPDX-License-Identifier: BSL-1.0
//
// A value of json is made, asked, gone through and changed.
#include <coproc/data/json.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using coproc::json;
using coproc::json_error;

namespace {

template <class F>
std::string words_of_error(F f) {
    try {
        f();
    } catch (const json_error& e) {
        CHECK(e.code() == coproc::errc::unexpected);
        return e.what();
    }
    return "nothing was thrown";
}

template <class T>
bool comes_back(T number) {
    const json back = json::parse(json(number).dump());
    return back.is_integer() && back.as<T>() == number && back == json(number);
}

} // namespace

TEST_CASE("json is made of what is at hand", "[data][json]") {
    CHECK(json().dump() == "null");
    CHECK(json(nullptr).dump() == "null");
    CHECK(json(true).dump() == "true");
    CHECK(json(-7).dump() == "-7");
    CHECK(json(7U).dump() == "7");
    CHECK(json(0.5F).dump() == "0.5");
    CHECK(json(3.0).dump() == "3.0");
    CHECK(json("text").dump() == "\"text\"");
    CHECK(json(std::string("text")).dump() == "\"text\"");
    CHECK(json(std::string_view("text")).dump() == "\"text\"");
    CHECK(json::array().dump() == "[]");
    CHECK(json::object().dump() == "{}");
    CHECK(json::array({1, "two", nullptr, json::array({3.5})}).dump() == "[1,\"two\",null,[3.5]]");
    CHECK(json::object({{"b", 1}, {"a", json::object({{"x", false}})}, {"b", 2}}).dump() ==
          R"({"b":2,"a":{"x":false}})");
    CHECK(json(std::vector<int>{1, 2}).dump() == "[1,2]");
    CHECK(json(std::vector<std::string>{"a"}).dump() == "[\"a\"]");
    CHECK(json(std::vector<json>{1, "a"}).dump() == "[1,\"a\"]");

    CHECK_FALSE(std::is_convertible_v<char, json>);        // a number or a text?
    CHECK_FALSE(std::is_convertible_v<const void*, json>); // no boolean
    CHECK(std::is_nothrow_move_constructible_v<json>);
    CHECK(sizeof(json) == 16);
}

TEST_CASE("json is made of nothing that could not be written", "[data][json]") {
    CHECK_THROWS_AS(json(std::numeric_limits<double>::infinity()), std::invalid_argument);
    CHECK_THROWS_AS(json(std::numeric_limits<float>::quiet_NaN()), std::invalid_argument);
    CHECK_THROWS_AS(json("\xff"), coproc::decode_error);
    json object;
    CHECK_THROWS_AS(object["a\xc3"], coproc::decode_error);
    CHECK(object.size() == 0);
    try {
        static_cast<void>(json("ab\xed\xa0\x80"));
        FAIL("taken");
    } catch (const coproc::decode_error& e) {
        CHECK(e.offset() == 2);
        CHECK(e.format() == "UTF-8");
    }
}

TEST_CASE("integers of 64 bits stay exact", "[data][json]") {
    using s64 = std::numeric_limits<std::int64_t>;
    using u64 = std::numeric_limits<std::uint64_t>;
    for (const std::int64_t n :
         {s64::min(), s64::min() + 1, std::int64_t{-1}, std::int64_t{0}, s64::max() - 1, s64::max()}) {
        CHECK(comes_back(n));
    }
    for (const std::uint64_t n :
         {u64::min(), std::uint64_t{1} << 63, (std::uint64_t{1} << 53) + 1, u64::max() - 1, u64::max()}) {
        CHECK(comes_back(n));
    }
    CHECK(json(u64::max()).type() == json::kind::unsigned_integer);
    CHECK(json(std::uint64_t{1}).type() == json::kind::integer); // one number, one kind
    CHECK_THROWS_AS(json(u64::max()).as_int(), json_error);
    CHECK_THROWS_AS(json(-1).as_uint(), json_error);
    CHECK(json(u64::max()).as_double() == 18446744073709551616.0);
}

TEST_CASE("a number is taken as an integer if it is one that fits", "[data][json]") {
    CHECK(json::parse("1e3").as_int() == 1000);
    CHECK(json::parse("-0").as_int() == 0);
    CHECK(json::parse("1e19").as_uint() == 10'000'000'000'000'000'000U);
    CHECK_THROWS_AS(json::parse("1e20").as_uint(), json_error);
    CHECK_THROWS_AS(json::parse("1.5").as_int(), json_error);
    CHECK_THROWS_AS(json::parse("9223372036854775808.0").as_int(), json_error);
    CHECK(json(255).as<unsigned char>() == 255);
    CHECK_THROWS_AS(json(256).as<unsigned char>(), json_error);
    CHECK_THROWS_AS(json(-1).as<unsigned>(), json_error);
    CHECK(json(3).as<double>() == 3.0);
}

TEST_CASE("a value that is asked for what it is not says what it is", "[data][json]") {
    const json value = json::parse(R"({"ports": [{"name": "web"}, {"name": 7}], "odd key": 1.5, "none": null})");
    CHECK(words_of_error([&] { static_cast<void>(value.at("ports", 1, "name").as_string()); }) ==
          "cannot take a string from \"json\": it is 7: not what was expected");
    CHECK(words_of_error([&] { static_cast<void>(value.get<std::string>("ports", 1, "name")); }) ==
          "cannot take a string from \"ports[1].name\": it is 7: not what was expected");
    CHECK(words_of_error([&] { static_cast<void>(value.get<std::int8_t>("odd key")); }) ==
          "cannot take an integer (-128 to 127) from \"[\\\"odd key\\\"]\": it is 1.5: not what was expected");
    CHECK(words_of_error([&] { static_cast<void>(value.get<bool>("none")); }) ==
          "cannot take a boolean from \"none\": it is null: not what was expected");
    CHECK(words_of_error([&] { static_cast<void>(value.at("ports", 2)); }) ==
          "cannot take [2] of \"ports\": it is an array of 2: not what was expected");
    CHECK(words_of_error([&] { static_cast<void>(value.at("ports", -1)); }) ==
          "cannot take [-1] of \"ports\": it is an array of 2: not what was expected");
    CHECK(words_of_error([&] { static_cast<void>(value.at("ports", 0, "nam", "x")); }) ==
          "cannot take \"nam\" of \"ports[0]\": it is an object of 1 without \"nam\": not what was expected");
    CHECK(words_of_error([&] { static_cast<void>(value.at("ports", "name")); }) ==
          "cannot take \"name\" of \"ports\": it is an array of 2: not what was expected");
    CHECK(words_of_error([] { static_cast<void>(json(std::string(100, 'x')).as_array()); }) ==
          "cannot take an array from \"json\": it is \"" + std::string(40, 'x') + "\"...: not what was expected");
    try {
        static_cast<void>(json::parse("{\"a\":[[1],[2,true]]}").get<std::vector<std::vector<int>>>("a"));
        FAIL("taken");
    } catch (const json_error& e) {
        CHECK(e.path() == "a[1][1]");
        CHECK(e.problem() == "it is true");
    }
}

TEST_CASE("json is taken as types of C++", "[data][json]") {
    const json value = json::parse(R"({"names": ["a", "b"], "grid": [[1, 2], []], "maybe": null, "it": 5})");
    CHECK(value.get<std::vector<std::string>>("names") == std::vector<std::string>{"a", "b"});
    CHECK(value.get<std::vector<std::vector<int>>>("grid") == std::vector<std::vector<int>>{{1, 2}, {}});
    CHECK(value.get<std::optional<int>>("maybe") == std::nullopt);
    CHECK(value.get<std::optional<int>>("it") == 5);
    CHECK(value.get<std::string_view>("names", 0) == "a");
    CHECK(value.get<json>("it") == 5);
    CHECK(value.get<json>() == value); // no way at all
}

TEST_CASE("members and elements are found or not", "[data][json]") {
    json value = json::parse(R"({"a": {"b": [10, 20]}})");
    CHECK(value.contains("a", "b", 1));
    CHECK_FALSE(value.contains("a", "b", 2));
    CHECK_FALSE(value.contains("a", "b", 2, "c"));
    CHECK_FALSE(value.contains("b"));
    CHECK_FALSE(value.contains(0));
    CHECK_FALSE(json().contains("a"));
    REQUIRE(value.find("a", "b", 0) != nullptr);
    *value.find("a", "b", 0) = "new";
    CHECK(value["a"]["b"][0] == "new");
    CHECK(std::as_const(value)["a"]["b"][1U] == 20);
    CHECK_THROWS_AS(std::as_const(value)["b"], json_error);
    CHECK_THROWS_AS(value["a"]["b"][2], json_error);
    CHECK_THROWS_AS(value["a"]["b"]["c"], json_error);
    CHECK(value.size() == 1); // nothing was made by asking
}

TEST_CASE("json is gone through in the order in which it came", "[data][json]") {
    const json value = json::parse(R"({"z": 1, "a": [2, 3], "m": 4})");
    std::string seen;
    for (const auto& [key, each] : value.as_object()) seen += key + "=" + each.dump() + " ";
    for (const json& each : value.at("a").as_array()) seen += each.dump() + " ";
    CHECK(seen == "z=1 a=[2,3] m=4 2 3 ");
    for (const json& each : json::parse("[\"of a temporary\"]").as_array()) CHECK(each == "of a temporary");
    json changed = value;
    for (json& each : changed.at("a").as_array()) each = each.as_int() * 10;
    CHECK(changed.at("a").dump() == "[20,30]");
}

TEST_CASE("json is changed", "[data][json]") {
    json value;
    value["a"]["b"] = 1;
    value["list"].push_back("x").push_back(nullptr);
    CHECK(value.dump() == R"({"a":{"b":1},"list":["x",null]})");
    value["list"].push_back(value["list"]); // itself, as it was
    CHECK(value["list"].dump() == R"(["x",null,["x",null]])");
    value["list"][0] = value["list"];
    CHECK(value["list"][0].size() == 3);
    value["list"] = std::move(value["list"][0]); // a part of itself
    CHECK(value["list"].dump() == R"(["x",null,["x",null]])");
    CHECK(value.erase("a"));
    CHECK_FALSE(value.erase("a"));
    CHECK(value.size() == 1);
    value = value.at("list");
    CHECK(value.is_array());
    const json& self = value;
    value = self;
    CHECK(value.size() == 3);
    CHECK_THROWS_AS(value["key"], json_error);
    CHECK_THROWS_AS(value.erase("key"), json_error);
    json text = "text";
    CHECK_THROWS_AS(text.push_back(1), json_error);
    CHECK_THROWS_AS(json("text").size(), json_error);
    CHECK(json().empty());
    json moved = std::move(value);
    CHECK(value.is_null()); // NOLINT(bugprone-use-after-move): it is promised
    CHECK(moved.size() == 3);
}

TEST_CASE("json is equal where it says the same", "[data][json]") {
    const auto equal = [](std::string_view a, std::string_view b) {
        const json x = json::parse(a);
        const json y = json::parse(b);
        CHECK((x == y) == (y == x));
        CHECK((x != y) == !(x == y));
        return x == y;
    };
    CHECK(equal("1", "1.0"));
    CHECK(equal("-0", "0"));
    CHECK(equal("18446744073709551615", "18446744073709551615"));
    CHECK_FALSE(equal("18446744073709551615", "18446744073709551616"));
    CHECK_FALSE(equal("9007199254740993", "9007199254740993.0")); // the double is another number
    CHECK_FALSE(equal("9223372036854775807", "9223372036854775808.0"));
    CHECK(equal("9223372036854775808", "9223372036854775808.0"));
    CHECK_FALSE(equal("-1", "18446744073709551615"));
    CHECK_FALSE(equal("0", "false"));
    CHECK_FALSE(equal("null", "[]"));
    CHECK_FALSE(equal("[]", "{}"));
    CHECK_FALSE(equal("\"1\"", "1"));
    CHECK(equal("{\"a\":1,\"b\":[2,{}]}", "{\"b\":[2,{}],\"a\":1}"));
    CHECK_FALSE(equal("{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}"));
    CHECK_FALSE(equal("{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}"));
    CHECK_FALSE(equal("{\"a\":1}", "{\"a\":1,\"b\":2}"));
    CHECK_FALSE(equal("[1,2]", "[2,1]"));
    CHECK_FALSE(equal("[1,[2]]", "[1,[3]]"));
    CHECK(json::parse("\"text\"") == "text");
}

TEST_CASE("a number of json that a float cannot hold is refused", "[data][json]") {
    const json value = json::parse(R"({"large":1e300,"least":-3.5e38,"most":3.4028235e38,"small":1e-300})");
    CHECK(words_of_error([&] { static_cast<void>(value.get<float>("large")); }) ==
          "cannot take a number that fits from \"large\": it is 1e+300: not what was expected");
    CHECK_THROWS_AS(value.get<float>("least"), json_error);
    CHECK(value.get<float>("most") == std::numeric_limits<float>::max());
    CHECK(value.get<float>("small") == 0);
    CHECK(value.get<double>("large") == 1e300);
    CHECK(value.get<long double>("large") == 1e300);
}
