#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// From a command to a running child: everything that can fail for want of something is had before the child is made, so
// that a spawn_error always means that no program ran.

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/exit_status.hpp"
#include "../core/unique_fd.hpp"
#include "../platform/platform.hpp"
#include "child_fds.hpp"
#include "child_terminal.hpp"
#include "command.hpp"
#include "environment_block.hpp"
#include "find_program.hpp"

namespace coproc::detail {

// ---- the program ----

[[nodiscard, gnu::cold]] inline std::string working_directory() {
    std::string path(256, '\0');
    while (::getcwd(path.data(), path.size()) == nullptr) {
        if (errno != ERANGE) throw std::system_error(platform::last_error(), "getcwd");
        path.resize(2 * path.size());
    }
    path.resize(path.find('\0'));
    return path;
}

/// The file that a command executes. Its name is the command's own where that is a path already.
class program_file {
public:
    explicit program_file(const command& c) : name_(c.program().c_str()) {
        const std::string& program = c.program();
        if (program.find('/') == std::string::npos) use(search(c));
        // Relative to our directory, so it has to be made absolute if the child is to be in another one when it
        // executes it.
        else if (!c.cwd().empty() && !program.starts_with('/')) use(concat({working_directory(), "/", program}));
    }
    program_file(const program_file&) = delete;
    program_file& operator=(const program_file&) = delete;

    [[nodiscard]] const char* name() const noexcept { return name_; }

private:
    void use(std::string path) {
        made_ = std::move(path);
        name_ = made_.c_str();
    }

    [[gnu::cold]] static std::string search(const command& c) {
        const std::optional<std::string_view> path = environment_block::search_path(c);
        found_program found =
            path ? find_program(c.program(), *path) : find_program(c.program(), default_search_path());
        if (found.error == 0) return std::move(found.path);
        throw spawn_error(spawn_stage::exec, c.program(), "exec failed", {found.error, std::system_category()});
    }

    std::string made_;
    const char* name_;
};

/// The words as execve(2) takes them, which does not change them. Few of them allocate nothing.
class argument_vector {
public:
    explicit argument_vector(const command& c) {
        const std::size_t size = c.args().size() + 2;
        if (size > few_.size()) many_.resize(size);
        char** next = many_.empty() ? few_.data() : many_.data();
        first_ = next;
        *next++ = const_cast<char*>(c.arg0().c_str());
        for (const std::string& a : c.args()) *next++ = const_cast<char*>(a.c_str());
        *next = nullptr;
    }
    argument_vector(const argument_vector&) = delete;
    argument_vector& operator=(const argument_vector&) = delete;

