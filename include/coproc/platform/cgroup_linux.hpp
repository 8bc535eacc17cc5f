#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A control group (cgroups(7), version 2), given by its directory: its processes, and the files by which it is told
// something.

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "../core/concat.hpp"
#include "../core/unique_fd.hpp"
#include "proc_linux.hpp"

namespace coproc::platform {
namespace detail {

inline void add_members(const std::string& path, std::vector<pid_t>& found, int depth) {
    for_each_number_of(coproc::detail::concat({path, "/cgroup.procs"}).c_str(), [&](pid_t pid) {
        if (pid > 0) found.push_back(pid); // 0 is one that our PID namespace cannot see
    });
    if (depth == 0) return;
    open_directory directory(path.c_str());
    if (!directory) return;
    while (const dirent* entry = directory.next()) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            add_members(coproc::detail::concat({path, "/", entry->d_name}), found, depth - 1);
        }
    }
}

} // namespace detail

/// A file of the control group, "cgroup.procs" or "cgroup.kill", for writing. Empty on failure, with errno: ENOTSUP for
/// a directory that is none of version 2, which has files of these names that mean something else, or none.
[[nodiscard]] inline unique_fd open_cgroup_file(const char* directory, const char* name) noexcept {
    const unique_fd cgroup(::open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct statfs about {};
    if (!cgroup || ::fstatfs(cgroup.get(), &about) != 0) return {};
    if (about.f_type != CGROUP2_SUPER_MAGIC) {
        errno = ENOTSUP;
        return {};
    }
    return unique_fd(::openat(cgroup.get(), name, O_WRONLY | O_CLOEXEC));
}

/// All in it and below. Throws std::bad_alloc.
[[nodiscard]] inline std::vector<pid_t> cgroup_members(const std::string& path) {
    constexpr int deepest = 64;
    std::vector<pid_t> found;
    detail::add_members(path, found, deepest);
    return found;
}

/// Whether this very process is in it or below. Throws std::bad_alloc.
[[nodiscard]] inline bool is_in_cgroup(const std::string& path) {
    const std::vector<pid_t> all = cgroup_members(path);
    return std::find(all.begin(), all.end(), ::getpid()) != all.end();
}

/// SIGKILL to all in it and below at once, whatever they are forking (Linux 5.14). False where that cannot be.
inline bool kill_cgroup(const std::string& path) noexcept {
    const unique_fd all = open_cgroup_file(path.c_str(), "cgroup.kill");
    return all && ::write(all.get(), "1", 1) == 1;
}

} // namespace coproc::platform
