#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Starting a child on Linux: one clone that shares our memory and stops this thread until the program runs.
//
//     parent                                     child, on a corner of the parent's stack
//     block all signals
//     clone3(VM | VFORK | PIDFD | CLEAR_SIGHAND) ─┐
//        (stopped by the kernel)                  ├ dispositions, identity, cwd, descriptors in place, the rest closed
//                                                 ├ empty signal mask
//                                                 └ execve ── or {stage, errno} into the slot, and exit
//     unblock, look at the slot  <────────────────┘
//
// Nothing is copied, so a start costs the same whatever the parent's size; the error needs no pipe; and the child is
// named by a pidfd from birth. Where this is refused (old kernels, seccomp, emulators) posix_spawn serves.
//
// A child that gives up rights gets a copy of our memory instead (no CLONE_VM): a process that others may trace or
// signal must not be inside a privileged one. Only the slot is shared with it.

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string_view>

#include "child_linux.hpp"
#include "pipe.hpp"
#include "raw_linux.hpp"
#include "spawn_plan.hpp"
#include "spawn_posix.hpp"

namespace coproc::platform {
namespace detail {

using kernel_sigset = std::uint64_t; // the kernel's, 64 signals; libc's has room for 1024

// What the parent prepares, and the word in which the child reports.
struct child_slot {
    const spawn_plan* plan;
    kernel_sigset mask; // what the program begins with
    spawn_outcome outcome;
    bool ran; // the child has been here: our memory really is shared
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

COPROC_CHILD_SIDE inline void close_the_rest(const spawn_plan& plan) noexcept {
    long first = 3;
    bool closed = true;
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        closed = closed && close_range(first, plan.passed[i].target - 1);
        first = plan.passed[i].target + 1;
    }
    if (!closed || !close_range(first, ~0U)) close_each_from_3(plan);
}

// Each returns 0 or an errno, as a positive number.

struct kernel_action { // struct sigaction of the kernel
    long handler, flags, restorer, mask;
};
inline constexpr kernel_action default_action{0, 0, 0, 0};

// Nothing here is cleared by an initialiser: for that a compiler may call memset, which is libc's or, worse, a
// sanitizer's, who took it for a good moment to run the parent's signal handlers.
COPROC_CHILD_SIDE inline long reset_dispositions(bool keep_ignored) noexcept {
    // CLONE_CLEAR_SIGHAND, where it is known, has done the handlers; what the host ignores stays ignored through exec
    // unless reset.
    constexpr long ignored = 1; // SIG_IGN
    for (long signal = 1; signal <= 64; ++signal) {
        if (signal == SIGKILL || signal == SIGSTOP) continue;
        if (keep_ignored) {
            kernel_action now; // NOLINT(cppcoreguidelines-pro-type-member-init): the kernel fills it
            if (raw::call(SYS_rt_sigaction, signal, 0, raw::address(&now), sizeof(kernel_sigset)) == 0 &&
                now.handler == ignored)
                continue;
        }
        raw::call(SYS_rt_sigaction, signal, raw::address(&default_action), 0, sizeof(kernel_sigset));
    }
    return 0;
}

// Libc's functions of these names would change every thread of the parent. The user last: it takes the right to do the
// others.
COPROC_CHILD_SIDE inline long take_identity(const identity* as) noexcept {
    if (as == nullptr) return 0;
    long error = 0;
    if (as->set_groups) error = raw::call(SYS_setgroups, static_cast<long>(as->group_count), raw::address(as->groups));
    if (error == 0 && as->group != identity::unchanged)
        error = raw::call(SYS_setresgid, as->group, as->group, as->group);
    if (error == 0 && as->user != identity::unchanged) error = raw::call(SYS_setresuid, as->user, as->user, as->user);
    return -error;
}

COPROC_CHILD_SIDE inline long enter_directory(const char* path) noexcept {
    return path == nullptr ? 0 : -raw::call(SYS_chdir, raw::address(path));
}

// No source is a target, so none is overwritten before it is copied. A copy is not close-on-exec.
COPROC_CHILD_SIDE inline long place_descriptors(const spawn_plan& plan) noexcept {
    for (long target = 0; target < 3; ++target) {
        if (plan.stdio[target] < 0) continue;
        const long placed = raw::call(SYS_dup3, plan.stdio[target], target, 0);
        if (placed < 0) return -placed;
    }
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        const long placed = raw::call(SYS_dup3, plan.passed[i].source, plan.passed[i].target, 0);
        if (placed < 0) return -placed;
    }
    close_the_rest(plan);
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

COPROC_CHILD_SIDE inline void child_main(void* argument) noexcept {
    auto& slot = *static_cast<child_slot*>(argument);
    slot.ran = true;
    if (slot.plan != nullptr) { // null: only asked whether memory is shared
        const spawn_plan& plan = *slot.plan;
        static_cast<void>(failed(slot, spawn_stage::fork, reset_dispositions(plan.inherit_signals)) ||
                          failed(slot, spawn_stage::identity, take_identity(plan.as)) ||
                          failed(slot, spawn_stage::cwd, enter_directory(plan.cwd)) ||
                          failed(slot, spawn_stage::redirect, place_descriptors(plan)) ||
                          failed(slot, spawn_stage::exec, execute(slot)));
    }
    leave();
}

enum class spawn_method : int { undecided, clone3, clone, posix_spawn };
enum class memory { shared, copied };

// Runs child_main(slot). The child's exit signal is none until it executes a program, which makes it SIGCHLD: a start
// that fails is invisible to the host's handlers and to its waitpid(-1). Answers the pid, or -errno.
inline long clone_child(spawn_method method, memory of_child, child_slot& slot, int& pidfd) noexcept {
    const std::uint64_t flags = CLONE_VFORK | CLONE_PIDFD | (of_child == memory::shared ? CLONE_VM : 0);
    constexpr std::uint64_t clear_sighand = 0x100000000; // CLONE_CLEAR_SIGHAND, Linux 5.5
    // The thread sleeps until the child has left, so its own stack is the safest place for the child's.
    alignas(64) char stack[16384];
    if (method == spawn_method::clone3) {
        clone_args arguments{};
        arguments.flags = flags | clear_sighand;
        arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
        arguments.stack = reinterpret_cast<std::uintptr_t>(stack);
        arguments.stack_size = sizeof stack;
        return raw::clone(SYS_clone3, raw::address(&arguments), sizeof arguments, 0, &child_main, &slot);
    }
    return raw::clone(SYS_clone, static_cast<long>(flags), raw::address(stack + sizeof stack), raw::address(&pidfd),
                      &child_main, &slot);
}

// A signal handler of the host must not run in the child, in memory that is ours, so everything is blocked around the
// clone, with libc's own signals too, which pthread_sigmask would leave out.
class all_signals_blocked {
public:
    all_signals_blocked() noexcept { set(~kernel_sigset{0}, &before_); }
    all_signals_blocked(const all_signals_blocked&) = delete;
    all_signals_blocked& operator=(const all_signals_blocked&) = delete;
    ~all_signals_blocked() { set(before_, nullptr); }