    [[nodiscard]] char* const* get() const noexcept { return first_; }

private:
    std::array<char*, 32> few_; // NOLINT(cppcoreguidelines-pro-type-member-init): what is used is set
    std::vector<char*> many_;
    char** first_ = nullptr;
};

// ---- identity ----

[[nodiscard]] inline std::optional<platform::identity> identity_of(const command& c) noexcept {
    const command::identity_change& said = c.identity();
    if (!said.user && !said.group && !said.groups) return std::nullopt;
    platform::identity as;
    if (said.user) as.user = *said.user;
    if (said.group) as.group = *said.group;
    // Our own supplementary groups are rights that nobody meant to leave to another user. Who is not root may have the
    // right to give them up all the same (CAP_SETGID), so that is tried; who has it not cannot help leaving them.
    as.set_groups = true;
    as.may_keep_groups = !said.groups && ::geteuid() != 0;
    if (said.groups) as.groups = said.groups->data();
    if (said.groups) as.group_count = said.groups->size();
    return as;
}

// ---- how far signals to it go ----

/// Throws usage_error where the command has not what its reach is named after.
[[nodiscard, gnu::cold]] inline platform::extent extent_of(const command& c) {
    platform::extent how_far;
    how_far.group = c.reach() != reach::process && c.session().has_own_group();
    how_far.descendants = c.reach() == reach::descendants;
    if (c.reach() == reach::group && !how_far.group) {
        throw usage_error("reach::group takes a group of the child's own: new_process_group() or new_session()");
    }
    if (c.reach() != reach::cgroup) return how_far;
    how_far.cgroup = c.settings().cgroup();
    if (how_far.cgroup.empty()) throw usage_error("reach::cgroup takes a control group of the command's: cgroup()");
    // It is looked for again when the child is stopped, and we may be elsewhere by then.
    if (!how_far.cgroup.starts_with('/')) how_far.cgroup = concat({working_directory(), "/", how_far.cgroup});
    return how_far;
}

/// Throws spawn_error where that cannot be done here.
inline void require_reach(const command& c) {
    if (c.families() == nullptr) return;
    const platform::extent how_far = extent_of(c);
    const platform::extent_refusal refusal = c.families()->refusal(how_far);
    if (refusal.error == 0) return;
    throw spawn_error(how_far.cgroup.empty() ? spawn_stage::session : spawn_stage::cgroup, c.program(),
                      concat({"stopping as far as its command reaches is impossible, ", refusal.why}),
                      {refusal.error, std::system_category()});
}

[[nodiscard, gnu::cold]] inline bool can_be_heard(const command& c, const stdio& unset) {
    for (const std::size_t number : {1U, 2U}) {
        const std::optional<stdio>& said = c.stdio_of(number);
        if (is_terminal(c, number) || (said ? *said : unset).passes_us()) return true;
    }
    const auto& more = c.more_stdio();
    return std::any_of(more.begin(), more.end(),
                       [](const auto& each) { return !each.second.child_reads && each.second.what.passes_us(); });
}

/// Throws usage_error where silence is to be noticed and all that could be heard goes elsewhere.
inline void require_heard(const command& c, const stdio& unset) {
    if (c.rules().idle_timeout == run_rules::duration::max() || can_be_heard(c, unset)) return;
    throw usage_error("idle_timeout() takes an output that comes to us: all go elsewhere");
}

/// Before anything is opened: what will not start empties no file and takes no terminal.
[[nodiscard]] inline const command& possible(const command& c, const stdio& unset) {
    require_reach(c);
    require_heard(c, unset);
    if (c.session().plan().foreground) require_open(c); // else our terminal could get the number of one that is closed
    return c;
}

// ---- all of it ----

/// Everything that a start needs and that could be wanting. The command must live as long.
class preparation {
public:
    /// `unset` is what a stream is that the command says nothing of; `ours` are the dispositions of this process,
    /// perhaps. Throws spawn_error; std::bad_alloc.
    preparation(const command& c, const stdio& unset, platform::dispositions* ours = nullptr)
        : file_(c), arguments_(c), environment_(c), identity_(identity_of(c)),
          foreground_(foreground_for(possible(c, unset))), fds_(c, unset) {
        plan_.path = file_.name();
        plan_.argv = arguments_.get();
        plan_.envp = environment_.get();
        plan_.cwd = c.cwd().empty() ? nullptr : c.cwd().c_str();
        fds_.describe(plan_);
        if (foreground_) plan_.terminal = foreground_->terminal();
        plan_.session = c.session().plan();
        plan_.as = identity_ ? &*identity_ : nullptr;
        if (!c.settings().says_nothing()) plan_.settings = &settings_.emplace(c.settings().plan(fds_.cgroup()));
        plan_.inherit_signals = c.inherits_signals();
        plan_.ours = ours;
    }
    preparation(const preparation&) = delete;
    preparation& operator=(const preparation&) = delete;

