#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// decoder<T>: how bytes become a T.
//
//     int n = co_await output_as<int>(command("nproc"));
//     auto all = co_await p.read_as<nlohmann::json>();           // has a static parse: needs nothing
//
//     template <>
//     struct coproc::decoder<point> {                            // a type of your own that has none
//         static point decode(std::string_view text);
//     };

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "decode_error.hpp"
#include "from_chars.hpp"

namespace coproc {

/// Without the spaces and ends of lines around it.
[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view space = " \t\r\n\v\f";
    const std::size_t first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return text.substr(text.size());
    return text.substr(first, text.find_last_not_of(space) + 1 - first);
}

namespace detail {

template <class T, class... Kinds>
inline constexpr bool is_one_of = (std::is_same_v<T, Kinds> || ...);
template <class T> // a character may be meant as itself or as a small number: nobody knows
concept number = std::floating_point<T> ||
    (std::integral<T> && !is_one_of<T, bool, char, wchar_t, char8_t, char16_t, char32_t>);

// What a static parse yields: the value, or perhaps none.
template <class Parsed, class T>
concept yields = std::same_as<Parsed, T> || std::convertible_to<Parsed, T> || std::same_as<Parsed, std::optional<T>>;

template <class T>
concept parses_view = requires(std::string_view text) {
    { T::parse(text) } -> yields<T>;
};
template <class T>
concept parses_string = requires(std::string text) {
    { T::parse(std::move(text)) } -> yields<T>;
};
template <class T>
concept parses_range = requires(const char* p) {
    { T::parse(p, p) } -> yields<T>;
};

// The position that the errors of a parser tell, as nlohmann's do: in bytes, from 1.
template <class T>
concept errors_tell_byte = requires(const typename T::parse_error& e) {
    { e.byte } -> std::convertible_to<std::size_t>;
    { e.what() } -> std::convertible_to<const char*>;
};

template <class T>
inline constexpr bool no_way = false;

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse(const char* format, std::string_view problem,
                                                          std::string_view text, std::size_t offset) {
    throw decode_error(format, problem, text, offset);
}

template <number T>
[[nodiscard]] T decode_number(std::string_view text) {
    constexpr const char* expected = std::floating_point<T>  ? "expected a number"
                                     : std::is_unsigned_v<T> ? "expected an unsigned integer"
                                                             : "expected an integer";
    constexpr const char* format = std::floating_point<T> ? "number" : "integer";
    std::string_view digits = trimmed(text);
    if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
    T value{};
    const std::from_chars_result end = detail::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (end.ec == std::errc::invalid_argument || end.ptr != digits.data() + digits.size()) {
        refuse(format, expected, text, static_cast<std::size_t>(end.ptr - text.data()));
    }
    if (end.ec != std::errc()) {
        refuse(format, "beyond what its type can hold", text, static_cast<std::size_t>(digits.data() - text.data()));
    }
    return value;
}

[[nodiscard]] inline bool decode_bool(std::string_view text) {
    const std::string_view word = trimmed(text);
    if (word == "true" || word == "1") return true;
    if (word == "false" || word == "0") return false;
    refuse("boolean", "expected true, false, 1 or 0", text, static_cast<std::size_t>(word.data() - text.data()));
}

// If the parse answered with an optional, nothing is a refusal.
template <class T, class Parsed>
[[nodiscard]] T value_of(Parsed&& parsed, std::string_view text) {
    if constexpr (std::same_as<std::remove_cvref_t<Parsed>, std::optional<T>>) {
        if (!parsed) refuse("value", "refused by the parse of its type", text, 0);
        return *std::forward<Parsed>(parsed);
    } else {
        return std::forward<Parsed>(parsed);
    }
}

} // namespace detail

/// Specialise it for a type of yours with `static T decode(std::string_view)`, which is given all the bytes, with the
/// newline at their end (`trimmed`), or a line without it; it throws what it likes.
///
/// Nothing is needed for a type with a static `parse`, which takes a std::string_view, a std::string, or the first and
/// the last `const char*`, and yields a T or a std::optional<T>. Known are std::string, the bytes as they are; `bool`,
/// which is true, false, 1 or 0; integers and floating point, with spaces around, in the C notation whatever the user's
/// language.
template <class T>
struct decoder {
    [[nodiscard]] static T decode(std::string_view text) {
        if constexpr (std::same_as<T, bool>) return detail::decode_bool(text);
        else if constexpr (detail::number<T>) return detail::decode_number<T>(text);
        else if constexpr (std::same_as<T, std::string>) return std::string(text);
        else if constexpr (detail::parses_view<T>) return detail::value_of<T>(T::parse(text), text);
        else if constexpr (detail::parses_string<T>) return detail::value_of<T>(T::parse(std::string(text)), text);
        else if constexpr (detail::parses_range<T>) {
            return detail::value_of<T>(T::parse(text.data(), text.data() + text.size()), text);
        } else {
            static_assert(detail::no_way<T>,
                          "coproc does not know how to decode this type: give it a `static T parse(std::string_view)`, "
                          "or specialise coproc::decoder<T> with a `static T decode(std::string_view)`. (Views are "
                          "refused, since the bytes would be gone: say std::string.)");
        }
    }
};

namespace detail {

/// Whose bytes they are: asked only where there is something to tell.
class bytes_of {
public:
    bytes_of() noexcept = default;
    /// `whose` has a `command_line()`. `line`: of which one these are the bytes, from 1; 0: of all.
    template <class Whose>
    explicit bytes_of(Whose& whose, std::size_t line = 0) noexcept
        : whose_(&whose), command_line_([](void* w) { return std::string(static_cast<Whose*>(w)->command_line()); }),
          line_(line) {}

