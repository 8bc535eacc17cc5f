#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// judgement: which ways for a child to end are all right.

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "../core/exit_status.hpp"

namespace coproc {

/// By default an exit with code 0, and nothing else.
class judgement {
public:
    constexpr judgement() noexcept = default;
    /// An exit with one of these codes. (Others than 0 to 255 never come.)
    explicit constexpr judgement(std::initializer_list<int> ok_codes) noexcept : codes_{}, usual_(false) {
        for (const int code : ok_codes) {
            if (is_one(code)) codes_[word(code)] |= bit(code);
        }
    }
    /// However it ends.
    [[nodiscard]] static constexpr judgement unchecked() noexcept {
        judgement any;
        any.unchecked_ = true;
        any.usual_ = false;
        return any;
    }

    [[nodiscard]] bool accepts(const exit_status& status) const noexcept {
        return unchecked_ || (status.code() && has(*status.code()));
    }

    /// Nobody has said what counts.
    [[nodiscard]] bool is_usual() const noexcept { return usual_; }
    [[nodiscard]] bool is_unchecked() const noexcept { return unchecked_; }
    /// By rising number.
    [[nodiscard, gnu::cold]] std::vector<int> ok_codes() const {
        std::vector<int> all;
        for (int code = 0; code <= 255; ++code) {
            if (has(code)) all.push_back(code);
        }
        return all;
    }

private:
    static constexpr bool is_one(int code) noexcept { return code >= 0 && code <= 255; }
    static constexpr unsigned word(int code) noexcept { return static_cast<unsigned>(code) / 64; }
    static constexpr std::uint64_t bit(int code) noexcept {
        return std::uint64_t{1} << (static_cast<unsigned>(code) % 64);
    }
    [[nodiscard]] bool has(int code) const noexcept { return is_one(code) && (codes_[word(code)] & bit(code)) != 0; }

    std::uint64_t codes_[4]{1}; // a bit each, from code 0 on
    bool unchecked_ = false;
    bool usual_ = true;
};

} // namespace coproc
