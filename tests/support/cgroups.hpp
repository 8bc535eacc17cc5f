#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A cgroup (version 2) of its own for a test, where there is a hierarchy and we may write to it. Linux.

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "catch.hpp"

/// Where cgroups of version 2 are mounted; none: nowhere, or we may make none there.
inline std::optional<std::string> cgroup_root() {
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream fields(line);
        std::string id, parent, device, root, point;
        fields >> id >> parent >> device >> root >> point;
        if (line.find(" - cgroup2 ") == std::string::npos) continue;
        if (::access((point + "/cgroup.procs").c_str(), W_OK) == 0) return point;
    }
    WARN("no cgroup of version 2 here that we may write to");
    return std::nullopt;
}

/// Gone at the end of the scope, when nobody is left in it.
class cgroup_of_a_test {
public:
    cgroup_of_a_test(const std::string& parent, const char* name)
        : path_(parent + "/coproc-" + name + "-" + std::to_string(::getpid())) {
        REQUIRE(::mkdir(path_.c_str(), 0755) == 0);
    }
    cgroup_of_a_test(const cgroup_of_a_test&) = delete;
    cgroup_of_a_test& operator=(const cgroup_of_a_test&) = delete;
    ~cgroup_of_a_test() { CHECK(::rmdir(path_.c_str()) == 0); }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string name() const { return path_.substr(path_.rfind('/')); }
    bool write(const char* file, const char* text) const {
        std::ofstream out(path_ + "/" + file);
        out << text << std::flush;
        return out.good();
    }

private:
    std::string path_;
};