    [[nodiscard]] bool known() const noexcept { return whose_ != nullptr; }

    [[nodiscard]] decode_error tell(decode_error e, std::string_view text) const {
        if (line_ != 0) {
            const std::size_t offset = std::min(e.offset(), text.size());
            e = e.at({e.offset(), line_, 0, decode_error::place::around(text, offset)});
        }
        return whose_ != nullptr ? e.of(command_line_(whose_)) : e;
    }

private:
    void* whose_ = nullptr;
    std::string (*command_line_)(void*) = nullptr;
    std::size_t line_ = 0;
};

/// In a handler: as a decode_error, with what it was nested in it.
[[noreturn, gnu::cold, gnu::noinline]] inline void throw_as_decode_error(std::string_view text, const bytes_of& whose,
                                                                         std::size_t offset = 0) {
    const auto refused = [&](const char* problem) {
        return whose.tell(decode_error("value", problem, text, std::min(offset, text.size())), text);
    };
    try {
        throw;
    } catch (const decode_error& e) {
        const auto* const nested = dynamic_cast<const std::nested_exception*>(&e);
        if (nested == nullptr || !nested->nested_ptr()) throw whose.tell(e, text);
        try {
            nested->rethrow_nested();
        } catch (...) { // what is told is told once
            std::throw_with_nested(whose.tell(e, text));
        }
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& e) {
        std::throw_with_nested(refused(e.what()));
    } catch (...) {
        std::throw_with_nested(refused("refused by the decoder of its type"));
    }
}

template <class T>
[[nodiscard]] T decode_for(std::string_view text, const bytes_of& whose) {
    if constexpr (errors_tell_byte<T>) {
        try {
            return decoder<T>::decode(text);
        } catch (const typename T::parse_error& e) {
            const auto byte = static_cast<std::size_t>(e.byte);
            throw_as_decode_error(text, whose, byte != 0 ? byte - 1 : 0);
        } catch (...) {
            throw_as_decode_error(text, whose);
        }
    } else {
        try {
            return decoder<T>::decode(text);
        } catch (...) {
            throw_as_decode_error(text, whose);
        }
    }
}
/// The same of bytes that nobody else needs.
template <class T>
[[nodiscard]] T decode_for(std::string&& bytes, const bytes_of& whose) {
    if constexpr (std::same_as<T, std::string>) return std::move(bytes);
    else return detail::decode_for<T>(std::string_view(bytes), whose);
}

} // namespace detail

/// A T out of these bytes. Throws decode_error, with what else the decoder threw nested in it; std::bad_alloc.
template <class T>
[[nodiscard]] T decode(std::string_view text) {
    return detail::decode_for<T>(text, detail::bytes_of());
}

} // namespace coproc
