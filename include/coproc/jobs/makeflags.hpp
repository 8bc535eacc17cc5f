#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The words of MAKEFLAGS that tell of the job server.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace coproc::detail {

/// Calls `f` with each option as it is written there, and answers where the options end: what follows the word "--"
/// are variables, and the user's.
template <class F>
std::size_t for_each_makeflag(std::string_view flags, F f) {
    for (std::size_t at = 0; at < flags.size();) {
        const std::size_t start = at;
        while (at < flags.size() && flags[at] != ' ' && flags[at] != '\t') at += flags[at] == '\\' ? 2 : 1;
        if (at > flags.size()) at = flags.size();
        const std::string_view word = flags.substr(start, at - start);
        if (word == "--") return start;
        f(word);
        ++at;
    }
    return flags.size();
}

/// A value as make reads it: a backslash keeps the next character, and a dollar is doubled.
[[nodiscard]] inline std::string unescape_makeflag(std::string_view word) {
    std::string plain;
    for (std::size_t i = 0; i < word.size(); ++i) {
        const bool escapes = word[i] == '\\' || (word[i] == '$' && word.substr(i, 2) == "$$");
        if (escapes && i + 1 < word.size()) ++i;
        plain += word[i];
    }
    return plain;
}
[[nodiscard]] inline std::string escape_makeflag(std::string_view plain) {
    std::string word;
    for (const char c : plain) {
        if (c == '$') word += '$';
        if (c == '\\' || c == ' ' || c == '\t') word += '\\';
        word += c;
    }
    return word;
}

/// What the last word about the job server says: "3,4", "fifo:/tmp/…", or whatever else. Make 4.2 and older have
/// another name for it.
[[nodiscard]] inline std::optional<std::string> jobserver_auth(std::string_view flags) {
    std::optional<std::string> last;
    for_each_makeflag(flags, [&](std::string_view word) {
        for (const std::string_view name : {"--jobserver-auth=", "--jobserver-fds="}) {
            if (word.substr(0, name.size()) == name) last = unescape_makeflag(word.substr(name.size()));
        }
    });
    return last;
}

/// Whether make was asked to show what it would do, and to do nothing (-n): the first word is its one-letter options,
/// without a dash, and is empty where there are none.
[[nodiscard]] inline bool makeflags_say_dry_run(std::string_view flags) noexcept {
    const std::string_view first = flags.substr(0, flags.find(' '));
    return first.substr(0, 1) != "-" && first.find('=') == first.npos && first.find('n') != first.npos;
}

/// `flags` with another job server, for children of ours.
[[nodiscard]] inline std::string makeflags_with(std::string_view flags, std::string_view words) {
    std::string all;
    const std::size_t variables = for_each_makeflag(flags, [&](std::string_view word) {
        const bool is_first = word.data() == flags.data(); // which is for one-letter options, and may be empty
        const bool about_jobs = word.substr(0, 11) == "--jobserver" || word.substr(0, 2) == "-j";
        if (about_jobs || (word.empty() && !is_first)) return;
        if (!is_first || word.substr(0, 1) == "-") all += ' ';
        all += word;
    });
    all.append(" ").append(words);
    if (variables < flags.size()) all.append(" ").append(flags.substr(variables));
    return all;
}

} // namespace coproc::detail