    [[nodiscard]] kernel_sigset before() const noexcept { return before_; }

private:
    static void set(const kernel_sigset mask, kernel_sigset* before) noexcept {
        raw::call(SYS_rt_sigprocmask, SIG_SETMASK, raw::address(&mask), raw::address(before), sizeof mask);
    }
    kernel_sigset before_ = 0;
};

// A child that failed before its program ran: reaped here, by its own name; nobody else is told.
inline void reap_failed(long pid, unique_fd pidfd) noexcept {
    static_cast<void>(child(static_cast<pid_t>(pid), std::move(pidfd)).reap());
}

// Not for want of anything: it will not do, now or later.
inline bool is_refusal(long error) noexcept {
    return error != 0 && error != EAGAIN && error != ENOMEM && error != EMFILE && error != ENFILE;
}

// Whether this way works here, found out by a child that does nothing (26 us, once). Emulators (valgrind, qemu-user)
// make a fork of such a clone: then the slot would never tell that a program was not found.
inline bool shares_memory(spawn_method method, bool& refused) noexcept {
    child_slot slot{nullptr, 0, {}, false};
    int pidfd = -1;
    long pid = 0;
    {
        const all_signals_blocked guard;
        pid = clone_child(method, memory::shared, slot, pidfd);
    }
    refused = pid < 0 && is_refusal(-pid);
    if (pid < 0) return false;
    reap_failed(pid, unique_fd(pidfd));
    refused = !slot.ran;
    return slot.ran;
}

inline spawn_method find_method() noexcept {
    const char* asked = std::getenv("COPROC_SPAWN"); // NOLINT(concurrency-mt-unsafe)
    if (!raw::available || (asked != nullptr && std::string_view(asked) == "posix_spawn"))
        return spawn_method::posix_spawn;
    bool refused = false;
    if (shares_memory(spawn_method::clone3, refused)) return spawn_method::clone3;
    if (refused && shares_memory(spawn_method::clone, refused)) return spawn_method::clone;
    return refused ? spawn_method::posix_spawn : spawn_method::undecided; // short of resources: ask again
}

inline spawn_method method() noexcept {
    static std::atomic<spawn_method> known{spawn_method::undecided};
    spawn_method now = known.load(std::memory_order_relaxed);
    if (now == spawn_method::undecided) {
        now = find_method();
        known.store(now, std::memory_order_relaxed);
    }
    return now;
}

inline spawn_outcome spawn_by_posix_spawn(const spawn_plan& plan, child& started) noexcept {
    pid_t pid = -1;
    const spawn_outcome outcome = posix_spawn(plan, pid);
    if (outcome.error != 0) return outcome;
    // The program runs: from here nothing may fail. A child without a pidfd is reaped by its pid, now and then.
    started = child(pid, above_stdio(unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)))));
    return {};
}

