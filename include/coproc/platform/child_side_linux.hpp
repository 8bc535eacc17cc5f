#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What a child of ours does between clone and exec, in memory that is its parent's: system calls on what the parent has
// laid out, and a word where the parent looks. No lock, no heap, no libc, no errno.

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

#include "dispositions_linux.hpp"
#include "raw_linux.hpp"
#include "spawn_plan.hpp"

namespace coproc::platform::detail {

// What the parent prepares, and the word in which the child reports.
struct child_slot {
    const spawn_plan* plan;
    kernel_sigset mask; // what the program begins with
    spawn_outcome outcome;
    bool ran; // the child has been here: our memory really is shared
    bool shares_descriptors = false;
    kernel_sigset other_than_default = every_signal; // those whose dispositions may be that
    dispositions* ours = nullptr;                    // and who knows better; null: nobody does
    long highest = ~0U;                              // no descriptor of the child has a higher number
};

COPROC_CHILD_SIDE inline bool is_passed(const spawn_plan& plan, long fd) noexcept {
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        if (plan.passed[i].target == fd) return true;
    }
    return false;
}

COPROC_CHILD_SIDE inline void close_each_from_3(const spawn_plan& plan) noexcept {
    const long directory =
        raw::call(SYS_openat, AT_FDCWD, raw::address("/proc/self/fd"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) { // no /proc: up to a bound, since RLIMIT_NOFILE may be a thousand million (containers)
        for (long fd = 3; fd < 65536; ++fd) {
            if (!is_passed(plan, fd)) raw::call(SYS_close, fd);
        }
        return;
    }
    char entries[1024];
    for (;;) {
        const long size = raw::call(SYS_getdents64, directory, raw::address(entries), sizeof entries);
        if (size <= 0) break;
        for (long at = 0; at < size;) { // struct linux_dirent64: 8 ino, 8 off, 2 length, 1 type, name
            const auto* entry = entries + at;
            long fd = 0;
            for (const char* digit = entry + 19; *digit >= '0' && *digit <= '9'; ++digit) fd = fd * 10 + (*digit - '0');
            if (fd > 2 && fd != directory && !is_passed(plan, fd)) raw::call(SYS_close, fd);
            at += static_cast<unsigned char>(entry[16]) + 256L * static_cast<unsigned char>(entry[17]);
        }
    }
    raw::call(SYS_close, directory);
}

COPROC_CHILD_SIDE inline bool close_range(long first, long last) noexcept {
    // Marked only, so that exec closes them when the parent is running again: with thousands open that is most of a
    // start.
    constexpr long mark_only = 4; // CLOSE_RANGE_CLOEXEC, Linux 5.11
    return first > last || raw::call(SYS_close_range, first, last, mark_only) == 0 ||
           raw::call(SYS_close_range, first, last, 0) == 0; // Linux 5.9
}

COPROC_CHILD_SIDE inline void close_the_rest(const spawn_plan& plan, long last) noexcept {
    long first = 3;
    bool closed = true;
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        closed = closed && close_range(first, plan.passed[i].target - 1);
        first = plan.passed[i].target + 1;
    }
    if (!closed || !close_range(first, last)) close_each_from_3(plan);
}

// Each returns 0 or an errno, as a positive number.

struct kernel_action { // struct sigaction of the kernel
    long handler, flags, restorer, mask;
};
inline constexpr kernel_action default_action{0, 0, 0, 0};
inline constexpr kernel_action ignoring_action{1, 0, 0, 0}; // SIG_IGN

COPROC_CHILD_SIDE inline bool is_ignored(long signal) noexcept {
    // Not cleared by an initialiser: for that a compiler may call memset, which is libc's or, worse, a sanitizer's, who
    // took it for a good moment to run the parent's signal handlers.
    kernel_action now; // NOLINT(cppcoreguidelines-pro-type-member-init): the kernel fills it
    return raw::call(SYS_rt_sigaction, signal, 0, raw::address(&now), sizeof(kernel_sigset)) == 0 &&
           now.handler == ignoring_action.handler;
}

// What the host ignores stays ignored through clone and exec unless reset; what it handles, too, until exec, unless
// CLONE_CLEAR_SIGHAND is known.
COPROC_CHILD_SIDE inline long set_dispositions(const child_slot& slot) noexcept {
    const spawn_plan& plan = *slot.plan;
    const kernel_sigset ignored = plan.settings == nullptr ? 0 : plan.settings->ignored.words[0];
    const kernel_sigset to_reset = slot.ours != nullptr ? slot.ours->ignored() : slot.other_than_default;
    const kernel_sigset concerned = to_reset | ignored;
    for (long signal = 1; signal <= 64 && concerned >> (signal - 1) != 0; ++signal) {
        const kernel_sigset bit = kernel_sigset{1} << (signal - 1);
        if ((concerned & bit) == 0 || signal == SIGKILL || signal == SIGSTOP) continue;
        const bool ignore = (ignored & bit) != 0;
        if (!ignore && plan.inherit_signals && is_ignored(signal)) continue;
        raw::call(SYS_rt_sigaction, signal, raw::address(ignore ? &ignoring_action : &default_action), 0,
                  sizeof(kernel_sigset));
    }
    return 0;
}

