// SPDX-License-Identifier: BSL-1.0
//
// Floating point is read as std::from_chars reads it, also where that knows integers only, and in every locale.
#include <coproc/data/from_chars.hpp>

#include <bit>
#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <system_error>

#include "support/catch.hpp"

using namespace coproc;

namespace {

template <class Floating>
void check_as_from_chars(std::string_view text) {
    INFO(text.substr(0, 100));
    Floating by_c = 42; // which stays where nothing is read
    Floating expected = 42;
    const auto r = detail::real_from_chars(text.data(), text.data() + text.size(), by_c);
    const auto e = detail::from_chars(text.data(), text.data() + text.size(), expected);
    CHECK(r.ec == e.ec);
    CHECK(r.ptr - text.data() == e.ptr - text.data());
    CHECK((by_c == expected || (std::isnan(by_c) && std::isnan(expected))));
    CHECK(std::signbit(by_c) == std::signbit(expected));
}
void check_each_as_from_chars(std::string_view text) {
    check_as_from_chars<float>(text);
    check_as_from_chars<double>(text);
    check_as_from_chars<long double>(text);
}

std::string random_digits(std::mt19937_64& random, std::size_t count) {
    std::string text;
    while (text.size() < count) text += static_cast<char>('0' + random() % 10);
    return text;
}

} // namespace

TEST_CASE("without from_chars as much of a text is a number as with it", "[data][from_chars]") {
    for (const std::string_view text :
         {"0",     "-0",    "1.5",   "-1.5e10", "1e",    "1e+",       "1e-",       "1e5x",  "1E5",   "1.e5",  ".5",
          "-.5",   "5.",    ".",     "-.",      ".e5",   "",          "-",         "+1",    " 1",    "--1",   "-+1",
          "- 1",   "0x10",  "00012", "-0x1p3",  "0X",    "1.2.3",     "1..2",      "e5",    "1e-5 ", "1e5.5", "1,5",
          "inf",   "-inf",  "INF",   "infinit", "in",    "Infinity9", "-iNfInIty", "nan",   "-nan",  "NaN1",  "na",
          "nan()", "nan(1", "i",     "n",       "nan (", "nanx",      "1e0005",    "1 000", "1'000"}) {
        check_each_as_from_chars(text);
    }
    // Not every library takes what is in the parentheses.
    double value = 0;
    const std::string_view payload = "-nan(a_Z9)x";
    CHECK(detail::real_from_chars(payload.data(), payload.data() + payload.size(), value).ptr == &payload[10]);
    CHECK(std::isnan(value));
}

TEST_CASE("without from_chars the largest and the smallest numbers are the same as with it", "[data][from_chars]") {
    for (const std::string_view text : {"1e39",
                                        "1e-46",
                                        "3.4028235e38",
                                        "3.5e38",
                                        "1.5e-45",
                                        "1e999",
                                        "-1e999",
                                        "1e-999",
                                        "4.9e-324",
                                        "2.4e-324",
                                        "1.7976931348623157e308",
                                        "1.7976931348623159e308",
                                        "2.2250738585072011e-308",
                                        "1e4933",
                                        "1e-4951",
                                        "1e-5000",
                                        "1e99999999999999999999999",
                                        "-1e-99999999999999999999999",
                                        "0e99999999999999999999",
                                        "-0.000e-99"}) {
        check_each_as_from_chars(text);
    }
    const std::string zeros(30'000, '0');
    for (const std::string& text : {"1" + zeros + "e-30000", "0." + zeros + "1e30001", "1" + zeros + ".5e-30000"}) {
        check_each_as_from_chars(text);
    }
}

TEST_CASE("without from_chars numbers at random are the same as with it", "[data][from_chars]") {
    std::mt19937_64 random(4711); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    const auto below = [&random](std::uint64_t n) { return static_cast<std::size_t>(random() % n); };
    for (int i = 0; i < 3000; ++i) {
        std::string text = below(2) == 0 ? "-" : "";
        text += random_digits(random, below(20));
        if (below(3) != 0) text += "." + random_digits(random, 1 + below(i % 100 == 0 ? 1200 : 30));
        if (below(3) != 0) text += (below(2) == 0 ? "e" : "E+") + std::to_string(below(300));
        else if (below(2) == 0) text += "e-" + std::to_string(below(330));
        check_each_as_from_chars(text);
    }
}

TEST_CASE("without from_chars each digit counts that can decide how a number is rounded", "[data][from_chars]") {
    const std::string zeros(30'000, '0');
    const auto check = [](std::string_view text, double expected) {
        CHECK(std::bit_cast<std::uint64_t>(detail::real_without_point<double>(text)) ==
              std::bit_cast<std::uint64_t>(expected));
    };
    // Halfway between two, and a little more in the last of very many digits.
    check("9007199254740993", 9007199254740992.0);
    check("9007199254740993." + zeros + "1", 9007199254740994.0);
    check("-9007199254740993." + zeros + "1", -9007199254740994.0);
    check("1e-999999999999999999999", 0);
    check("-1e999999999999999999999", -std::numeric_limits<double>::infinity());

    std::mt19937_64 random(1); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    check_as_from_chars<long double>("0." + std::string(4930, '0') + random_digits(random, 16'000));
}

TEST_CASE("numbers out of text have a point whatever the locale says", "[data][from_chars]") {
    const std::string before = std::setlocale(LC_ALL, nullptr);
    for (const char* name : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "C"}) {
        if (std::setlocale(LC_ALL, name) == nullptr) continue;
        INFO(name);
        for (const std::string_view text : {"1.5", "1,5", "1234.5e-1", "1.234,5", ",5", "-.25"}) {
            check_each_as_from_chars(text);
        }
    }
    std::setlocale(LC_ALL, before.c_str());
}
