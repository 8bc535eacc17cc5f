#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Bytes to send and to take apart.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// What the child `flood` writes: the alphabet over and over, so that a byte lost, doubled or moved shows.
inline std::string alphabet(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + i % 26);
    return bytes;
}

/// More than any pipe holds.
constexpr std::size_t several_mib = std::size_t{4} << 20;

/// The pieces that `end` ends.
inline std::vector<std::string> pieces(std::string_view text, char end = '\0') {
    std::vector<std::string> found;
    while (!text.empty()) {
        const std::size_t at = text.find(end);
        found.emplace_back(text.substr(0, at));
        text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    }
    return found;
}
