// SPDX-License-Identifier: BSL-1.0
//
// json and nlohmann's json say the same of the same text, good or bad; where that is installed.
#if __has_include(<nlohmann/json.hpp>)

#include <coproc/data/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "support/catch.hpp"

namespace {

using coproc::json;
using oracle = nlohmann::ordered_json;

bool same_number(const json& ours, const oracle& theirs) {
    if (theirs.is_number_unsigned()) return ours == json(theirs.get<std::uint64_t>());
    if (theirs.is_number_integer()) return ours == json(theirs.get<std::int64_t>());
    return ours == json(theirs.get<double>());
}

bool same(const json& ours, const oracle& theirs) {
    if (theirs.is_number()) return ours.is_number() && same_number(ours, theirs);
    if (theirs.is_string()) return ours.is_string() && ours.as_string() == theirs.get_ref<const std::string&>();
    if (theirs.is_boolean()) return ours.is_bool() && ours.as_bool() == theirs.get<bool>();
    if (theirs.is_null()) return ours.is_null();
    if (theirs.is_array() ? !ours.is_array() : !ours.is_object()) return false;
    if (ours.size() != theirs.size()) return false;
    std::size_t i = 0;
    for (auto each = theirs.begin(); each != theirs.end(); ++each, ++i) {
        if (theirs.is_object() && ours.as_object()[i].key != each.key()) return false;
        if (!same(theirs.is_object() ? ours.as_object()[i].value : ours[i], *each)) return false;
    }
    return true;
}

// What only one of them takes, and both are right: a byte order mark, and the NUL that ends the text for nlohmann's.
bool is_disputed(std::string_view text) {
    return text.starts_with("\xEF") || text.find('\0') != std::string_view::npos;
}

void compare(std::string_view text, std::size_t& accepted) {
    std::optional<json> ours;
    try {
        ours = json::parse(text, 100'000);
    } catch (const coproc::decode_error&) { // compared below
    }
    oracle theirs;
    bool is_good = true;
    try {
        theirs = oracle::parse(text);
    } catch (const oracle::exception&) {
        is_good = false;
    }
    if (is_disputed(text)) return;
    if (ours.has_value() != is_good) FAIL((is_good ? "refused: " : "accepted: ") << text);
    if (!ours) return;
    ++accepted;
    if (!same(*ours, theirs)) FAIL("otherwise: " << text);
    const std::string written = ours->dump();
    if (!(json::parse(written, 100'000) == *ours)) FAIL("not what was written: " << written);
    if (!same(*ours, oracle::parse(written))) FAIL("written otherwise: " << written);
    if (oracle::parse(ours->dump(2)) != oracle::parse(written)) FAIL("written otherwise on lines: " << written);
}

class json_writer_by_chance {
public:
    explicit json_writer_by_chance(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t n) { return random_() % n; }

    std::string value(int depth) {
        switch (below(depth > 0 ? 10 : 6)) {
        case 0: return pick({"null", "true", "false"});
        case 1:
        case 2: return number();
        case 3:
        case 4: return string();
        case 5: return pick({"[]", "{}", "[ ]", "\"\"", "0", "-0"});
        case 6:
        case 7: return "[" + list(depth, false) + "]";
        default: return "{" + list(depth, true) + "}";
        }
    }

    // Something small is otherwise: a byte, a few that are missing or twice, a piece of JSON somewhere.
    std::string spoiled(std::string text) {
        for (std::size_t n = 1 + below(3); n > 0 && !text.empty(); --n) {
            const std::size_t at = below(text.size());
            switch (below(5)) {
            case 0: text[at] = static_cast<char>(below(256)); break;
            case 1: text.erase(at, 1 + below(3)); break;
            case 2: text.insert(at, text.substr(below(text.size()), 1 + below(4))); break;
            case 3: text.resize(at); break;
            default:
                text.insert(at, pick({",",       ":",        "[",    "]",  "{",  "}", "\"",  "\\",   "\\u",
                                      "\\ud800", "\\udc00",  "e",    "E+", "-",  ".", "0",   "1",    "00",
                                      "\xc3",    "\xed\xa0", "\x80", "\t", "\n", " ", "nul", "1e999"}));
            }
        }
        return text;
    }

private:
    std::string pick(std::initializer_list<const char*> from) { return *(from.begin() + below(from.size())); }
    std::string space() { return below(4) == 0 ? pick({" ", "\n", "\t", "\r\n", "  "}) : ""; }

    std::string list(int depth, bool of_members) {
        std::string text = space();
        const std::size_t count = 1 + below(below(20) == 0 ? 40 : 5);
        for (std::size_t i = 0; i < count; ++i) {
            if (i != 0) text += "," + space();
            if (of_members)
                text += (below(2) == 0 ? "\"k" + std::to_string(below(30)) + "\"" : string()) + space() + ":";
            text += space() + value(depth - 1) + space();
        }
        return text;
    }
    std::string digits(std::size_t count) {
        std::string text;
        while (text.size() < count) text += static_cast<char>('0' + below(10));
        return text;
    }
    std::string number() {
        std::string text = below(2) == 0 ? "" : "-";
        text += below(4) == 0 ? "0" : std::to_string(1 + below(9)) + digits(below(22));
        if (below(3) == 0) text += "." + digits(1 + below(20));
        if (below(4) == 0) text += pick({"e", "E", "e+", "e-", "E-"}) + std::to_string(below(330));
        return text;
    }
    std::string string() {
        std::string text = "\"";
        for (std::size_t n = below(12); n > 0; --n) {
            text += below(2) == 0
                        ? std::string(1, static_cast<char>('a' + below(26)))
                        : pick({"\\n", "\\\"", "\\\\", "\\/", "\\u0000", "\\u20ac", "\\ud834\\udd1e", "\xc3\xa9",
                                "\xe2\x82\xac", "\xf0\x9f\x98\x80", " ", "/", "\x7f", "\\b\\f\\r\\t"});
        }
        return text + "\"";
    }

    std::mt19937_64 random_;
};

} // namespace

TEST_CASE("two readers of json agree on text made by chance and on such that is spoiled", "[data][json]") {
    json_writer_by_chance chance(20240301);
    std::size_t accepted = 0;
    std::size_t accepted_of_spoiled = 0;
    constexpr std::size_t rounds = 1500;
    for (std::size_t i = 0; i < rounds; ++i) {
        const std::string text = chance.value(5);
        compare(text, accepted);
        for (int k = 0; k < 8; ++k) compare(chance.spoiled(text), accepted_of_spoiled);
    }
    CHECK(accepted > rounds * 9 / 10);           // a few have a number too large
    CHECK(accepted_of_spoiled > rounds / 2);     // the test itself spoils
    CHECK(accepted_of_spoiled < rounds * 8 / 2); // neither too little nor too much
}

#endif
