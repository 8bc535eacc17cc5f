#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A set of signals, a bit each: a sigset_t takes 128 bytes on Linux, and no code may assume how it is laid out.

#include <cstdint>

#include "system_numbers.hpp"

namespace coproc::platform {

struct signal_bits {
    std::uint64_t words[2]{}; ///< from signal 1 on, so that the first one is a sigset_t of the Linux kernel

    /// From 1 to `highest_signal`.
    constexpr void add(int signal) noexcept { words[word(signal)] |= bit(signal); }
    [[nodiscard]] constexpr bool has(int signal) const noexcept { return (words[word(signal)] & bit(signal)) != 0; }
    [[nodiscard]] constexpr bool empty() const noexcept { return words[0] == 0 && words[1] == 0; }

private:
    static constexpr unsigned word(int signal) noexcept { return static_cast<unsigned>(signal - 1) / 64; }
    static constexpr std::uint64_t bit(int signal) noexcept {
        return std::uint64_t{1} << (static_cast<unsigned>(signal - 1) % 64);
    }
};

static_assert(highest_signal <= 128);

} // namespace coproc::platform
