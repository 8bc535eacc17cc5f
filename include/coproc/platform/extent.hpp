#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// How far a signal to a child goes.

#include <string>

namespace coproc::platform {

/// Whom it is for, besides the child itself.
struct extent {
    bool group = false;       ///< everybody in the process group that the child leads
    bool descendants = false; ///< its children, their children, and so on
    std::string cgroup;       ///< everybody in this control group and below; empty: none

    [[nodiscard]] bool is_wider() const noexcept { return group || descendants || !cgroup.empty(); }
};

/// Why signals cannot go so far here: an errno, 0 if they can, and what is wanting.
struct extent_refusal {
    int error = 0;
    const char* why = "";
};

} // namespace coproc::platform
