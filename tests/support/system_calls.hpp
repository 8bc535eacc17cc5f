#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What a function asks of the kernel: its system calls are counted by name, and those of each child that it starts, up
// to and with the execve that makes it another program (Linux, by ptrace; no tool is needed).

#if defined(__linux__)
#include <sys/ptrace.h>
#endif

#if defined(__linux__) && defined(PTRACE_GET_SYSCALL_INFO)
#define COPROC_TEST_HAS_SYSTEM_CALL_COUNTS 1

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <initializer_list>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>

#include "catch.hpp"
#include "sanitizers.hpp"

/// How often each system call was made, over a number of rounds. Printed as "clone 1, epoll_wait 1.05, in all 2.05".
class call_counts {
public:
    call_counts() = default;
    call_counts(std::initializer_list<std::pair<const std::string, long>> once) : counts_(once) {}

    void add(const std::string& name, long times = 1) { counts_[name] += times; }
    void rounds(long number) noexcept { rounds_ = number; }

    /// All of them, in one round.
    [[nodiscard]] double total() const {
        long sum = 0;
        for (const auto& [name, count] : counts_) sum += count;
        return in_one_round(sum);
    }
    /// How often in one round; and these are not counted any more. For those that depend on who is faster.
    double take(const std::string& name) {
        const auto at = counts_.find(name);
        if (at == counts_.end()) return 0;
        const long count = at->second;
        counts_.erase(at);
        return in_one_round(count);
    }

    /// As often in one round, each of them.
    friend bool operator==(const call_counts& a, const call_counts& b) {
        if (a.counts_.size() != b.counts_.size()) return false;
        for (const auto& [name, count] : a.counts_) {
            const auto at = b.counts_.find(name);
            if (at == b.counts_.end() || count * b.rounds_ != at->second * a.rounds_) return false;
        }
        return true;
    }
    friend std::ostream& operator<<(std::ostream& to, const call_counts& c) {
        for (const auto& [name, count] : c.counts_) to << name << ' ' << c.in_one_round(count) << ", ";
        return to << "in all " << c.total();
    }

private:
    [[nodiscard]] double in_one_round(long count) const noexcept {
        return static_cast<double>(count) / static_cast<double>(rounds_);
    }

    std::map<std::string, long> counts_;
    long rounds_ = 1;
};

struct system_calls {
    call_counts ours;      ///< of the process that runs the function
    call_counts childrens; ///< of all that it has started while it was counted
};

// ---- in the process that is looked at ----

namespace counting {

constexpr std::uint64_t mark = 0xC047ED; // an argument that getpid(2) does not look at

inline void say(std::uint64_t on) noexcept {
    ::syscall(SYS_getpid, static_cast<long>(mark), static_cast<long>(on)); // which does nothing
}
inline bool is_on = false;
inline void begin() noexcept {
    is_on = true;
    say(1);
}
inline void end() noexcept {
    is_on = false;
    say(0);
}
/// What is done in its scope is not counted.
class aside {
public:
    aside() noexcept {
        if (is_on) say(0);
    }
    aside(const aside&) = delete;
    aside& operator=(const aside&) = delete;
    ~aside() {
        if (is_on) say(1);
    }
};

// What comes out of it.
enum : int { good = 0, may_not_trace = 253, has_thrown = 254 };

template <class F>
[[noreturn]] void run(F f) noexcept {
    ::setpgid(0, 0);
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(may_not_trace);
    ::raise(SIGSTOP);
    int code = has_thrown;
    try {
        ::alarm(60); // nobody waits for ever
        f();
        code = good;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "while its system calls were counted: %s\n", e.what());
    } catch (...) {
    }
    ::_exit(code);
}

// ---- in the one that looks ----

