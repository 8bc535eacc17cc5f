#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Room for many descriptors for the length of a scope.

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>

/// Raises the soft limit to what is wanted, as far as the hard limit lets it.
class descriptor_limit {
public:
    explicit descriptor_limit(std::size_t wanted) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit now = before_;
        now.rlim_cur = std::min<rlim_t>(std::max<rlim_t>(wanted, before_.rlim_cur), before_.rlim_max);
        ::setrlimit(RLIMIT_NOFILE, &now);
    }
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

    /// How many there may be now.
    [[nodiscard]] static std::size_t allowed() {
        rlimit now{};
        ::getrlimit(RLIMIT_NOFILE, &now);
        return static_cast<std::size_t>(std::min<rlim_t>(now.rlim_cur, 1U << 30U));
    }

private:
    rlimit before_{};
};
