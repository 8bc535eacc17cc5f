#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Numbers of JSON from and to text: correctly rounded, shortest, and the same in every locale.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "../core/concat.hpp"

namespace coproc::detail {

[[nodiscard]] inline bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] inline bool is_finite(double d) noexcept { return d - d == 0; } // <cmath> is slow to compile

/// By strtod, whose decimal point is the locale's: so it is given none. Other than that, `text` is as RFC 8259 has it.
/// Infinite if it is too large for a double.
[[nodiscard]] inline double real_without_point(std::string_view text) {
    const std::size_t e = std::min(text.find_first_of("eE"), text.size());
    // More digits than decide how a number between two doubles is rounded: of the rest it matters only whether it is 0.
    constexpr std::size_t decisive = 800;
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
    if (digits.empty()) return text.front() == '-' ? -0.0 : 0.0;
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
    exponent = std::clamp(exponent, -9999LL, 9999LL);
    const double size = std::strtod(concat({digits, "e", exponent}).c_str(), nullptr);
    return text.front() == '-' ? -size : size;
}

/// libc++ has no std::from_chars of doubles before its version 20.
template <class Real>
[[nodiscard]] bool from_chars_alone([[maybe_unused]] std::string_view text, [[maybe_unused]] Real& value) noexcept {
    if constexpr (requires(const char* p) { std::from_chars(p, p, value); }) {
        return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
    } else {
        return false;
    }
}

/// Nothing if it is too large. Too small is 0, as in every other rounding.
[[nodiscard]] inline std::optional<double> to_real(std::string_view text) {
    double value = 0;
    // from_chars says "out of range" of the very small, too.
    if (!from_chars_alone(text, value)) value = real_without_point(text);
    if (!is_finite(value)) return std::nullopt;
    return value;
}

/// As few digits as lead back to the same double; always with a point or an exponent, so that it stays one.
inline void append_real(std::string& to, double value) {
    char buffer[32];
    const char* const end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
    to += text;
    if (text.find_first_of(".e") == std::string_view::npos) to += ".0";
}

/// The integer that a double is, if it is one and fits.
[[nodiscard]] inline std::optional<std::int64_t> exact_int(double d) noexcept {
    if (!(d >= -0x1p63 && d < 0x1p63)) return std::nullopt;
    const auto whole = static_cast<std::int64_t>(d);
    if (static_cast<double>(whole) != d) return std::nullopt;
    return whole;
}
[[nodiscard]] inline std::optional<std::uint64_t> exact_unsigned(double d) noexcept {
    if (!(d >= 0 && d < 0x1p64)) return std::nullopt;
    const auto whole = static_cast<std::uint64_t>(d);
    if (static_cast<double>(whole) != d) return std::nullopt;
    return whole;
}

} // namespace coproc::detail