COPROC_CHILD_SIDE inline long take_session(const session_plan& session) noexcept {
    if (session.is_new) {
        const long begun = raw::call(SYS_setsid); // answers the number of it
        return begun < 0 ? -begun : 0;
    }
    return session.group == session_plan::ours ? 0 : -raw::call(SYS_setpgid, 0, session.group);
}

// With all signals blocked, so that to do this from the background does not stop us (SIGTTOU).
COPROC_CHILD_SIDE inline long take_foreground(int fd) noexcept {
    const int group = static_cast<int>(raw::call(SYS_getpid)); // we lead it
    return -raw::call(SYS_ioctl, fd, TIOCSPGRP, raw::address(&group));
}

COPROC_CHILD_SIDE inline long take_terminal(const spawn_plan& plan) noexcept {
    if (plan.terminal < 0) return 0;
    return plan.session.foreground ? take_foreground(plan.terminal)
                                   : -raw::call(SYS_ioctl, plan.terminal, TIOCSCTTY, 0);
}

// Whoever writes 0 means himself.
COPROC_CHILD_SIDE inline long join_cgroup(const settings_plan* with) noexcept {
    if (with == nullptr || with->cgroup_procs < 0) return 0;
    const long written = raw::call(SYS_write, with->cgroup_procs, raw::address("0"), 1);
    return written < 0 ? -written : 0;
}

COPROC_CHILD_SIDE inline long set_limits(const settings_plan* with, std::size_t& which) noexcept {
    if (with == nullptr) return 0;
    for (which = 0; which < with->limit_count; ++which) {
        const resource_limit& limit = with->limits[which];
        const long answer = raw::call(SYS_prlimit64, 0, limit.resource, raw::address(&limit.value));
        if (answer < 0) return -answer;
    }
    return 0;
}

// Beyond the ends of the scale is at its end, as with nice(1); the kernel sees to that.
COPROC_CHILD_SIDE inline long add_niceness(const settings_plan* with) noexcept {
    if (with == nullptr || with->nice == 0) return 0;
    const long now = 20 - raw::call(SYS_getpriority, PRIO_PROCESS, 0); // getpriority(2): the kernel answers 40 to 1
    return -raw::call(SYS_setpriority, PRIO_PROCESS, 0, now + with->nice);
}

COPROC_CHILD_SIDE inline long choose_processors(const settings_plan* with) noexcept {
    if (with == nullptr || with->processors == nullptr) return 0;
    const auto bytes = static_cast<long>(with->processor_words * sizeof(unsigned long));
    return -raw::call(SYS_sched_setaffinity, 0, bytes, raw::address(with->processors));
}

COPROC_CHILD_SIDE inline long set_umask(const settings_plan* with) noexcept {
    if (with != nullptr && with->umask >= 0) raw::call(SYS_umask, with->umask);
    return 0;
}

// A parent that had gone before we asked would be missed: then we have another one already. None at all (0) is one
// outside of our pid namespace.
COPROC_CHILD_SIDE inline long ask_for_death_signal(const settings_plan* with) noexcept {
    if (with == nullptr || with->death_signal == 0) return 0;
    const long answer = raw::call(SYS_prctl, PR_SET_PDEATHSIG, with->death_signal);
    if (answer < 0) return -answer;
    const long parent = raw::call(SYS_getppid);
    return parent == 0 || parent == with->parent ? 0 : ESRCH;
}

