#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Numbers out of text, as std::from_chars, also where that knows integers only (libc++ before 20).

#include <cerrno>
#include <charconv>
#include <clocale>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace coproc::detail {

template <class Number>
concept has_from_chars = requires(const char* text, Number& value) {
    std::from_chars(text, text, value);
};

/// By strtod, which reads the user's language rather than C's: its decimal point takes the place of ours.
template <class Number>
[[nodiscard]] std::from_chars_result floating_by_c(const char* first, const char* last, Number& value) {
    // What strtod takes and from_chars does not: spaces, '+', and 0x.
    const std::string_view text(first, static_cast<std::size_t>(last - first));
    const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
    if (digits.empty() || std::string_view(" \t\n\v\f\r+-").find(digits[0]) != std::string_view::npos) {
        return {first, std::errc::invalid_argument};
    }
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
        value = text.starts_with('-') ? -Number{} : Number{};
        return {digits.data() + 1, std::errc()};
    }
    std::string copy(text); // which ends with a NUL
    const std::string_view point = std::localeconv()->decimal_point;
    const std::size_t at = copy.find('.');
    if (at != std::string::npos && point != ".") copy.replace(at, 1, point);

    char* end = nullptr;
    errno = 0;
    Number read{};
    if constexpr (std::is_same_v<Number, float>) read = std::strtof(copy.c_str(), &end);
    else if constexpr (std::is_same_v<Number, double>) read = std::strtod(copy.c_str(), &end);
    else read = std::strtold(copy.c_str(), &end);
    auto length = static_cast<std::size_t>(end - copy.c_str());
    if (length == 0) return {first, std::errc::invalid_argument};
    if (at != std::string::npos && length > at) length -= point.size() - 1;
    // A number that is too small to be exact is told as an error, too, but only one that is nothing is none.
    const bool too_large_or_small = errno == ERANGE && (read == Number{} || read - read != Number{});
    if (too_large_or_small) return {first + length, std::errc::result_out_of_range};
    value = read;
    return {first + length, std::errc()};
}

/// Of what begins at `first`; in decimal digits.
template <class Number>
[[nodiscard]] std::from_chars_result from_chars(const char* first, const char* last, Number& value) {
    if constexpr (has_from_chars<Number>) return std::from_chars(first, last, value);
    else return floating_by_c(first, last, value);
}

} // namespace coproc::detail
