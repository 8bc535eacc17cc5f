#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Numbers of JSON from and to text: correctly rounded, shortest, and the same in every locale.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "from_chars.hpp"

namespace coproc::detail {

[[nodiscard]] inline bool is_finite(double d) noexcept { return d - d == 0; } // <cmath> is slow to compile

/// Nothing if it is too large. Too small is 0, as in every other rounding.
[[nodiscard]] inline std::optional<double> to_real(std::string_view text) {
    double value = 0;
    // "Out of range" is said of the very small, too.
    if (from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) {
        value = real_without_point<double>(text);
    }
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
