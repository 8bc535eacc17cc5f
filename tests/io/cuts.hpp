#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Every small text, in every way that a stream may cut it.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// `f(text)` for each text of up to `longest` letters.
template <class F>
void for_each_text(std::string_view letters, std::size_t longest, F f) {
    std::vector<std::string> texts{""};
    for (std::size_t length = 0;; ++length) {
        for (const std::string& text : texts) f(std::string_view(text));
        if (length == longest) return;
        std::vector<std::string> longer;
        for (const std::string& text : texts) {
            for (const char c : letters) longer.push_back(text + c);
        }
        texts.swap(longer);
    }
}

/// `f(cut)` for each way to cut the text: bit n means that there is a cut behind byte n.
template <class F>
void for_each_cut(std::string_view text, F f) {
    const unsigned ways = text.empty() ? 1 : 1U << (text.size() - 1);
    for (unsigned cut = 0; cut < ways; ++cut) f(cut);
}

/// `f(chunk)` for each piece of the text, cut in that way.
template <class F>
void for_each_chunk(std::string_view text, unsigned cut, F f) {
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if ((cut >> at & 1) == 0 && at + 1 != text.size()) continue;
        f(text.substr(begin, at + 1 - begin));
        begin = at + 1;
    }
}

/// The same, to be shown.
inline std::vector<std::string> pieces_of(std::string_view text, unsigned cut) {
    std::vector<std::string> pieces;
    for_each_chunk(text, cut, [&](std::string_view chunk) { pieces.emplace_back(chunk); });
    return pieces;
}
