#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A directory of its own for a test, gone with all that is in it at the end of the scope.

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include <coproc/core/unique_fd.hpp>

class temporary_directory {
public:
    temporary_directory() {
        std::string name = (std::filesystem::temp_directory_path() / "coproc-XXXXXX").string();
        // Resolved, since /tmp is a link on macOS and a child sees where it leads.
        path_ = std::filesystem::canonical(::mkdtemp(name.data()));
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::string operator/(std::string_view name) const { return (path_ / name).string(); }

    /// Makes a file, executable if asked to, and answers its path.
    std::string file(std::string_view name, std::string_view content, bool executable = false) const {
        const std::filesystem::path made = path_ / name;
        std::filesystem::create_directories(made.parent_path());
        std::ofstream(made, std::ios::binary) << content;
        using std::filesystem::perms;
        std::filesystem::permissions(made, executable ? perms::owner_all : perms::owner_read | perms::owner_write);
        return made.string();
    }
    std::string directory(std::string_view name) const {
        std::filesystem::create_directories(path_ / name);
        return (path_ / name).string();
    }

private:
    std::filesystem::path path_;
};

inline coproc::unique_fd open_file(const std::string& path, int how) {
    return coproc::unique_fd(::open(path.c_str(), how | O_CLOEXEC));
}

inline std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}
