#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// shell: a line for /bin/sh, for those who want what only a shell does.
//
//     async_process count(shell("ls *.c | wc -l"));
//     async_process safe(shell("grep -- \"$1\" *.log | sort", pattern));   // $1 is what it is, whatever it holds

#include <string>

#include "command.hpp"
#include "secret.hpp"
#include "words.hpp"

namespace coproc {

/// `/bin/sh -c line`, or `/bin/sh -c line sh args…` with the arguments as "$1", "$2" and so on, which the shell does
/// not read as its language: never put a word of somebody else's into the line itself.
///
/// The shell is the child: signals go to it, and not to what it has started.
template <word Line, word_or_secret... Args>
[[nodiscard]] command shell(const Line& line, const Args&... args) {
    command c("/bin/sh", "-c");
    const std::string text = detail::to_word(line);
    if (text.starts_with('-') || text.starts_with('+')) c.arg("--"); // or it would be taken for an option
    c.arg(text);
    if constexpr (sizeof...(Args) > 0) {
        c.arg("sh"); // "$0"
        (c.arg(args), ...);
    }
    return c;
}

} // namespace coproc
