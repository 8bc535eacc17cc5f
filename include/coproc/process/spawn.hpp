#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// From a command to a running child: everything that can fail for want of something is had before the child is made, so
// that a spawn_error always means that no program ran.

#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../platform/platform.hpp"
#include "child_fds.hpp"
#include "command.hpp"
#include "environment_block.hpp"
#include "find_program.hpp"

namespace coproc::detail {

/// A child, and our ends of its pipes; empty where there is none.
struct spawned {
    platform::child child;
    std::array<unique_fd, 3> ours;
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

// ---- identity ----

[[nodiscard]] inline std::optional<platform::identity> identity_of(const command& c) noexcept {
    const command::identity_change& said = c.identity();
    if (!said.user && !said.group && !said.groups) return std::nullopt;
    platform::identity as;
    if (said.user) as.user = *said.user;
    if (said.group) as.group = *said.group;
    // Root's own supplementary groups are rights that nobody meant to leave to another user. Who is not root cannot
    // give them up.
    as.set_groups = said.groups.has_value() || ::geteuid() == 0;
    if (said.groups) as.groups = said.groups->data();
    if (said.groups) as.group_count = said.groups->size();
    return as;
}

// ---- all of it ----

/// A script's interpreter that is missing makes execve(2) say ENOENT of the script.
[[nodiscard]] inline std::string describe_exec(const std::string& file, int error) {
    if (error != ENOENT || ::access(file.c_str(), F_OK) != 0) return "exec failed";
    return concat({"exec failed, the interpreter that ", in_quotes(file), " names is missing"});
}

[[nodiscard]] inline std::string describe(const platform::spawn_outcome& outcome, const command& c,
                                          const std::string& file) {
    switch (outcome.stage) {
    case spawn_stage::pipe: return "making a pipe failed";
    case spawn_stage::redirect: return "placing stdin, stdout and stderr failed";
    case spawn_stage::cwd: return concat({"changing to the directory ", in_quotes(c.cwd()), " failed"});
    case spawn_stage::identity: return "taking another identity failed";
    case spawn_stage::fork: return "creating a process failed";
    case spawn_stage::exec: break;
    }
    return describe_exec(file, outcome.error);
}

/// Short of processes for a moment; or the program has just been written, and a child that another thread is starting
/// still holds it open for writing.
[[nodiscard]] inline bool may_pass(const platform::spawn_outcome& outcome) noexcept {
    return (outcome.stage == spawn_stage::fork && outcome.error == EAGAIN) ||
           (outcome.stage == spawn_stage::exec && outcome.error == ETXTBSY);
}

/// Tried again up to five times within 16 ms where that may help: no program has run.
[[nodiscard]] inline platform::spawn_outcome spawn_patiently(const platform::spawn_plan& plan, platform::child& child) {
    platform::spawn_outcome outcome = platform::spawn(plan, child);
    for (long pause = 500'000; may_pass(outcome) && pause <= 8'000'000; pause *= 2) {
        const timespec time{0, pause};
        ::nanosleep(&time, nullptr);
        outcome = platform::spawn(plan, child);
    }
    return outcome;
}

/// `unset` is what a stream is that the command says nothing of. Throws spawn_error; std::bad_alloc.
[[nodiscard]] inline spawned spawn(const command& c, const stdio& unset) {
    const std::string file = file_of(c);
    const std::vector<char*> argv = argument_vector(c);
    const environment_block environment(c);
    const std::optional<platform::identity> identity = identity_of(c);
    require_open(c);
    stdio_setup streams(c, unset);
    const passed_fds passed(c);

    platform::spawn_plan plan;
    plan.path = file.c_str();
    plan.argv = argv.data();
    plan.envp = environment.get();
    plan.cwd = c.cwd().empty() ? nullptr : c.cwd().c_str();
    for (std::size_t number = 0; number < 3; ++number) plan.stdio[number] = streams.source(number);
    plan.passed = passed.data();
    plan.passed_count = passed.size();
    plan.as = identity ? &*identity : nullptr;
    plan.inherit_signals = c.inherits_signals();

    spawned made;
    const platform::spawn_outcome outcome = spawn_patiently(plan, made.child);
    if (outcome.error != 0) {
        throw spawn_error(outcome.stage, c.program(), describe(outcome, c, file),
                          {outcome.error, std::system_category()});
    }
    for (std::size_t number = 0; number < 3; ++number) made.ours[number] = streams.take_ours(number);
    return made;
}

} // namespace coproc::detail
