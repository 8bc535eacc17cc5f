#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The project's own files, as the architecture tests read them.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace source_tree {

inline std::filesystem::path root() { return COPROC_SOURCE_DIR; }

inline std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::string> lines(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
}

/// All files below `folder` with one of the endings, sorted.
inline std::vector<std::filesystem::path> files(const std::string& folder, const std::vector<std::string>& endings) {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root() / folder)) {
        const bool wanted =
            std::find(endings.begin(), endings.end(), entry.path().extension().string()) != endings.end();
        if (entry.is_regular_file() && wanted) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
}

} // namespace source_tree
