#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Starting a child by fork(2): the way of macOS and the BSDs for what posix_spawn(3) cannot do, and on Linux the last
// one that is left.
//
//     parent                                    child, a copy of us with one thread
//     make a pipe, block all signals
//     fork ─────────────────────────────────────┐
//     unblock, close the end that writes        ├ what `set_up` lists: system calls only, since another thread of
//                                               │ ours may have held any lock
//     read nothing but the end: it runs  <──────┤ execve closes the pipe
//     read what has failed: reap it      <──────┘ or {stage, errno} into the pipe, and exit
//
// Slower than the other ways, since the page tables are copied. What the host has told pthread_atfork(3) runs, too. A
// fork of the host in another thread that comes just now has a copy of the pipe: until it executes a program or ends,
// the start is not over.

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#elif defined(__FreeBSD__)
#include <sys/param.h>

#include <sys/cpuset.h>
#include <sys/procctl.h>
#endif

#include "pipe.hpp"
#include "spawn_plan.hpp"
#include "system_numbers.hpp"

namespace coproc::platform::detail {

namespace forked { // what the child does

// Each returns 0 or an errno.
inline int error_of(long result) noexcept { return result < 0 ? errno : 0; }

inline int highest_target(const spawn_plan& plan) noexcept {
    return plan.passed_count == 0 ? 2 : plan.passed[plan.passed_count - 1].target;
}

inline int join_cgroup(const settings_plan* with) noexcept {
    return with == nullptr || with->cgroup_procs < 0 ? 0 : error_of(::write(with->cgroup_procs, "0", 1));
}

// Libc tells nothing of the signals that it has for itself and changes nothing about them (32 and 33 in glibc). Whoever
// has started us by posix_spawn has left them ignored, perhaps: so would our child, and its children.
inline void reset_libcs_own([[maybe_unused]] int signal) noexcept {
#if defined(__linux__)
    constexpr long standard[8] = {};                          // the kernel's structure: SIG_DFL, no flags and no mask
    constexpr unsigned long bytes = (highest_signal + 7) / 8; // of the kernel's mask
    ::syscall(SYS_rt_sigaction, signal, standard, nullptr, bytes);
#endif
}

// As exec(2) would leave them, where they are to be kept: what has a handler has its default. The host's handlers must
// not run here, so this comes before anything is unblocked.
inline int set_dispositions(const spawn_plan& plan) noexcept {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    struct sigaction ignoring {};
    ignoring.sa_handler = SIG_IGN;
    for (int signal = 1; signal <= highest_signal; ++signal) {
        const bool ignore = plan.settings != nullptr && plan.settings->ignored.has(signal);
        struct sigaction now {};
        if (::sigaction(signal, nullptr, &now) != 0) {
            reset_libcs_own(signal);
            continue;
        }
        if (plan.inherit_signals && now.sa_handler == SIG_IGN) continue;
        ::sigaction(signal, ignore ? &ignoring : &standard, nullptr); // some cannot be changed, and need not be
    }
    return 0;
}

inline int take_session(const session_plan& session) noexcept {
    if (session.is_new) return error_of(::setsid());
    return session.group == session_plan::ours ? 0 : error_of(::setpgid(0, session.group));
}

// With all signals blocked, so that to take the foreground from the background does not stop us (SIGTTOU).
inline int take_terminal(const spawn_plan& plan) noexcept {
    if (plan.terminal < 0) return 0;
    return error_of(plan.session.foreground ? ::tcsetpgrp(plan.terminal, ::getpid())
                                            : ::ioctl(plan.terminal, TIOCSCTTY, 0));
}

// No source is a target, so none is overwritten before it is copied. A copy is not close-on-exec.
inline int place_descriptors(const spawn_plan& plan) noexcept {
    for (int target = 0; target < 3; ++target) {
        if (plan.stdio[target] >= 0 && ::dup2(plan.stdio[target], target) < 0) return errno;
    }
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        if (::dup2(plan.passed[i].source, plan.passed[i].target) < 0) return errno;
    }
    return 0;
}

#if defined(__GLIBC__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
constexpr bool has_closefrom = true;
inline void close_from(int first, int) noexcept { ::closefrom(first); }
#else
constexpr bool has_closefrom = false;
inline void close_from(int first, int highest) noexcept {
    for (int fd = first; fd <= highest; ++fd) ::close(fd);
}
#endif

// The pipe on which we report takes the number behind the targets, so that there are two ranges to close.
inline int close_the_rest(const spawn_plan& plan, int& report, int highest) noexcept {
    const int last = highest_target(plan);
    if (report != last + 1) {
        if (::dup2(report, last + 1) < 0 || ::fcntl(last + 1, F_SETFD, FD_CLOEXEC) != 0) return errno;
        report = last + 1;
    }
    const passed_fd* next = plan.passed;
    for (int fd = 3; fd <= last; ++fd) {
        if (next->target == fd) ++next;
        else ::close(fd);
    }
    close_from(last + 2, highest);
    return 0;
}

// After a lower RLIMIT_STACK the stack may not grow any more: what is still to come has room.
inline void grow_stack() noexcept {
    volatile char room[16384];
    room[0] = 0;
    static_cast<void>(room[0]);
}

inline int set_limits(const settings_plan* with, std::size_t& which) noexcept {
    if (with == nullptr) return 0;
    grow_stack();
    for (which = 0; which < with->limit_count; ++which) {
        const resource_limit& limit = with->limits[which];
#if defined(__GLIBC__)
        const auto resource = static_cast<__rlimit_resource_t>(limit.resource);
#else
        const int resource = limit.resource;
#endif
        if (::setrlimit(resource, &limit.value) != 0) return errno;
    }
    return 0;
}

inline int add_niceness(const settings_plan* with) noexcept {
    if (with == nullptr || with->nice == 0) return 0;
    return error_of(::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + with->nice));
}

