#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// std::regex as a pattern of expect. Not in <coproc.hpp>: <regex> takes longer to compile than all of that.
//
//     static const std::regex prompt("(\\w+)@(\\w+)\\$ ");
//     expectation found = co_await expect(proc.out(), 5s, prompt, "Permission denied");
//     found.groups[0]   // what the first group matches
//
// A regex matches as soon as it can: `[0-9]+` is content with one digit. Say what comes behind it, `([0-9]+)\n`. `$`
// and
// `\b` match at the end of the stream, but not at the end of what has come so far. What a `(?!…)` forbids may come too
// late to be seen.
//
// A match has 2000 bytes at the most. For something longer, expect its two ends one after the other: it is in `before`
// of the second. Whenever something has come, as many bytes that came before are searched once more, so a regex costs
// more than a text where the stream comes in small pieces; and one that begins with a repetition, such as `.*`, costs
// that for each byte from which it tries. Leave it out: what comes before a match is in `before`.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "expect.hpp"

namespace coproc {

/// Throws std::invalid_argument for a regex that matches the empty text. The search throws std::regex_error as the
/// standard library does.
template <class Traits>
struct matcher<std::basic_regex<char, Traits>> {
    using regex = std::basic_regex<char, Traits>;
    /// The longest match, in bytes. libstdc++ goes a few calls deeper for each byte that a repetition matches: at
    /// worst that takes 3 MiB of stack for what is searched at a time, which is a window and a step.
    static constexpr std::size_t window = 2000;
    static constexpr std::size_t step = 1000;

    explicit matcher(regex r) : expression(std::move(r)) {
        if (is_in("", 0)) throw std::invalid_argument("expect(): a regex matches the empty text");
    }

    [[nodiscard]] std::optional<text_match> find(std::string_view seen, std::size_t searched) const {
        while (searched < seen.size()) {
            const std::size_t begin = searched > window ? searched - window : 0;
            const std::size_t end = std::min(seen.size(), searched + step);
            if (!is_in(seen.substr(0, end), begin)) {
                searched = end;
                continue;
            }
            searched = shortest(seen, begin, searched, end);
            if (auto match = match_in_last_window(seen.substr(0, searched), undecided)) return match;
            // That was longer than a window: found here, but not if its beginning had come sooner.
        }
        return std::nullopt;
    }
    [[nodiscard]] std::optional<text_match> find_at_end(std::string_view seen) const {
        return match_in_last_window(seen, {});
    }
    /// A std::regex does not tell what it was made from.
    [[nodiscard]] std::string to_string() const { return "a regex"; }

    regex expression;

private:
    using flags = std::regex_constants::match_flag_type;
    // More may follow.
    static constexpr flags undecided = std::regex_constants::match_not_eol | std::regex_constants::match_not_eow;

    // Whether there is a match in the text from `begin` on.
    [[nodiscard]] bool is_in(std::string_view text, std::size_t begin, flags how = undecided,
                             std::match_results<const char*>* match = nullptr) const {
        if (begin != 0) how |= std::regex_constants::match_not_bol | std::regex_constants::match_not_bow;
        const char* const end = text.data() + text.size();
        if (match == nullptr) return std::regex_search(text.data() + begin, end, expression, how);
        return std::regex_search(text.data() + begin, end, *match, expression, how);
    }

    // How much of the text is needed for a match: more than `without`, and `with` is enough.
    [[nodiscard]] std::size_t shortest(std::string_view text, std::size_t begin, std::size_t without,
                                       std::size_t with) const {
        while (with - without > 1) {
            const std::size_t middle = without + (with - without) / 2;
            (is_in(text.substr(0, middle), begin) ? with : without) = middle;
        }
        return with;
    }

    [[nodiscard]] std::optional<text_match> match_in_last_window(std::string_view text, flags how) const {
        std::match_results<const char*> match;
        if (!is_in(text, text.size() > window ? text.size() - window : 0, how, &match)) return std::nullopt;
        const auto begin = static_cast<std::size_t>(match[0].first - text.data());
        text_match found(begin, begin + static_cast<std::size_t>(match.length()), text.size());
        for (std::size_t group = 1; group < match.size(); ++group) found.groups.push_back(match[group].str());
        return found;
    }
};

} // namespace coproc