inline spawn_outcome spawn_by_clone(spawn_method how, memory of_child, child_slot& slot, child& started) noexcept {
    int pidfd = -1;
    long pid = 0;
    {
        const all_signals_blocked guard;
        if (slot.plan->inherit_signals) slot.mask = guard.before();
        pid = clone_child(how, of_child, slot, pidfd);
    }
    if (pid < 0) return {spawn_stage::fork, static_cast<int>(-pid)};
    unique_fd named(pidfd);
    if (slot.outcome.error != 0) {
        reap_failed(pid, std::move(named));
        return slot.outcome;
    }
    if (named.get() <= 2) { // the host has closed its stdio; if there is no room above, the low number serves
        if (const int moved = ::fcntl(named.get(), F_DUPFD_CLOEXEC, 3); moved >= 0) named = unique_fd(moved);
    }
    started = child(static_cast<pid_t>(pid), std::move(named));
    return {};
}

// In memory of its own, but for a page that both see.
inline spawn_outcome spawn_with_other_rights(const spawn_plan& plan, child& started) noexcept {
    if (!raw::available) return {spawn_stage::identity, ENOTSUP};
    void* const page = ::mmap(nullptr, sizeof(child_slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return {spawn_stage::fork, errno};
    auto& slot = *new (page) child_slot{&plan, 0, {}, false};
    const spawn_outcome outcome = spawn_by_clone(spawn_method::clone, memory::copied, slot, started);
    ::munmap(page, sizeof(child_slot));
    return outcome;
}

} // namespace detail

/// Starts what the plan says and waits until the program runs. On failure no program has run and nothing is left.
///
/// The environment variable COPROC_SPAWN=posix_spawn, looked at once, avoids clone.
[[nodiscard]] inline spawn_outcome spawn(const spawn_plan& plan, child& started) noexcept {
    if (plan.as != nullptr) return detail::spawn_with_other_rights(plan, started);
    const detail::spawn_method how = detail::method();
    if (how == detail::spawn_method::clone3 || how == detail::spawn_method::clone) {
        detail::child_slot slot{&plan, 0, {}, false};
        const spawn_outcome outcome = detail::spawn_by_clone(how, detail::memory::shared, slot, started);
        if (outcome.stage != spawn_stage::fork || !detail::is_refusal(outcome.error)) return outcome;
        // This process has confined itself (seccomp) since the way was chosen.
    }
    return detail::spawn_by_posix_spawn(plan, started);
}

} // namespace coproc::platform