#if defined(__linux__)
constexpr bool can_choose_processors = true;
inline int run_on(const unsigned long* mask, std::size_t bytes) noexcept {
    return error_of(::syscall(SYS_sched_setaffinity, 0, bytes, mask));
}
#elif defined(__FreeBSD__)
constexpr bool can_choose_processors = true;
inline int run_on(const unsigned long* mask, std::size_t bytes) noexcept {
    cpuset_t all; // which the kernel may want whole
    CPU_ZERO(&all);
    if (bytes > sizeof all) return EINVAL;
    std::memcpy(&all, mask, bytes);
    return error_of(::cpuset_setaffinity(CPU_LEVEL_WHICH, CPU_WHICH_PID, -1, sizeof all, &all));
}
#else
constexpr bool can_choose_processors = false;
inline int run_on(const unsigned long*, std::size_t) noexcept { return ENOTSUP; }
#endif

inline int choose_processors(const settings_plan* with) noexcept {
    if (with == nullptr || with->processors == nullptr) return 0;
    return run_on(with->processors, with->processor_words * sizeof(unsigned long));
}

inline int set_umask(const settings_plan* with) noexcept {
    if (with != nullptr && with->umask >= 0) ::umask(static_cast<mode_t>(with->umask));
    return 0;
}

#if defined(__linux__)
constexpr bool can_tell_of_death = true;
inline int ask_for(int signal) noexcept { return error_of(::prctl(PR_SET_PDEATHSIG, signal)); }
#elif defined(__FreeBSD__)
constexpr bool can_tell_of_death = true;
inline int ask_for(int signal) noexcept { return error_of(::procctl(P_PID, 0, PROC_PDEATHSIG_CTL, &signal)); }
#else
constexpr bool can_tell_of_death = false;
inline int ask_for(int) noexcept { return ENOTSUP; }
#endif

