#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Starting a child on Linux: one clone that shares our memory and stops this thread until the program runs.
//
//     parent                                     child, on a corner of the parent's stack
//     block all signals
//     clone3(VM | VFORK | FILES | PIDFD | …) ────┐
//        (stopped by the kernel)                 ├ a table of descriptors of its own, no longer than it needs
//                                                ├ dispositions, identity, cwd, descriptors in place, the rest closed
//                                                ├ empty signal mask
//                                                └ execve ── or {stage, errno} into the slot, and exit
//     unblock, look at the slot  <───────────────┘
//
// Neither memory nor open files are copied, so a start costs the same whatever the parent's size; the error needs no
// pipe; and the child is named by a pidfd from birth. Where this is refused (old kernels, seccomp, emulators)
// posix_spawn serves.
//
// A child that gives up rights gets a copy of our memory instead (no CLONE_VM): a process that others may trace or
// signal must not be inside a privileged one. Only the slot is shared with it. Where clone is not to share memory with
// us, that is also the way of whatever posix_spawn cannot do; and where it is refused, too, there is fork.

#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "child_linux.hpp"
#include "child_side_linux.hpp"
#include "dispositions_linux.hpp"
#include "pipe.hpp"
#include "raw_linux.hpp"
#include "spawn_fork.hpp"
#include "spawn_plan.hpp"
#include "spawn_posix.hpp"

namespace coproc::platform {
namespace detail {

enum class spawn_method : int { undecided, clone3, clone, posix_spawn, fork };
enum class memory { shared, copied };

// Runs child_main(slot) on that stack; the kernel clears `left`, if there is one, when the child has left our memory.
// The child's exit signal is none until it executes a program, which makes it SIGCHLD: a start that fails is invisible
// to the host's handlers and to its waitpid(-1). Answers the pid, or -errno.
inline long clone3_child(std::uint64_t flags, std::span<char> stack, child_slot& slot, int& pidfd,
                         void* left = nullptr) noexcept {
    constexpr std::uint64_t clear_sighand = 0x100000000; // CLONE_CLEAR_SIGHAND, Linux 5.5
    clone_args arguments{};
    arguments.flags = flags | CLONE_PIDFD | clear_sighand | (left != nullptr ? CLONE_CHILD_CLEARTID : 0);
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    arguments.child_tid = reinterpret_cast<std::uintptr_t>(left);
    arguments.stack = reinterpret_cast<std::uintptr_t>(stack.data());
    arguments.stack_size = stack.size();
    return raw::clone(SYS_clone3, raw::address(&arguments), sizeof arguments, 0, &child_main, &slot);
}

// Before Linux 6.11 a table of descriptors that is cut short (CLOSE_RANGE_UNSHARE) may keep the marks of some that it
// does not have (CVE-2024-45025): the program would get numbers beyond its limit, or none.
inline bool can_cut_tables() noexcept {
    static const bool can = [] {
        utsname system; // NOLINT(cppcoreguidelines-pro-type-member-init): the call fills it
        if (::uname(&system) != 0) return false;
        char* minor = nullptr;
        const long major = std::strtol(system.release, &minor, 10);
        return major > 6 || (major == 6 && *minor == '.' && std::strtol(minor + 1, nullptr, 10) >= 11);
    }();
    return can;
}

// Stops this thread until the child has left.
inline long vfork_child(spawn_method method, memory of_child, child_slot& slot, int& pidfd) noexcept {
    // Until it has taken those that it needs, the child has our descriptors: we sleep. (Not by clone: a kernel that can
    // do that has clone3, and valgrind gives up the whole program for a clone that it does not know.)
    slot.shares_descriptors = method == spawn_method::clone3 && of_child == memory::shared && can_cut_tables();
    const std::uint64_t flags =
        CLONE_VFORK | (of_child == memory::shared ? CLONE_VM : 0) | (slot.shares_descriptors ? CLONE_FILES : 0);
    alignas(64) char stack[16384]; // we sleep, so our own stack is the safest place for the child's
    // All of it is mapped from now on: with a lower RLIMIT_STACK of its own, the child could not have it grow.
    if (slot.plan != nullptr && slot.plan->settings != nullptr) *const_cast<volatile char*>(stack) = 0;
    if (method == spawn_method::clone3) return clone3_child(flags, stack, slot, pidfd);
    return raw::clone(SYS_clone, static_cast<long>(flags | CLONE_PIDFD), raw::address(stack + sizeof stack),
                      raw::address(&pidfd), &child_main, &slot);
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

// What the program begins with.
inline kernel_sigset first_mask(const spawn_plan& plan, kernel_sigset ours) noexcept {
    const kernel_sigset more = plan.settings == nullptr ? 0 : plan.settings->blocked.words[0];
    return (plan.inherit_signals ? ours : 0) | more;
}

// CLONE_CLEAR_SIGHAND does those that are handled, so what we ignore is left for a child to reset. It looks for itself
// what that is: we are asleep, and what delays the clone costs more than what delays the child (a processor that has
// nothing to do falls asleep meanwhile: 15 us on a virtual machine).
inline void tell_dispositions(child_slot& slot, spawn_method how, memory of_child) noexcept {
    if (how != spawn_method::clone3) return;
    dispositions* const ours = slot.plan->ours;
    if (slot.plan->inherit_signals) slot.other_than_default = 0;
    else if (ours != nullptr && of_child == memory::shared && ours->may_be_known()) slot.ours = ours;
}

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
        pid = vfork_child(method, memory::shared, slot, pidfd);
    }
    refused = pid < 0 && is_refusal(-pid);
    if (pid < 0) return false;
    reap_failed(pid, unique_fd(pidfd));
    refused = !slot.ran;
    return slot.ran;
}

inline spawn_method find_method() noexcept {
    if (is_asked_for("fork")) return spawn_method::fork;
    if (!raw::available || is_asked_for("posix_spawn")) return spawn_method::posix_spawn;
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

// By libc. The program runs: from here nothing may fail. A child without a pidfd is reaped by its pid, now and then.
inline spawn_outcome spawn_by(spawn_outcome (*way)(const spawn_plan&, pid_t&) noexcept, const spawn_plan& plan,
                              child& started) noexcept {
    pid_t pid = -1;
    const spawn_outcome outcome = way(plan, pid);
    if (outcome.error != 0) return outcome;
    started = child(pid, above_stdio(unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)))));
    return {};
}

