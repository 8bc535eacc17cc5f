#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// From a command to a running child: everything that can fail for want of something is had before the child is made, so
// that a spawn_error always means that no program ran.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../platform/environment.hpp"
#include "../platform/pipe.hpp"
#include "../platform/platform.hpp"
#include "command.hpp"
#include "find_program.hpp"

namespace coproc::detail {

/// A child, and our ends of its pipes; empty where there is none.
struct spawned {
    platform::child child;
    std::array<unique_fd, 3> ours;
};

constexpr std::array<const char*, 3> stdio_names{"stdin", "stdout", "stderr"};

// ---- the environment ----

class environment_block {
public:
    explicit environment_block(const command& c) {
        if (c.env_changes().empty() && !c.env_is_cleared()) return; // ours, untouched and not copied
        changed_ = true;
        for (char** entry = platform::environment(); !c.env_is_cleared() && *entry != nullptr; ++entry) {
            const std::string_view text = *entry;
            if (last_word_on(c, text.substr(0, text.find('='))) == nullptr) pointers_.push_back(*entry);
        }
        const auto& changes = c.env_changes();
        strings_.reserve(changes.size()); // the pointers must hold
        for (const auto& change : changes) {
            if (last_word_on(c, change.key) != &change || !change.value) continue;
            strings_.push_back(concat({change.key, "=", *change.value}));
            pointers_.push_back(strings_.back().data());
        }
        pointers_.push_back(nullptr);
    }

    [[nodiscard]] char* const* get() const noexcept { return changed_ ? pointers_.data() : platform::environment(); }

    /// The PATH that the child will see, if it will see one.
    [[nodiscard]] static std::optional<std::string_view> search_path(const command& c) noexcept {
        if (const command::env_change* change = last_word_on(c, "PATH")) {
            return change->value ? std::optional<std::string_view>(*change->value) : std::nullopt;
        }
        const char* const inherited =
            c.env_is_cleared() ? nullptr : std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe)
        return inherited != nullptr ? std::optional<std::string_view>(inherited) : std::nullopt;
    }

private:
    static const command::env_change* last_word_on(const command& c, std::string_view key) noexcept {
        const command::env_change* last = nullptr;
        for (const auto& change : c.env_changes()) {
            if (change.key == key) last = &change;
        }
        return last;
    }

    std::vector<std::string> strings_;
    std::vector<char*> pointers_;
    bool changed_ = false;
};

// ---- the program ----

[[nodiscard]] inline std::string working_directory() {
    std::string path(256, '\0');
    while (::getcwd(path.data(), path.size()) == nullptr) {
        if (errno != ERANGE) throw std::system_error(platform::last_error(), "getcwd");
        path.resize(2 * path.size());
    }
    path.resize(path.find('\0'));
    return path;
}

[[nodiscard]] inline std::string file_of(const command& c) {
    const std::string& program = c.program();
    if (program.find('/') != std::string::npos) {
        // Relative to our directory, so it has to be made absolute if the child is to be in another one when it
        // executes it.
        if (c.cwd().empty() || program.starts_with('/')) return program;
        return concat({working_directory(), "/", program});
    }
    const std::optional<std::string_view> path = environment_block::search_path(c);
    found_program found = find_program(program, path ? std::string(*path) : default_search_path());
    if (found.error != 0) {
        throw spawn_error(spawn_stage::exec, program, "exec failed", {found.error, std::system_category()});
    }
    return std::move(found.path);
}

[[nodiscard]] inline std::vector<char*> argument_vector(const command& c) {
    std::vector<char*> argv;
    argv.reserve(c.args().size() + 2);
    argv.push_back(const_cast<char*>(c.arg0().c_str())); // execve(2) does not change them
    for (const std::string& a : c.args()) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    return argv;
}

// ---- the streams ----

struct stream_ends {
    unique_fd ours, childs;
};

[[nodiscard]] inline unique_fd open_for_child(const command& c, std::size_t number, const char* path) {
    const int mode = number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
    unique_fd file;
    do { // a FIFO makes open(2) wait, and a signal ends that
        file = unique_fd(::open(path, mode | O_CLOEXEC | O_NOCTTY, 0666));
    } while (!file && errno == EINTR);
    file = platform::above_stdio(std::move(file));
    if (!file) {
        const std::error_code error = platform::last_error();
        throw spawn_error(spawn_stage::redirect, c.program(),
                          concat({"opening ", in_quotes(path), " for ", stdio_names[number], " failed"}), error);
    }
    return file;
}

[[nodiscard]] inline stream_ends open_stream(const command& c, std::size_t number, const stdio& what) {
    if (!what.path().empty()) return {{}, open_for_child(c, number, what.path().c_str())};
    if (what.is(stdio::null)) return {{}, open_for_child(c, number, "/dev/null")};
    if (what.is(stdio::inherit)) return {};
    platform::pipe_ends pipe = platform::make_pipe();
    unique_fd& ours = number == 0 ? pipe.write : pipe.read;
    unique_fd& childs = number == 0 ? pipe.read : pipe.write;
    if (!ours || !childs || !platform::set_nonblocking(ours)) {
        const std::error_code error = platform::last_error();
        throw spawn_error(spawn_stage::pipe, c.program(),
                          concat({"making a pipe for ", stdio_names[number], " failed"}), error);
    }
    return {std::move(ours), std::move(childs)};
}

// ---- all of it ----

[[nodiscard]] inline std::string describe(spawn_stage stage, const command& c) {
    switch (stage) {
    case spawn_stage::pipe: return "making a pipe failed";
    case spawn_stage::redirect: return "placing stdin, stdout and stderr failed";
    case spawn_stage::cwd: return concat({"changing to the directory ", in_quotes(c.cwd()), " failed"});
    case spawn_stage::fork: return "creating a process failed";
    case spawn_stage::exec: break;
    }
    return "exec failed";
}

/// `unset` is what a stream is that the command says nothing of. Throws spawn_error; std::bad_alloc.
[[nodiscard]] inline spawned spawn(const command& c, const stdio& unset) {
    const std::string file = file_of(c);
    const std::vector<char*> argv = argument_vector(c);
    const environment_block environment(c);

    platform::spawn_plan plan;
    plan.path = file.c_str();
    plan.argv = argv.data();
    plan.envp = environment.get();
    plan.cwd = c.cwd().empty() ? nullptr : c.cwd().c_str();

    spawned made;
    std::array<unique_fd, 3> childs; // closed when we return, before anything can wait for them
    for (std::size_t number = 0; number < 3; ++number) {
        const std::optional<stdio>& said = c.stdio_of(number);
        stream_ends ends = open_stream(c, number, said ? *said : unset);
        plan.stdio[number] = ends.childs.get();
        made.ours[number] = std::move(ends.ours);
        childs[number] = std::move(ends.childs);
    }

    const platform::spawn_outcome outcome = platform::spawn(plan, made.child);
    if (outcome.error != 0) {
        throw spawn_error(outcome.stage, c.program(), describe(outcome.stage, c),
                          {outcome.error, std::system_category()});
    }
    return made;
}

} // namespace coproc::detail