inline int ask_for_death_signal(const settings_plan* with) noexcept {
    if (with == nullptr || with->death_signal == 0) return 0;
    if (const int error = ask_for(with->death_signal)) return error;
    const pid_t parent = ::getppid();
    return parent == 0 || parent == with->parent ? 0 : ESRCH;
}

// As on Linux by clone (child_side_linux.hpp), which says why.
inline void leave_capabilities([[maybe_unused]] const identity& as) noexcept {
#if defined(__linux__)
    if (as.user == identity::unchanged || as.user == ::geteuid()) return;
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL);
#endif
}

// Libc's functions of these names are for all threads, and take locks for that; but we are one thread.
inline int set_its_groups(const identity& as) noexcept {
#if defined(__linux__)
    return error_of(::syscall(SYS_setgroups, as.group_count, as.groups));
#else
    return error_of(::setgroups(static_cast<int>(as.group_count), as.groups));
#endif
}
inline int set_groups(const identity& as) noexcept {
    if (!as.set_groups) return 0;
    const int error = set_its_groups(as);
    return error == EPERM && as.may_keep_groups ? 0 : error;
}
// Real, effective and saved.
inline int set_group(gid_t group) noexcept {
#if defined(__linux__)
    return error_of(::syscall(SYS_setresgid, group, group, group));
#elif defined(__APPLE__) || defined(__NetBSD__)
    return error_of(::setregid(group, group)); // and with the real one the saved one
#else
    return error_of(::setresgid(group, group, group));
#endif
}
inline int set_user(uid_t user) noexcept {
#if defined(__linux__)
    return error_of(::syscall(SYS_setresuid, user, user, user));
#elif defined(__APPLE__) || defined(__NetBSD__)
    return error_of(::setreuid(user, user));
#else
    return error_of(::setresuid(user, user, user));
#endif
}

// The user last: it takes the right to do the others.
inline int take_identity(const identity* as) noexcept {
    if (as == nullptr) return 0;
    leave_capabilities(*as);
    int error = set_groups(*as);
    if (error == 0 && as->group != identity::unchanged) error = set_group(as->group);
    if (error == 0 && as->user != identity::unchanged) error = set_user(as->user);
    return error;
}

inline int enter_directory(const char* path) noexcept { return path == nullptr ? 0 : error_of(::chdir(path)); }

inline int execute(const spawn_plan& plan, const sigset_t& mask) noexcept {
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    return error_of(::execve(plan.path, plan.argv, plan.envp));
}

inline bool failed(spawn_outcome& outcome, spawn_stage stage, int error) noexcept {
    outcome.stage = stage;
    outcome.error = error;
    return error != 0;
}

// The steps, in the order of child_main on Linux, which says why.
[[noreturn]] inline void set_up(const spawn_plan& plan, const sigset_t& mask, int report, int highest) noexcept {
    spawn_outcome outcome;
    static_cast<void>(failed(outcome, spawn_stage::cgroup, join_cgroup(plan.settings)) ||
                      failed(outcome, spawn_stage::fork, set_dispositions(plan)) ||
                      failed(outcome, spawn_stage::session, take_session(plan.session)) ||
                      failed(outcome, spawn_stage::terminal, take_terminal(plan)) ||
                      failed(outcome, spawn_stage::redirect, place_descriptors(plan)) ||
                      failed(outcome, spawn_stage::redirect, close_the_rest(plan, report, highest)) ||
                      failed(outcome, spawn_stage::limit, set_limits(plan.settings, outcome.which)) ||
                      failed(outcome, spawn_stage::priority, add_niceness(plan.settings)) ||
                      failed(outcome, spawn_stage::affinity, choose_processors(plan.settings)) ||
                      failed(outcome, spawn_stage::fork, set_umask(plan.settings)) ||
                      failed(outcome, spawn_stage::identity, take_identity(plan.as)) ||
                      failed(outcome, spawn_stage::parent_death, ask_for_death_signal(plan.settings)) ||
                      failed(outcome, spawn_stage::cwd, enter_directory(plan.cwd)) ||
                      failed(outcome, spawn_stage::exec, execute(plan, mask)));
    static_cast<void>(::write(report, &outcome, sizeof outcome) < 0); // whole (PIPE_BUF); if not, nobody is there
    ::_exit(127);
}

} // namespace forked

