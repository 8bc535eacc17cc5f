#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// From the name of a program to its file, as execvp would, but with no surprises: only absolute directories of the PATH
// count. An empty or relative entry would run whatever lies in the directory one happens to be in (CVE-2022-30580).

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace coproc::detail {

/// The PATH of a system that was told none: confstr(3).
[[nodiscard]] inline std::string default_search_path() {
    std::string path(::confstr(_CS_PATH, nullptr, 0), '\0');
    if (path.empty()) return "/usr/bin:/bin";
    ::confstr(_CS_PATH, path.data(), path.size());
    path.pop_back(); // its terminating NUL
    return path;
}

struct found_program {
    std::string path;
    int error = 0; ///< ENOENT, or EACCES if there was one that may not be executed
};

/// `name` has no slash and is not empty.
[[nodiscard, gnu::cold]] inline found_program find_program(std::string_view name, std::string_view search_path) {
    int error = ENOENT;
    std::string candidate; // its memory serves all of them
    while (!search_path.empty()) {
        const std::string_view directory = search_path.substr(0, search_path.find(':'));
        search_path.remove_prefix(std::min(directory.size() + 1, search_path.size()));
        if (!directory.starts_with('/')) continue;

        candidate.assign(directory).append("/").append(name);
        struct stat file {};
        if (::stat(candidate.c_str(), &file) != 0 || !S_ISREG(file.st_mode)) continue;
        if (::access(candidate.c_str(), X_OK) == 0) return {std::move(candidate), 0};
        error = EACCES;
    }
    return {{}, error};
}

} // namespace coproc::detail
