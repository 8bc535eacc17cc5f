#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What is well-formed UTF-8: table 3-7 of the Unicode standard. No surrogates, nothing longer than it must be, nothing
// beyond U+10FFFF.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace coproc::detail {

/// What a text begins with: a character; or bytes that are none, as many as could have begun one, or one. Those are
/// what a single U+FFFD stands for: "substitution of maximal subparts", section 3.9 of the standard.
struct utf8_part {
    enum kind : unsigned char { character, wrong, cut }; ///< cut: nothing is wrong but that the text ends there
    std::size_t size;
    kind what;
};

/// `text` is not empty.
[[nodiscard]] constexpr utf8_part utf8_first(std::string_view text) noexcept {
    const auto byte = [text](std::size_t at) noexcept { return static_cast<unsigned char>(text[at]); };
    const unsigned first = byte(0);
    if (first < 0x80) return {1, utf8_part::character};
    const std::size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (length == 0) return {1, utf8_part::wrong};
    // The second byte of some is bounded more tightly than to 80..BF.
    unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    for (std::size_t at = 1; at < length; ++at) {
        if (at == text.size()) return {at, utf8_part::cut};
        if (byte(at) < low || byte(at) > high) return {at, utf8_part::wrong};
        low = 0x80;
        high = 0xBF;
    }
    return {length, utf8_part::character};
}

/// How many bytes the character has that `text` begins with; 0 if that is not well-formed, or empty.
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view text) noexcept {
    if (text.empty()) return 0;
    const utf8_part part = utf8_first(text);
    return part.what == utf8_part::character ? part.size : 0;
}

/// Where `text` stops being well-formed: its size if it never does.
[[nodiscard]] inline std::size_t utf8_prefix(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size()) {
        std::uint64_t eight = 0; // most text is ASCII
        if (text.size() - at >= sizeof eight) {
            std::memcpy(&eight, text.data() + at, sizeof eight);
            if ((eight & 0x8080808080808080U) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        const std::size_t length = utf8_length(text.substr(at));
        if (length == 0) return at;
        at += length;
    }
    return at;
}

/// Whether a byte continues a character rather than begins one.
[[nodiscard]] constexpr bool is_utf8_continuation(char c) noexcept {
    return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// Appends a code point, which is no surrogate.
inline void append_utf8(std::string& to, std::uint32_t code) {
    const auto put = [&to](std::uint32_t byte) { to += static_cast<char>(byte); };
    const auto put_tail = [&](int shift) { put(0x80 | ((code >> shift) & 0x3F)); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
        put(0xC0 | (code >> 6));
    } else {
        if (code < 0x10000) {
            put(0xE0 | (code >> 12));
        } else {
            put(0xF0 | (code >> 18));
            put_tail(12);
        }
        put_tail(6);
    }
    put_tail(0);
}

} // namespace coproc::detail