// All signals, for the length of a scope: those of the host must not be handled in the child.
class all_blocked {
public:
    all_blocked() noexcept {
        sigset_t all; // these are macros on macOS, which `::` would break
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    all_blocked(const all_blocked&) = delete;
    all_blocked& operator=(const all_blocked&) = delete;
    ~all_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

    [[nodiscard]] const sigset_t& before() const noexcept { return before_; }

private:
    sigset_t before_;
};

// What the program begins with.
inline sigset_t first_mask(const spawn_plan& plan, const sigset_t& ours) noexcept {
    sigset_t mask; // these are macros on macOS, which `::` would break
    sigemptyset(&mask);
    if (plan.inherit_signals) mask = ours;
    for (int signal = 1; plan.settings != nullptr && signal <= highest_signal; ++signal) {
        if (plan.settings->blocked.has(signal)) sigaddset(&mask, signal);
    }
    return mask;
}

// No descriptor has a higher number, whatever other threads are just opening: they get the lowest that are free. For
// systems without closefrom(3): the child cannot look by itself, since that allocates.
inline int highest_descriptor() noexcept {
    DIR* const directory = ::opendir("/dev/fd");
    if (directory == nullptr) return static_cast<int>(std::clamp(::sysconf(_SC_OPEN_MAX), 1024L, 65536L));
    int highest = 2;
    // NOLINTNEXTLINE(cert-err34-c, concurrency-mt-unsafe): numbers, but for the two that begin with a dot; our own
    while (const dirent* entry = ::readdir(directory)) highest = std::max(highest, std::atoi(entry->d_name));
    ::closedir(directory);
    return highest + 256;
}

inline spawn_outcome read_outcome(const unique_fd& report) noexcept {
    spawn_outcome outcome;
    ssize_t size = 0;
    do {
        size = ::read(report.get(), &outcome, sizeof outcome);
    } while (size < 0 && errno == EINTR);
    return size > 0 ? outcome : spawn_outcome{};
}

[[gnu::cold]] inline spawn_outcome spawn_by_fork(const spawn_plan& plan, pid_t& pid) noexcept {
    const bool death_is_told = plan.settings != nullptr && plan.settings->death_signal != 0;
    if (death_is_told && !forked::can_tell_of_death) return {spawn_stage::parent_death, ENOTSUP};
    const bool runs_elsewhere = plan.settings != nullptr && plan.settings->processors != nullptr;
    if (runs_elsewhere && !forked::can_choose_processors) return {spawn_stage::affinity, ENOTSUP};
    pipe_ends report = make_pipe();
    const int last = forked::highest_target(plan);
    if (report.write && report.write.get() <= last) { // where it would be overwritten
        report.write = unique_fd(::fcntl(report.write.get(), F_DUPFD_CLOEXEC, last + 1));
    }
    if (!report.read || !report.write) return {spawn_stage::fork, errno};
    const int highest = forked::has_closefrom ? 0 : highest_descriptor();
    {
        const all_blocked guard;
        const sigset_t mask = first_mask(plan, guard.before());
        pid = ::fork();
        if (pid == 0) forked::set_up(plan, mask, report.write.get(), highest);
        if (pid < 0) return {spawn_stage::fork, errno};
    }
    report.write.reset();
    const spawn_outcome outcome = read_outcome(report.read);
    if (outcome.error == 0) return {};
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return outcome;
}

/// Whether the environment says COPROC_SPAWN=`way`.
inline bool is_asked_for(std::string_view way) noexcept {
    const char* asked = std::getenv("COPROC_SPAWN"); // NOLINT(concurrency-mt-unsafe)
    return asked != nullptr && way == asked;
}

} // namespace coproc::platform::detail
