#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Numbers out of text, as std::from_chars, also where that knows integers only (libc++ before 20).

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "../core/concat.hpp"

namespace coproc::detail {

[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// By strtod, whose decimal point is the locale's: so it is given none. `text` is a decimal number as C has it, without
/// a '+'. Infinite if it is too large, 0 if it is too small.
template <class Real>
[[nodiscard]] Real real_without_point(std::string_view text) {
    const std::size_t e = std::min(text.find_first_of("eE"), text.size());
    // More digits than decide how a number between two others is rounded: of the rest it matters only whether it is 0.
    constexpr std::size_t decisive = std::numeric_limits<Real>::max_exponent10 > 400 ? 12'000 : 800;
    constexpr long long never_mind = 1'000'000'000'000'000; // no text is as long
    std::string digits;
    long long exponent = 0;
    bool behind_point = false;
    bool rest = false;
    for (const char c : text.substr(0, e)) {
        if (c == '.') behind_point = true;
        if (!is_digit(c)) continue;
        if (behind_point) --exponent;
        if (digits.empty() && c == '0') continue;
        if (digits.size() < decisive) {
            digits += c;
        } else {
            ++exponent;
            rest = rest || c != '0';
        }
    }
    if (digits.empty()) return text.front() == '-' ? -Real{} : Real{};
    if (rest) {
        digits += '1';
        --exponent;
    }
    if (e < text.size()) {
        long long told = 0;
        for (const char c : text.substr(e)) {
            if (is_digit(c)) told = std::min(10 * told + (c - '0'), never_mind);
        }
        exponent += text[e + 1] == '-' ? -told : told;
    }
    // Some strtod are wrong about very large exponents. These are 0 or infinite already.
    exponent = std::clamp(exponent, -99'999LL, 99'999LL);
    const std::string whole = concat({digits, "e", exponent});
    Real size{};
    if constexpr (std::is_same_v<Real, float>) size = std::strtof(whole.c_str(), nullptr);
    else if constexpr (std::is_same_v<Real, double>) size = std::strtod(whole.c_str(), nullptr);
    else size = std::strtold(whole.c_str(), nullptr);
    return text.front() == '-' ? -size : size;
}

/// How long the decimal number is that `text` begins with, whose sign is gone; 0: there is none.
[[nodiscard]] constexpr std::size_t decimal_length(std::string_view text) noexcept {
    const auto digits_end = [text](std::size_t at) noexcept {
        while (at < text.size() && is_digit(text[at])) ++at;
        return at;
    };
    std::size_t end = digits_end(0);
    std::size_t digits = end;
    if (end < text.size() && text[end] == '.') {
        const std::size_t behind = digits_end(end + 1);
        digits += behind - (end + 1);
        end = behind;
    }
    if (digits == 0) return 0;
    if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
        const bool is_signed = end + 1 < text.size() && (text[end + 1] == '-' || text[end + 1] == '+');
        const std::size_t first = end + (is_signed ? 2 : 1);
        if (digits_end(first) > first) end = digits_end(first);
    }
    return end;
}

/// Whether `text` begins with the word, which is in small letters, however it is written.
[[nodiscard]] constexpr bool begins_with_word(std::string_view text, std::string_view word) noexcept {
    if (text.size() < word.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (text[i] != word[i] && text[i] != word[i] - 'a' + 'A') return false;
    }
    return true;
}

/// How long the "nan" is that `text` begins with: it may tell which one, in parentheses.
[[nodiscard]] constexpr std::size_t nan_length(std::string_view text) noexcept {
    constexpr std::size_t alone = 3;
    const auto may_be_inside = [](char c) noexcept {
        return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    if (text.size() == alone || text[alone] != '(') return alone;
    std::size_t end = alone + 1;
    while (end < text.size() && may_be_inside(text[end])) ++end;
    return end < text.size() && text[end] == ')' ? end + 1 : alone;
}

/// std::from_chars where there is none. Nothing more is said of what is no number than that it is none.
template <class Real>
[[nodiscard]] std::from_chars_result real_from_chars(const char* first, const char* last, Real& value) {
    const std::string_view text(first, static_cast<std::size_t>(last - first));
    const std::size_t sign = text.starts_with('-') ? 1 : 0;
    const std::string_view size = text.substr(sign);
    for (const std::string_view word : {"infinity", "inf", "nan"}) {
        if (!begins_with_word(size, word)) continue;
        const bool is_nan = word == "nan";
        const Real meant = is_nan ? std::numeric_limits<Real>::quiet_NaN() : std::numeric_limits<Real>::infinity();
        value = sign != 0 ? -meant : meant;
        return {first + sign + (is_nan ? nan_length(size) : word.size()), std::errc()};
    }
    const std::size_t length = decimal_length(size);
    if (length == 0) return {first, std::errc::invalid_argument};
    const std::string_view number = text.substr(0, sign + length);
    const Real read = real_without_point<Real>(number);
    const bool is_nothing = number.substr(0, number.find_first_of("eE")).find_first_of("123456789") == number.npos;
    constexpr Real largest = std::numeric_limits<Real>::max();
    const bool in_range = read == Real{} ? is_nothing : -largest <= read && read <= largest;
    if (in_range) value = read;
    return {first + number.size(), in_range ? std::errc() : std::errc::result_out_of_range};
}

template <class Number>
concept has_from_chars = requires(const char* text, Number& value) {
    std::from_chars(text, text, value);
};

/// Of what begins at `first`; in decimal digits.
template <class Number>
[[nodiscard]] std::from_chars_result from_chars(const char* first, const char* last, Number& value) {
    if constexpr (has_from_chars<Number>) return std::from_chars(first, last, value);
    else return real_from_chars(first, last, value);
}

} // namespace coproc::detail