// The child under its name, which must not be one of 0, 1 and 2: the host may have closed them.
inline child named_child(long pid, int pidfd) noexcept {
    unique_fd name(pidfd);
    if (name.get() <= 2) { // if there is no room above, the low number serves
        if (const int moved = ::fcntl(name.get(), F_DUPFD_CLOEXEC, 3); moved >= 0) name = unique_fd(moved);
    }
    return {static_cast<pid_t>(pid), out_of_the_way(std::move(name))};
}

inline spawn_outcome spawn_by_clone(spawn_method how, memory of_child, child_slot& slot, child& started) noexcept {
    int pidfd = -1;
    long pid = 0;
    {
        const all_signals_blocked guard;
        slot.mask = first_mask(*slot.plan, guard.before());
        tell_dispositions(slot, how, of_child);
        pid = vfork_child(how, of_child, slot, pidfd);
    }
    if (pid < 0) return {spawn_stage::fork, static_cast<int>(-pid)};
    if (slot.outcome.error != 0) {
        reap_failed(pid, unique_fd(pidfd));
        return slot.outcome;
    }
    started = named_child(pid, pidfd);
    return {};
}

// In memory of its own, but for a page that both see.
inline spawn_outcome spawn_in_a_copy(const spawn_plan& plan, child& started) noexcept {
    void* const page = ::mmap(nullptr, sizeof(child_slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return {spawn_stage::fork, errno};
    auto& slot = *new (page) child_slot{&plan, 0, {}, false};
    const spawn_outcome outcome = spawn_by_clone(spawn_method::clone, memory::copied, slot, started);
    ::munmap(page, sizeof(child_slot));
    return outcome;
}

inline bool is_refused(const spawn_outcome& outcome) noexcept {
    return outcome.stage == spawn_stage::fork && is_refusal(outcome.error);
}

// Whatever the plan says, sharing no memory.
inline spawn_outcome spawn_apart(const spawn_plan& plan, child& started) noexcept {
    if (posix_spawn_can(plan)) return spawn_by(&posix_spawn, plan, started);
    if (raw::available) {
        const spawn_outcome outcome = spawn_in_a_copy(plan, started);
        if (!is_refused(outcome)) return outcome;
    }
    return spawn_by(&spawn_by_fork, plan, started);
}

} // namespace detail

/// Starts what the plan says and waits until the program runs. On failure no program has run and nothing is left.
///
/// The environment variable COPROC_SPAWN, looked at once, avoids clone where it says posix_spawn, and all else where it
/// says fork.
[[nodiscard]] inline spawn_outcome spawn(const spawn_plan& plan, child& started) noexcept {
    const detail::spawn_method how = detail::method();
    if (how == detail::spawn_method::fork) return detail::spawn_by(&detail::spawn_by_fork, plan, started);
    const bool may_share = plan.as == nullptr;
    if (may_share && (how == detail::spawn_method::clone3 || how == detail::spawn_method::clone)) {
        detail::child_slot slot{&plan, 0, {}, false};
        const spawn_outcome outcome = detail::spawn_by_clone(how, detail::memory::shared, slot, started);
        if (!detail::is_refused(outcome)) return outcome;
        // This process has confined itself (seccomp) since the way was chosen.
    }
    return detail::spawn_apart(plan, started);
}

} // namespace coproc::platform