    [[nodiscard]] const platform::spawn_plan& plan() const noexcept { return plan_; }
    /// Those of the child close when it is destroyed; its child has copies.
    [[nodiscard]] child_fds& fds() noexcept { return fds_; }
    /// What the child has taken of our terminal; null: nothing. Whoever reaps it gives that back.
    [[nodiscard]] std::unique_ptr<platform::foreground_loan> take_foreground() noexcept {
        return std::move(foreground_);
    }

private:
    program_file file_;
    argument_vector arguments_;
    environment_block environment_;
    std::optional<platform::identity> identity_;
    std::optional<platform::settings_plan> settings_;
    std::unique_ptr<platform::foreground_loan> foreground_; // where a start has failed, gives it back itself
    child_fds fds_;
    platform::spawn_plan plan_;
};

// ---- how it went ----

/// A script's interpreter that is missing makes execve(2) say ENOENT of the script.
[[nodiscard, gnu::cold]] inline std::string describe_exec(const char* file, int error) {
    if (error != ENOENT || ::access(file, F_OK) != 0) return "exec failed";
    return concat({"exec failed, the interpreter that ", in_quotes(file), " names is missing"});
}

[[nodiscard, gnu::cold]] inline std::string describe_session(const platform::session_plan& session) {
    if (session.is_new) return "beginning a session failed";
    if (session.group == platform::session_plan::its_own) return "making a process group failed";
    return concat({"joining the process group ", session.group, " failed"});
}

[[nodiscard, gnu::cold]] inline std::string describe_limit(const platform::resource_limit& limit) {
    return concat({"setting ", platform::resource_name(limit.resource), " failed"});
}

[[nodiscard, gnu::cold]] inline std::string describe(const platform::spawn_outcome& outcome,
                                                     const platform::spawn_plan& plan) {
    switch (outcome.stage) {
    case spawn_stage::pipe: return "making a pipe failed";
    case spawn_stage::redirect: return "placing stdin, stdout and stderr failed";
    case spawn_stage::cwd: return concat({"changing to the directory ", in_quotes(plan.cwd), " failed"});
    case spawn_stage::session: return describe_session(plan.session);
    case spawn_stage::terminal:
        return plan.session.foreground ? "taking the foreground of our terminal failed" : "taking the terminal failed";
    case spawn_stage::cgroup: return describe_cgroup(plan.settings->cgroup);
    case spawn_stage::limit: return describe_limit(plan.settings->limits[outcome.which]);
    case spawn_stage::priority: return concat({"changing the niceness by ", plan.settings->nice, " failed"});
    case spawn_stage::affinity: return "choosing its processors failed";
    case spawn_stage::identity: return "taking another identity failed";
    case spawn_stage::parent_death:
        return concat({"asking for ", signal_name(plan.settings->death_signal), " at our death failed"});
    case spawn_stage::fork: return "creating a process failed";
    case spawn_stage::exec: break;
    }
    return describe_exec(plan.path, outcome.error);
}

/// Short of processes for a moment; or the program has just been written, and a child that another thread is starting
/// still holds it open for writing.
[[nodiscard]] inline bool may_pass(const platform::spawn_outcome& outcome) noexcept {
    return (outcome.stage == spawn_stage::fork && outcome.error == EAGAIN) ||
           (outcome.stage == spawn_stage::exec && outcome.error == ETXTBSY);
}

[[nodiscard, gnu::cold]] inline spawn_error failure(const platform::spawn_outcome& outcome,
                                                    const platform::spawn_plan& plan, const char* program) {
    return spawn_error(outcome.stage, program, describe(outcome, plan), {outcome.error, std::system_category()});
}

/// Starts the program and waits until it runs. Tried again up to five times within 16 ms where that may help: no
/// program has run. Throws spawn_error.
[[nodiscard]] inline platform::child spawn(const platform::spawn_plan& plan, const char* program) {
    platform::child child;
    platform::spawn_outcome outcome = platform::spawn(plan, child);
    for (long pause = 500'000; may_pass(outcome) && pause <= 8'000'000; pause *= 2) {
        const timespec time{0, pause};
        ::nanosleep(&time, nullptr);
        outcome = platform::spawn(plan, child);
    }
    if (outcome.error == 0) return child;
    throw failure(outcome, plan, program);
}

} // namespace coproc::detail