inline std::string name_of(std::uint64_t number) {
    static const std::map<long, std::string> names {
#if defined(SYS_epoll_wait)
        {SYS_epoll_wait, "epoll_wait"},
#endif
#if defined(SYS_access)
            {SYS_access, "access"},
#endif
#if defined(SYS_poll)
            {SYS_poll, "poll"},
#endif
#if defined(SYS_vfork)
            {SYS_vfork, "vfork"},
#endif
            // One name for both, wherever libc makes the one of the other.
            {SYS_epoll_pwait, "epoll_wait"}, {SYS_ppoll, "poll"}, {SYS_clone, "clone"},
            {435, "clone"}, // clone3; by number where libc's headers may be older
            {424, "pidfd_send_signal"}, {434, "pidfd_open"}, {436, "close_range"}, {SYS_brk, "brk"},
            {SYS_chdir, "chdir"}, {SYS_clock_gettime, "clock_gettime"}, {SYS_close, "close"}, {SYS_dup3, "dup3"},
            {SYS_epoll_create1, "epoll_create1"}, {SYS_epoll_ctl, "epoll_ctl"}, {SYS_eventfd2, "eventfd"},
            {SYS_execve, "execve"}, {SYS_exit_group, "exit_group"}, {SYS_faccessat, "access"}, {SYS_fcntl, "fcntl"},
            {SYS_futex, "futex"}, {SYS_getcwd, "getcwd"}, {SYS_getdents64, "getdents64"}, {SYS_geteuid, "geteuid"},
            {SYS_getpid, "getpid"}, {SYS_ioctl, "ioctl"}, {SYS_kill, "kill"}, {SYS_madvise, "madvise"},
            {SYS_mmap, "mmap"}, {SYS_mprotect, "mprotect"}, {SYS_munmap, "munmap"}, {SYS_nanosleep, "nanosleep"},
            {SYS_newfstatat, "stat"}, {SYS_openat, "openat"}, {SYS_pipe2, "pipe2"}, {SYS_pread64, "pread"},
            {SYS_pwritev2, "pwritev2"}, {SYS_read, "read"}, {SYS_rt_sigaction, "rt_sigaction"},
            {SYS_rt_sigpending, "rt_sigpending"}, {SYS_rt_sigprocmask, "rt_sigprocmask"},
            {SYS_rt_sigtimedwait, "rt_sigtimedwait"}, {SYS_sched_yield, "sched_yield"}, {SYS_splice, "splice"},
            {SYS_timerfd_create, "timerfd_create"}, {SYS_timerfd_settime, "timerfd_settime"}, {SYS_waitid, "waitid"},
            {SYS_write, "write"},
    };
    const auto at = names.find(static_cast<long>(number));
    return at != names.end() ? at->second : "call " + std::to_string(number);
}

class tracer {
public:
    /// `root` is in a process group of its own and about to stop.
    explicit tracer(pid_t root) : root_(root) {}

    /// To the end of the last process. The exit code of the first; -n if signal n ended it.
    int trace() {
        int code = 0;
        for (;;) {
            int status = 0;
            const pid_t pid = ::waitpid(-root_, &status, __WALL);
            if (pid < 0 && errno == EINTR) continue;
            if (pid < 0) return code;
            if (WIFSTOPPED(status)) stopped(pid, status);
            else if (pid == root_) code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        }
    }

    system_calls counted;
    bool blind = false; // before Linux 5.3 nobody is told which call it is

private:
    void stopped(pid_t pid, int status) {
        const int signal = WSTOPSIG(status);
        const int event = status >> 16;
        const bool is_new = seen_.insert(pid).second;
        if (is_new && pid == root_) {
            ::ptrace(PTRACE_SETOPTIONS, pid, nullptr,
                     PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE);
        }
        // A child may be heard of before its parent tells that it has one.
        if (is_new && pid != root_ && counting_) counted_children_.insert(pid);
        if (signal == (SIGTRAP | 0x80)) {
            look_at_call(pid);
        } else if (event == PTRACE_EVENT_EXEC && pid != root_) {
            ::ptrace(PTRACE_DETACH, pid, nullptr, 0L); // it is another program now
            return;
        } else if (event != 0) {
            unsigned long born = 0;
            if (counting_ && ::ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &born) == 0)
                counted_children_.insert(static_cast<pid_t>(born));
        } else if (!(is_new && signal == SIGSTOP)) { // which is how being traced begins
            ::ptrace(PTRACE_SYSCALL, pid, nullptr, static_cast<long>(signal));
            return;
        }
        ::ptrace(PTRACE_SYSCALL, pid, nullptr, 0L);
    }

    void look_at_call(pid_t pid) {
        __ptrace_syscall_info info{};
        if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) blind = true;
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
        const std::uint64_t number = info.entry.nr;
        if (pid == root_ && number == SYS_getpid && info.entry.args[0] == mark) {
            counting_ = info.entry.args[1] != 0;
        } else if (is_of_another_matter(number)) {
        } else if (pid == root_) {
            if (counting_) counted.ours.add(name_of(number));
        } else if (counted_children_.count(pid) != 0) {
            counted.childrens.add(name_of(number));
        }
    }

    static bool is_of_another_matter(std::uint64_t number) {
        // No system call at all, where the machine's clock can be read without the kernel.
        if (number == SYS_clock_gettime) return true;
        // A sanitizer's memory, which it does not use twice.
        return under_sanitizer && (number == SYS_mmap || number == SYS_munmap || number == SYS_madvise);
    }

    pid_t root_;
    bool counting_ = false;
    std::set<pid_t> seen_;
    std::set<pid_t> counted_children_;
};

} // namespace counting

/// Runs `f()` in a fork and counts what happens there between `counting::begin()` and `counting::end()`. Nothing, and a
/// warning, where the system lets nobody trace; fails the test if it throws. Its checks count for nothing.
template <class F>
std::optional<system_calls> count_system_calls(F f) {
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) counting::run(std::move(f));
    REQUIRE(pid > 0);
    ::setpgid(pid, pid); // as it does itself: whoever comes first
    counting::tracer tracer(pid);
    const int code = tracer.trace();
    if (code == counting::may_not_trace || tracer.blind) {
        WARN("not tried: the system lets nobody trace");
        return std::nullopt;
    }
    REQUIRE(code == counting::good);
    return tracer.counted;
}

#endif
