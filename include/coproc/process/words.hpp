#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The words of a command: what may be one, and how they look to a shell.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"

namespace coproc {
namespace detail {

template <class T>
concept path_like = requires(const T& path) { // std::filesystem::path, without its header
    { path.native() } -> std::convertible_to<std::string_view>;
};

} // namespace detail

/// Anything that is a string, or a std::filesystem::path.
template <class T>
concept word = std::convertible_to<const T&, std::string_view> || detail::path_like<T>;

namespace detail {

template <word T>
[[nodiscard]] std::string to_word(const T& w) {
    if constexpr (std::is_pointer_v<T>) { // of getenv(3), perhaps
        if (w == nullptr) throw std::invalid_argument("a word of a command is a null pointer");
    }
    if constexpr (std::convertible_to<const T&, std::string_view>) return std::string(std::string_view(w));
    else return std::string(std::string_view(w.native()));
}

/// The word, if the system can take it: a C string cannot hold a NUL, and cutting it there would run something else.
template <word T>
[[nodiscard]] std::string checked(const T& w, std::string_view what) {
    std::string text = to_word(w);
    if (text.find('\0') == std::string::npos) return text;
    std::string message("the ");
    throw std::invalid_argument(
        message.append(what).append(" ").append(in_quotes(text)).append(" contains a NUL byte"));
}

/// A word that means something else to a shell where it expects a command (POSIX, Shell Command Language, 2.4).
[[nodiscard]] inline bool is_reserved(std::string_view word) noexcept {
    for (const std::string_view reserved : {"if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while",
                                            "until", "for", "in", "function", "select", "time"}) {
        if (word == reserved) return true;
    }
    return false;
}

/// A character that means itself to every shell, wherever it is in a word.
[[nodiscard]] constexpr bool is_plain(char c) noexcept {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '+' && c <= ':') || c == '_' || c == '@' || c == '%'; // + , - . / 0 … 9 :
}

} // namespace detail

/// One word as a shell reads it back: as it stands, or between single quotes if it needs them.
[[nodiscard, gnu::cold]] inline std::string shell_quoted(std::string_view text) {
    if (!text.empty() && std::all_of(text.begin(), text.end(), detail::is_plain)) return std::string(text);
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') out += "'\\''";
        else out += c;
    }
    out += '\'';
    return out;
}

namespace detail {

/// Words, a NUL between each two of them, as a line that a shell reads back as the same words. The arguments whose
/// numbers are in `as_they_are` (rising, from 0 on) are put there unquoted.
[[nodiscard, gnu::cold]] inline std::string to_command_line(std::string_view words,
                                                            const std::vector<std::size_t>& as_they_are) {
    std::size_t end = words.find('\0');
    const std::string_view program = words.substr(0, end);
    std::string line = is_reserved(program) ? concat({"'", program, "'"}) : shell_quoted(program);
    auto next = as_they_are.begin();
    for (std::size_t number = 0; end != std::string_view::npos; ++number) {
        words.remove_prefix(end + 1);
        end = words.find('\0');
        const std::string_view argument = words.substr(0, end);
        const bool unquoted = next != as_they_are.end() && *next == number;
        if (unquoted) ++next;
        line.append(" ").append(unquoted ? std::string(argument) : shell_quoted(argument));
    }
    return line;
}

} // namespace detail
} // namespace coproc
