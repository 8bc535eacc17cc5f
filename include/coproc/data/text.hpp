#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Text: bytes that are known to be UTF-8.
//
//     std::string log = co_await p.read_text(utf8::replace);     // whatever is none of it becomes U+FFFD
//     std::string name = to_utf8(std::move(bytes));              // throws decode_error, which says where
//
//     utf8_decoder d;                                            // bytes as they come, characters cut anywhere
//     while (…) use(d.feed(chunk));
//     use(d.finish());

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "decode_error.hpp"
#include "utf8.hpp"

namespace coproc {

/// What becomes of bytes that are no UTF-8. (As they are: do not ask for text.)
enum class utf8 {
    strict,  ///< decode_error
    replace, ///< U+FFFD for each part, as the Unicode standard, the W3C and browsers do it
};

namespace detail {

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

[[nodiscard]] inline const char* problem_of(utf8_part::kind what) noexcept {
    return what == utf8_part::cut ? "the end in the midst of a character" : "bytes that are no character";
}

/// Appends what is well-formed, and U+FFFD for what is not. What is cut at the end is left: its size is the result.
[[nodiscard]] inline std::size_t append_replaced(std::string& to, std::string_view bytes) {
    for (;;) {
        const std::size_t good = utf8_prefix(bytes);
        to.append(bytes.data(), good);
        bytes.remove_prefix(good);
        if (bytes.empty()) return 0;
        const utf8_part part = utf8_first(bytes);
        if (part.what == utf8_part::cut) return part.size;
        to.append(replacement_character);
        bytes.remove_prefix(part.size);
    }
}

} // namespace detail

/// Whether all of it is UTF-8 as the Unicode standard has it: no surrogates, nothing longer than it must be, nothing
/// beyond U+10FFFF, no character cut at the end.
[[nodiscard]] inline bool is_utf8(std::string_view bytes) noexcept {
    return detail::utf8_prefix(bytes) == bytes.size();
}

/// The bytes as text. Those that are well-formed are given back as they are, without an allocation if they were given
/// by a move; a byte order mark is a character like others.
[[nodiscard]] inline std::string to_utf8(std::string bytes, utf8 how = utf8::strict) {
    const std::size_t good = detail::utf8_prefix(bytes);
    if (good == bytes.size()) return bytes;
    const std::string_view rest = std::string_view(bytes).substr(good);
    if (how == utf8::strict) {
        throw decode_error("UTF-8", detail::problem_of(detail::utf8_first(rest).what), bytes, good);
    }
    std::string text(bytes, 0, good);
    if (detail::append_replaced(text, rest) != 0) text.append(detail::replacement_character);
    return text;
}

/// Text out of chunks, which may cut its characters: what comes out, and which error at which offset, does not depend
/// on where they do.
class utf8_decoder {
public:
    explicit utf8_decoder(utf8 how = utf8::strict) noexcept : how_(how) {}

    /// The text that this chunk completes: valid until the next call, and as long as the chunk is there. A chunk that
    /// is well-formed is not copied, unless it begins inside of a character; there is no allocation but for a copy that
    /// is larger than those before.
    ///
    /// Throws decode_error, if that is asked for, with the offset in all that was fed; std::bad_alloc. Then it has
    /// taken nothing of the chunk.
    [[nodiscard]] std::string_view feed(std::string_view chunk) {
        if (held_size_ != 0) return mend(chunk);
        const std::size_t good = detail::utf8_prefix(chunk);
        const std::string_view rest = chunk.substr(good);
        if (!rest.empty()) {
            const detail::utf8_part part = detail::utf8_first(rest);
            if (part.what == detail::utf8_part::wrong) return mend(chunk);
            hold(rest);
        }
        taken_ += chunk.size();
        return chunk.substr(0, good);
    }

    /// What is left: nothing, or U+FFFD for a character that was cut; in strict mode that is a decode_error. After that
    /// another text can be fed.
    [[nodiscard]] std::string_view finish() {
        const std::string_view held = std::string_view(held_, std::exchange(held_size_, std::size_t{0}));
        const std::uint64_t begin = std::exchange(taken_, std::uint64_t{0}) - held.size();
        if (held.empty()) return {};
        if (how_ == utf8::strict) refuse(detail::utf8_part::cut, begin, held, 0);
        return detail::replacement_character;
    }

private:
    void hold(std::string_view beginning) noexcept {
        held_size_ = beginning.size();
        std::memcpy(held_, beginning.data(), held_size_);
    }

    // Nothing of this object changes but its memory until nothing can fail any more.
    [[nodiscard, gnu::noinline]] std::string_view mend(std::string_view chunk) {
        text_.clear();
        std::string_view bytes = chunk;
        if (held_size_ != 0) {
            char first[sizeof held_ + 3] = {}; // what was cut, and as much as it may lack
            std::memcpy(first, held_, held_size_);
            const std::size_t size = held_size_ + bytes.copy(first + held_size_, 3);
            const detail::utf8_part part = detail::utf8_first({first, size});
            if (part.what == detail::utf8_part::cut) {
                hold({first, size});
                taken_ += chunk.size();
                return {};
            }
            if (part.what == detail::utf8_part::character) {
                text_.append(first, part.size);
            } else {
                if (how_ == utf8::strict) refuse(part.what, taken_ - held_size_, {first, size}, 0);
                text_.append(detail::replacement_character);
            }
            bytes.remove_prefix(part.size - held_size_); // what was held is the beginning of that part
        }
        if (how_ == utf8::strict) {
            const std::size_t good = detail::utf8_prefix(bytes);
            const std::string_view rest = bytes.substr(good);
            if (!rest.empty() && detail::utf8_first(rest).what == detail::utf8_part::wrong) {
                const auto at = static_cast<std::size_t>(rest.data() - chunk.data());
                refuse(detail::utf8_part::wrong, taken_ + at, chunk, at);
            }
        }
        const std::size_t cut = detail::append_replaced(text_, bytes);
        hold(bytes.substr(bytes.size() - cut));
        taken_ += chunk.size();
        return text_;
    }

    [[noreturn, gnu::cold, gnu::noinline]] static void refuse(detail::utf8_part::kind what, std::uint64_t offset,
                                                              std::string_view bytes, std::size_t at) {
        const auto place = static_cast<std::size_t>(offset);
        throw decode_error("UTF-8", detail::problem_of(what), {place, 0, 0, decode_error::place::around(bytes, at)});
    }

    utf8 how_;
    char held_[3] = {}; // the beginning of a character
    std::size_t held_size_ = 0;
    std::uint64_t taken_ = 0; // with what is held
    std::string text_;
};

/// A string that is UTF-8 for certain: `output_as<utf8_text>(c)`, `p.stream_as<utf8_text>()`.
class utf8_text {
public:
    utf8_text() noexcept = default;
    /// As `to_utf8`.
    explicit utf8_text(std::string bytes, utf8 how = utf8::strict) : text_(to_utf8(std::move(bytes), how)) {}
    [[nodiscard]] static utf8_text parse(std::string_view bytes) { return utf8_text(std::string(bytes)); }

    [[nodiscard]] const std::string& str() const& noexcept { return text_; }
    [[nodiscard]] std::string str() && noexcept { return std::move(text_); }
    operator std::string_view() const noexcept { return text_; } // NOLINT(google-explicit-constructor): it is one

    friend bool operator==(const utf8_text&, const utf8_text&) = default;

private:
    std::string text_;
};

} // namespace coproc
