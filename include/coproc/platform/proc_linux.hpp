#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What Linux tells of processes that are not our children: /proc (proc(5)).

#include <dirent.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "../core/unique_fd.hpp"

namespace coproc::platform {

struct process_facts {
    char state = '?'; ///< T and t: stopped; Z and X: ended, at least its first thread
    pid_t parent = 0;
    pid_t group = 0;
    unsigned long long started = 0; ///< in ticks since the machine was: with the pid it names the process
};

namespace detail {

// A directory that is read entry by entry.
class open_directory {
public:
    explicit open_directory(const char* path) noexcept : dir_(::opendir(path)) {}
    open_directory(const open_directory&) = delete;
    open_directory& operator=(const open_directory&) = delete;
    ~open_directory() {
        if (dir_ != nullptr) ::closedir(dir_);
    }

    [[nodiscard]] explicit operator bool() const noexcept { return dir_ != nullptr; }
    [[nodiscard]] const dirent* next() noexcept { return ::readdir(dir_); } // NOLINT(concurrency-mt-unsafe): our own

private:
    DIR* dir_;
};

// Calls f(number) for each entry that is one. False if there is no such directory.
template <class F>
bool for_each_number_in(const char* path, F f) {
    open_directory directory(path);
    if (!directory) return false;
    while (const dirent* entry = directory.next()) {
        char* end = nullptr;
        const long number = std::strtol(entry->d_name, &end, 10);
        if (number > 0 && *end == '\0') f(static_cast<pid_t>(number));
    }
    return true;
}

// Calls f(number) for each number of a text file. False if it cannot be read, which may show only after some of them.
template <class F>
bool for_each_number_of(const char* path, F f) {
    const unique_fd file(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file) return false;
    char text[4096];
    long number = -1; // none has begun; it may be cut by the end of what was read
    for (;;) {
        const ssize_t size = ::read(file.get(), text, sizeof text);
        if (size < 0) return false;
        for (ssize_t at = 0; at < size; ++at) {
            const bool is_digit = text[at] >= '0' && text[at] <= '9';
            if (is_digit) number = (number < 0 ? 0 : number) * 10 + (text[at] - '0');
            else if (number >= 0) f(static_cast<pid_t>(std::exchange(number, -1)));
        }
        if (size == 0) break;
    }
    if (number >= 0) f(static_cast<pid_t>(number));
    return true;
}

} // namespace detail

/// Nothing if there is no such process, or no /proc.
[[nodiscard]] inline std::optional<process_facts> facts_of(pid_t pid) noexcept {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
    const unique_fd file(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file) return std::nullopt;
    char text[1024];
    const ssize_t size = ::read(file.get(), text, sizeof text - 1);
    if (size <= 0) return std::nullopt;
    text[size] = '\0';
    const char* const name_end = std::strrchr(text, ')'); // the name may hold any character
    if (name_end == nullptr) return std::nullopt;
    process_facts facts;
    int parent = 0;
    int group = 0;
    // 3 state, 4 ppid, 5 pgrp, … 22 starttime
    // NOLINTNEXTLINE(cert-err34-c): the kernel writes numbers that fit
    if (std::sscanf(name_end + 1, " %c %d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                    &facts.state, &parent, &group, &facts.started) != 4)
        return std::nullopt;
    facts.parent = parent;
    facts.group = group;
    return facts;
}

[[nodiscard]] inline bool has_stopped(const std::optional<process_facts>& facts) noexcept {
    return facts && (facts->state == 'T' || facts->state == 't');
}

/// Calls `f(pid)` for each process that there is. False if there is no /proc.
template <class F>
bool for_each_process(F f) {
    return detail::for_each_number_in("/proc", std::move(f));
}

/// Whether the kernel lists the children of a thread (CONFIG_PROC_CHILDREN).
[[nodiscard]] inline bool lists_children() noexcept { return ::access("/proc/thread-self/children", R_OK) == 0; }

/// Calls `f(pid)` for each child that the kernel lists for one of the process's threads. While they fork and end it may
/// miss some (proc(5)): look again.
template <class F>
void for_each_listed_child(pid_t parent, F f) {
    char tasks[32];
    std::snprintf(tasks, sizeof tasks, "/proc/%d/task", static_cast<int>(parent));
    detail::for_each_number_in(tasks, [&](pid_t thread) {
        char children[64];
        std::snprintf(children, sizeof children, "%s/%d/children", tasks, static_cast<int>(thread));
        detail::for_each_number_of(children, f);
    });
}

} // namespace coproc::platform
