#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Those that a child has brought along, on macOS and BSD: its process group, by its number and only until the child has
// been reaped, when nobody of it is left (`kill_group_at_the_last_moment`).

#include <cerrno>
#include <cstddef>
#include <utility>

#include "child_bsd.hpp"
#include "extent.hpp"

namespace coproc::platform {

class relatives {
public:
    explicit relatives(extent how_far) noexcept : reach_(std::move(how_far)) {}

    [[nodiscard]] const extent& reach() const noexcept { return reach_; }
    [[nodiscard]] bool go_beyond_the_group() const noexcept { return false; }
    void look(const child&, bool) noexcept {}
    [[nodiscard]] std::size_t size() const noexcept { return 0; }
    [[nodiscard]] int exit_fd() const noexcept { return -1; }
    [[nodiscard]] bool must_be_looked_for() const noexcept { return false; }
    bool send(int, pid_t) const noexcept { return false; }
    bool kill(const child&, bool) noexcept { return false; }

private:
    extent reach_;
};

[[nodiscard]] inline extent_refusal refusal_of(const extent& how_far) noexcept {
    if (how_far.descendants) return {ENOTSUP, "this system does not tell of descendants"};
    if (!how_far.cgroup.empty()) return {ENOTSUP, "this system has no control groups"};
    return {};
}

} // namespace coproc::platform
