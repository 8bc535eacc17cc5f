#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// For tests in which rights are given up: that takes root, and programs that everybody can execute.

#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "catch.hpp"
#include "children.hpp"
#include "forked.hpp"
#include "temporary_directory.hpp"

constexpr uid_t nobody = 65534;

inline bool we_are_root() {
    if (::geteuid() == 0) return true;
    WARN("only root can start children with other rights");
    return false;
}

/// Root in a container may not (CAP_SYS_RESOURCE).
inline bool we_may_raise_limits() {
    const auto raise = [] {
        const rlimit low{0, 0};
        const rlimit high{1, 1};
        return ::setrlimit(RLIMIT_CORE, &low) == 0 && ::setrlimit(RLIMIT_CORE, &high) == 0 ? 0 : 1;
    };
    if (in_a_fork(raise) == 0) return true;
    WARN("we have no right to raise limits");
    return false;
}

/// For good: for a test in a fork. Group 7, and no other.
inline bool become_nobody() { return ::setgroups(0, nullptr) == 0 && ::setgid(7) == 0 && ::setuid(nobody) == 0; }

/// A child of the tests where any user can execute it.
class for_everybody {
public:
    explicit for_everybody(const char* name) : path_(directory_ / name) {
        std::filesystem::copy_file(child(name), path_);
        std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
        std::filesystem::permissions(path_, std::filesystem::perms(0755));
    }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    temporary_directory directory_;
    std::string path_;
};
