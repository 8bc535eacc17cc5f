#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// One string of several texts and numbers.

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace coproc::detail {

// NOLINTBEGIN(google-explicit-constructor)

/// A text, or a number as it is written. A text must live as long.
class piece {
public:
    piece(const char* text) noexcept : piece(std::string_view(text)) {}
    piece(const std::string& text) noexcept : piece(std::string_view(text)) {}
    piece(std::string_view text) noexcept : text_(text.data()), size_(text.size()) {}
    template <std::integral Number>
    piece(Number n) noexcept {
        if (n < Number{}) write(0ULL - static_cast<unsigned long long>(n), true);
        else write(static_cast<unsigned long long>(n), false);
    }

    [[nodiscard]] std::string_view view() const noexcept {
        return text_ != nullptr ? std::string_view(text_, size_)
                                : std::string_view(digits_ + sizeof digits_ - size_, size_);
    }

private:
    [[gnu::noinline]] void write(unsigned long long n, bool is_negative) noexcept {
        char* const end = digits_ + sizeof digits_;
        char* first = end;
        do {
            *--first = static_cast<char>('0' + n % 10);
            n /= 10;
        } while (n != 0);
        if (is_negative) *--first = '-';
        size_ = static_cast<std::size_t>(end - first);
    }

    const char* text_ = nullptr; // null: a number
    std::size_t size_ = 0;
    char digits_[20]; // NOLINT(cppcoreguidelines-pro-type-member-init): the last of them, as many as are written
};

// NOLINTEND(google-explicit-constructor)

/// In place of `"a" + string + "b"`, about which GCC 12 at -O2 warns falsely in the user's own build (GCC bugs 105329
/// and 105651). Out of line: messages are made by this in a hundred places, none of which is hot.
[[nodiscard, gnu::noinline]] inline std::string concat(std::initializer_list<piece> pieces) {
    std::string whole;
    for (const piece& p : pieces) whole += p.view();
    return whole;
}

/// A number as it is written.
[[nodiscard]] inline std::string to_text(std::integral auto number) { return concat({number}); }

} // namespace coproc::detail
