#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// secret: a word that the child is given as it is, and nobody is shown.
//
//     command login("login", "--user", name, secret(password));
//     login.env("TOKEN", secret(token)).to_string();      // login --user joe ***

#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>

#include "words.hpp"

namespace coproc {

/// As an argument or as the value of an environment variable. It is `***` in `to_string()`, in the text of every error,
/// in `result::command_line` and in what is traced.
///
/// What the system shows is not ours to hide: while the child runs, everybody on the machine can read its arguments
/// (ps), and its own user its environment. `stdio::text` or a descriptor is safer. Nor is what the child writes itself
/// searched for it.
class secret {
public:
    /// Throws std::invalid_argument, without a word of it, where it has a NUL byte, which no system can pass on.
    template <word Text>
    explicit secret(const Text& text) : text_(detail::to_word(text)) {
        if (text_.find('\0') != std::string::npos) throw std::invalid_argument("a secret contains a NUL byte");
    }

    [[nodiscard]] const std::string& reveal() const noexcept { return text_; }

private:
    std::string text_;
};

/// What an argument or the value of a variable can be.
template <class T>
concept word_or_secret = word<T> || std::same_as<T, secret>;

namespace detail {

/// In place of a secret.
constexpr std::string_view hidden = "***";

[[nodiscard]] inline std::string checked(const secret& s, std::string_view) { return s.reveal(); }

} // namespace detail
} // namespace coproc