// A host that is not root and has the right to change users has it in its ambient capabilities, perhaps, which exec
// passes on to whatever user: the child could become anybody, root as well. Linux before 4.3 has none, and says EINVAL.
COPROC_CHILD_SIDE inline void leave_capabilities(const identity& as) noexcept {
    if (as.user == identity::unchanged || as.user == raw::call(SYS_geteuid)) return;
    raw::call(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

COPROC_CHILD_SIDE inline long set_groups(const identity& as) noexcept {
    if (!as.set_groups) return 0;
    const long answer = raw::call(SYS_setgroups, static_cast<long>(as.group_count), raw::address(as.groups));
    return answer == -EPERM && as.may_keep_groups ? 0 : answer;
}

// Libc's functions of these names would change every thread of the parent. The user last: it takes the right to do the
// others.
COPROC_CHILD_SIDE inline long take_identity(const identity* as) noexcept {
    if (as == nullptr) return 0;
    leave_capabilities(*as);
    long error = set_groups(*as);
    if (error == 0 && as->group != identity::unchanged)
        error = raw::call(SYS_setresgid, as->group, as->group, as->group);
    if (error == 0 && as->user != identity::unchanged) error = raw::call(SYS_setresuid, as->user, as->user, as->user);
    return -error;
}

COPROC_CHILD_SIDE inline long enter_directory(const char* path) noexcept {
    return path == nullptr ? 0 : -raw::call(SYS_chdir, raw::address(path));
}

// A child that begins with its parent's own table of descriptors (CLONE_FILES) takes a copy of as much of it as it has
// sources in. To copy all of ten thousand, and to close them again, would cost ten times a start.
COPROC_CHILD_SIDE inline long take_descriptors(child_slot& slot) noexcept {
    if (!slot.shares_descriptors) return 0;
    const spawn_plan& plan = *slot.plan;
    long highest = plan.terminal > 2 ? plan.terminal : 2;
    for (long target = 0; target < 3; ++target) {
        if (plan.stdio[target] > highest) highest = plan.stdio[target];
    }
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        if (plan.passed[i].source > highest) highest = plan.passed[i].source;
    }
    constexpr long of_my_own = 2; // CLOSE_RANGE_UNSHARE, Linux 5.9
    if (raw::call(SYS_close_range, highest + 1, ~0U, of_my_own) != 0) return -raw::call(SYS_unshare, CLONE_FILES);
    slot.highest = highest;
    return 0;
}

// No source is a target, so none is overwritten before it is copied. A copy is not close-on-exec.
COPROC_CHILD_SIDE inline long place_descriptors(const spawn_plan& plan, long highest) noexcept {
    for (long target = 0; target < 3; ++target) {
        if (plan.stdio[target] < 0) continue;
        const long placed = raw::call(SYS_dup3, plan.stdio[target], target, 0);
        if (placed < 0) return -placed;
    }
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        const long placed = raw::call(SYS_dup3, plan.passed[i].source, plan.passed[i].target, 0);
        if (placed < 0) return -placed;
    }
    close_the_rest(plan, highest);
    return 0;
}

COPROC_CHILD_SIDE inline long execute(const child_slot& slot) noexcept {
    raw::call(SYS_rt_sigprocmask, SIG_SETMASK, raw::address(&slot.mask), 0, sizeof slot.mask);
    const spawn_plan& plan = *slot.plan;
    return -raw::call(SYS_execve, raw::address(plan.path), raw::address(plan.argv), raw::address(plan.envp));
}

COPROC_CHILD_SIDE inline bool failed(child_slot& slot, spawn_stage stage, long error) noexcept {
    slot.outcome.stage = stage;
    slot.outcome.error = static_cast<int>(error);
    return error != 0;
}

[[noreturn]] COPROC_CHILD_SIDE inline void leave() noexcept {
    for (;;) raw::call(SYS_exit_group, 127);
}

// The order matters.
//   cgroup        first, so that all the rest is counted there, and before its descriptor is closed
//   signals       before a descriptor of ours is closed that tells which of them we ignore
//   descriptors   before the limits: there is no placing above a lower RLIMIT_NOFILE (and a higher one would not help,
//                 since what is placed has been above that number here). It needs no rights
//   limits        before the niceness, which RLIMIT_NICE may permit; before the identity, which may take the right to
//                 raise them, and so that RLIMIT_NPROC holds for the user whom the child becomes: then exec is refused
//                 (EAGAIN, execve(2)) where he has more processes already, as with setuid(2) by hand
//   identity      after all that needs our rights
//   death signal  after the identity, a change of which clears it (prctl(2))
//   directory     with the child's own rights
COPROC_CHILD_SIDE inline void child_main(void* argument) noexcept {
    auto& slot = *static_cast<child_slot*>(argument);
    slot.ran = true;
    if (slot.plan != nullptr) { // null: only asked whether memory is shared
        const spawn_plan& plan = *slot.plan;
        static_cast<void>(failed(slot, spawn_stage::cgroup, join_cgroup(plan.settings)) ||
                          failed(slot, spawn_stage::fork, set_dispositions(slot)) ||
                          failed(slot, spawn_stage::fork, take_descriptors(slot)) ||
                          failed(slot, spawn_stage::session, take_session(plan.session)) ||
                          failed(slot, spawn_stage::terminal, take_terminal(plan)) ||
                          failed(slot, spawn_stage::redirect, place_descriptors(plan, slot.highest)) ||
                          failed(slot, spawn_stage::limit, set_limits(plan.settings, slot.outcome.which)) ||
                          failed(slot, spawn_stage::priority, add_niceness(plan.settings)) ||
                          failed(slot, spawn_stage::affinity, choose_processors(plan.settings)) ||
                          failed(slot, spawn_stage::fork, set_umask(plan.settings)) ||
                          failed(slot, spawn_stage::identity, take_identity(plan.as)) ||
                          failed(slot, spawn_stage::parent_death, ask_for_death_signal(plan.settings)) ||
                          failed(slot, spawn_stage::cwd, enter_directory(plan.cwd)) ||
                          failed(slot, spawn_stage::exec, execute(slot)));
    }
    leave();
}

} // namespace coproc::platform::detail
