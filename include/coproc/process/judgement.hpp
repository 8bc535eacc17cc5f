#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// judgement: which ways for a child to end are all right.

#include <algorithm>
#include <utility>
#include <vector>

#include "../core/exit_status.hpp"

namespace coproc {

/// By default an exit with code 0, and nothing else.
class judgement {
public:
    judgement() noexcept = default;
    /// An exit with one of these codes.
    explicit judgement(std::vector<int> ok_codes) noexcept : ok_codes_(std::move(ok_codes)) {}
    /// However it ends.
    [[nodiscard]] static judgement unchecked() noexcept {
        judgement any;
        any.unchecked_ = true;
        return any;
    }

    [[nodiscard]] bool accepts(const exit_status& status) const noexcept {
        if (unchecked_ || ok_codes_.empty()) return unchecked_ || status.success();
        return status.code() && std::find(ok_codes_.begin(), ok_codes_.end(), *status.code()) != ok_codes_.end();
    }

    /// Nobody has said what counts.
    [[nodiscard]] bool is_usual() const noexcept { return ok_codes_.empty() && !unchecked_; }
    [[nodiscard]] bool is_unchecked() const noexcept { return unchecked_; }
    /// Empty: 0 alone.
    [[nodiscard]] const std::vector<int>& ok_codes() const noexcept { return ok_codes_; }

private:
    std::vector<int> ok_codes_; // empty: 0
    bool unchecked_ = false;
};

} // namespace coproc
