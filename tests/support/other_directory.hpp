#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Another working directory for the length of a scope.

#include <filesystem>

class other_directory {
public:
    explicit other_directory(const std::filesystem::path& path) { std::filesystem::current_path(path); }
    other_directory(const other_directory&) = delete;
    other_directory& operator=(const other_directory&) = delete;
    ~other_directory() { std::filesystem::current_path(before_); }

private:
    std::filesystem::path before_ = std::filesystem::current_path();
};
