#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// From text to json, as RFC 8259 has it and no wider. The levels are a list, not calls: no text is too deep for the
// stack.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "decode_error.hpp"
#include "json_number.hpp"
#include "json_value.hpp"
#include "utf8.hpp"

namespace coproc {

class detail::json_parser {
public:
    json_parser(std::string_view text, std::size_t deepest) noexcept : text_(text), deepest_(deepest) {}

    json parse() {
        if (text_.starts_with("\xEF\xBB\xBF")) fail("a byte order mark");
        json root;
        json* slot = &root; // where the next value goes
        for (;;) {
            skip_space();
            if (parse_value(*slot)) {
                slot = next_slot();
                continue;
            }
            while (!open_.empty() && closes()) {
            }
            if (open_.empty()) break;
            slot = next_slot();
        }
        skip_space();
        if (at_ != text_.size()) fail("expected the end");
        return root;
    }

private:
    [[noreturn, gnu::cold]] void fail(std::string_view problem) const { fail(problem, at_); }
    [[noreturn, gnu::cold]] void fail(std::string_view problem, std::size_t at) const {
        throw decode_error("JSON", problem, text_, at);
    }

    // A character that JSON does not use stands for the end.
    [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
    [[nodiscard]] bool take(char c) noexcept {
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    void skip_space() noexcept {
        while (at_ < text_.size() &&
               (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
            ++at_;
    }

    // ---- arrays and objects ----

    // True if it is an array or an object that has something in it: the first of that comes next.
    bool parse_value(json& into) {
        switch (peek()) {
        case '[': return open(into.become<json::array_box>(), ']');
        case '{': return open(into.become<json::object_box>(), '}');
        case '"': into.adopt(new std::string(parse_string())); break;
        case 't': take_word("true"), into = true; break;
        case 'f': take_word("false"), into = false; break;
        case 'n': take_word("null"); break;
        default: parse_number(into);
        }
        return false;
    }

    bool open(json::container& box, char closing) {
        if (open_.size() == deepest_) fail(concat({"more than ", deepest_, " levels"}));
        ++at_;
        skip_space();
        if (take(closing)) return false;
        open_.push_back(&box);
        return true;
    }

    // Behind a value: whether that was the last one. If not, the comma is taken.
    bool closes() {
        skip_space();
        json::container& box = *open_.back();
        const bool is_array = box.is == json::kind::array;
        if (take(',')) return false;
        if (!take(is_array ? ']' : '}')) fail(is_array ? "expected ',' or ']'" : "expected ',' or '}'");
        if (!is_array) keep_last_of_each_key(static_cast<json::object_box&>(box).items);
        open_.pop_back();
        return true;
    }

    json* next_slot() {
        if (open_.back()->is == json::kind::array) {
            std::vector<json>& items = static_cast<json::array_box*>(open_.back())->items;
            return &items.emplace_back();
        }
        std::vector<json::member>& items = static_cast<json::object_box*>(open_.back())->items;
        skip_space();
        if (peek() != '"') fail("expected a key");
        items.push_back({parse_string(), json()});
        skip_space();
        if (!take(':')) fail("expected ':'");
        return &items.back().value;
    }

    static void keep_last_of_each_key(std::vector<json::member>& items) {
        constexpr std::size_t few = 16;
        if (items.size() <= few ? !repeats_among_few(items) : !repeats_among_many(items)) return;
        std::vector<json::member> kept;
        kept.reserve(items.size());
        // A stable order would do, but it happens hardly ever: what matters is that it takes no quadratic time.
        std::vector<std::size_t> order(items.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        std::sort(order.begin(), order.end(), [&items](std::size_t a, std::size_t b) {
            const int by_key = items[a].key.compare(items[b].key);
            return by_key != 0 ? by_key < 0 : a < b;
        });
        std::vector<bool> is_later(items.size());
        for (std::size_t first = 0, i = 1; i < order.size(); ++i) {
            if (items[order[i]].key != items[order[first]].key) {
                first = i;
            } else {
                items[order[first]].value = std::move(items[order[i]].value);
                is_later[order[i]] = true;
            }
        }
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (!is_later[i]) kept.push_back(std::move(items[i]));
        }
        items = std::move(kept);
    }
    static bool repeats_among_few(const std::vector<json::member>& items) noexcept {
        for (std::size_t i = 1; i < items.size(); ++i) {
            for (std::size_t k = 0; k < i; ++k) {
                if (items[i].key == items[k].key) return true;
            }
        }
        return false;
    }
    static bool repeats_among_many(const std::vector<json::member>& items) {
        std::vector<std::string_view> keys;
        keys.reserve(items.size());
        for (const json::member& m : items) keys.emplace_back(m.key);
        std::sort(keys.begin(), keys.end());
        return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
    }

    // ---- words and strings ----

    void take_word(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) fail("expected a value");
        at_ += word.size();
    }

    std::string parse_string() {
        const std::size_t begin = at_++;
        std::string out;
        for (;;) {
            const std::size_t run = at_;
            skip_plain();
            out.append(text_, run, at_ - run);
            if (at_ == text_.size()) fail("a string without an end", begin);
            if (take('"')) return out;
            if (peek() != '\\') fail("a control character in a string");
            parse_escape(out);
        }
    }

    // Up to what a string does not hold as it is.
    void skip_plain() {
        while (at_ < text_.size()) {
            const auto byte = static_cast<unsigned char>(text_[at_]);
            if (byte < 0x20 || byte == '"' || byte == '\\') return;
            const std::size_t length = byte < 0x80 ? 1 : utf8_length(text_.substr(at_));
            if (length == 0) fail("no UTF-8");
            at_ += length;
        }
    }

    void parse_escape(std::string& out) {
        const std::size_t begin = at_++;
        const char c = peek();
        if (at_ < text_.size()) ++at_;
        switch (c) {
        case '"':
        case '\\':
        case '/': out += c; return;
        case 'b': out += '\b'; return;
        case 'f': out += '\f'; return;
        case 'n': out += '\n'; return;
        case 'r': out += '\r'; return;
        case 't': out += '\t'; return;
        case 'u': append_utf8(out, parse_code_point(begin)); return;
        default: fail("no such escape", begin);
        }
    }

    // What is beyond 16 bits is written as two surrogates; one alone is no character.
    std::uint32_t parse_code_point(std::size_t begin) {
        const std::uint32_t first = parse_hex(begin);
        if (first < 0xD800 || first > 0xDFFF) return first;
        if (first > 0xDBFF || !text_.substr(at_).starts_with("\\u")) fail("half of a surrogate pair", begin);
        const std::size_t begin_of_second = at_;
        at_ += 2;
        const std::uint32_t second = parse_hex(begin_of_second);
        if (second < 0xDC00 || second > 0xDFFF) fail("half of a surrogate pair", begin);
        return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    }
    std::uint32_t parse_hex(std::size_t begin) {
        std::uint32_t code = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = peek();
            const int digit = is_digit(c)              ? c - '0'
                              : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                              : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                                       : -1;
            if (digit < 0) fail("\\u without four hexadecimal digits", begin);
            code = 16 * code + static_cast<std::uint32_t>(digit);
            ++at_;
        }
        return code;
    }

    // ---- numbers ----

    void parse_number(json& into) {
        const std::size_t begin = at_;
        const bool is_negative = take('-');
        if (!is_digit(peek())) fail(is_negative ? "expected a digit" : "expected a value", at_);
        if (peek() == '0' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1])) fail("a number with a leading zero");
        std::uint64_t size = 0;
        bool fits = true;
        for (; is_digit(peek()); ++at_) {
            const auto digit = static_cast<std::uint64_t>(peek() - '0');
            fits = fits && size <= (std::numeric_limits<std::uint64_t>::max() - digit) / 10;
            size = 10 * size + digit;
        }
        const bool has_fraction = take('.');
        if (has_fraction) skip_digits();
        const bool has_exponent = take('e') || take('E');
        if (has_exponent) {
            if (!take('+')) static_cast<void>(take('-'));
            skip_digits();
        }
        constexpr auto lowest = std::uint64_t{1} << 63; // its negative fits, too
        const bool is_minus_zero = is_negative && size == 0;
        if (!has_fraction && !has_exponent && fits && !is_minus_zero && (!is_negative || size <= lowest)) {
            if (is_negative) into = static_cast<std::int64_t>(0 - size);
            else into = size;
            return;
        }
        const std::optional<double> value = to_real(text_.substr(begin, at_ - begin));
        if (!value) fail("a number too large", begin);
        into = *value;
    }
    void skip_digits() {
        if (!is_digit(peek())) fail("expected a digit");
        while (is_digit(peek())) ++at_;
    }

    std::string_view text_;
    std::size_t deepest_;
    std::size_t at_ = 0;
    std::vector<json::container*> open_; // from the outermost; those belong to the root
};

inline json json::parse(std::string_view text, std::size_t deepest) {
    return detail::json_parser(text, deepest).parse();
}

} // namespace coproc
