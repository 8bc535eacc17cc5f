#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What must be the same after a test as before: descriptors and children.

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <set>
#include <string>

#include "catch.hpp"

/// The numbers of the descriptors that are open now.
inline std::set<int> open_descriptors() {
    std::set<int> numbers;
    DIR* const directory = ::opendir("/dev/fd");
    while (const dirent* entry = ::readdir(directory)) {
        if (entry->d_name[0] != '.') numbers.insert(std::stoi(entry->d_name));
    }
    numbers.erase(::dirfd(directory));
    ::closedir(directory);
    return numbers;
}

/// How many of them are pipes.
inline std::size_t open_pipes() {
    const std::set<int> numbers = open_descriptors();
    return static_cast<std::size_t>(std::count_if(numbers.begin(), numbers.end(), [](int fd) {
        struct stat about {};
        return ::fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
    }));
}

/// True if this process has no child, running or zombie.
inline bool no_children() {
#if defined(__WALL)
    constexpr int of_every_kind = __WALL; // also one that has not executed its program, and tells nobody of its end
#else
    constexpr int of_every_kind = 0;
#endif
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | of_every_kind) < 0 && errno == ECHILD;
}

/// At the end of its scope, as many descriptors are open as at its beginning and no child is left.
class nothing_leaks {
public:
    nothing_leaks() = default;
    nothing_leaks(const nothing_leaks&) = delete;
    nothing_leaks& operator=(const nothing_leaks&) = delete;
    ~nothing_leaks() {
// libkqueue keeps descriptors of its own, and frees them late.
#if !defined(COPROC_BACKEND_KQUEUE)
        CHECK(open_descriptors() == before_);
#endif
        CHECK(no_children());
    }

private:
    std::set<int> before_ = open_descriptors();
};
