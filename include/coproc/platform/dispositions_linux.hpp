#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Which signals this process ignores, asked in one look. Without it a child resets all 62 that can be ignored, most of
// them for nothing, and on one processor that is an eighth of the time of a start.
//
//     /proc/self/status   all of them, 2.1 us: most of that are other things which the kernel has to write down
//     /proc/self/stat     the first 31, 0.9 us: what signals are, but for the real-time ones

#include <fcntl.h>
#include <sys/syscall.h>

#include <chrono>
#include <cstdint>
#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>) // glibc 2.32
#include <sys/single_threaded.h>
#define COPROC_HAS_SINGLE_THREADED 1
#endif
#endif

#include "../core/unique_fd.hpp"
#include "contract.hpp"
#include "fork_count.hpp"
#include "pipe.hpp"
#include "raw_linux.hpp"

namespace coproc::platform {
namespace detail {

using kernel_sigset = std::uint64_t; // the kernel's, 64 signals; libc's has room for 1024
constexpr kernel_sigset every_signal = ~kernel_sigset{0};

constexpr kernel_sigset real_time_signals = every_signal << 31; // from 32 on

// As much of a file in /proc/PID as was read; a size below 0: nothing.
struct proc_text {
    const char* begin;
    long size;
};

// Where what follows these words is, from a place on; -1: nowhere.
COPROC_CHILD_SIDE inline long behind(proc_text text, long from, const char* words) noexcept {
    for (long at = from; at < text.size; ++at) {
        long same = 0;
        while (words[same] != '\0' && at + same < text.size && text.begin[at + same] == words[same]) ++same;
        if (words[same] == '\0') return at + same;
    }
    return -1;
}

// 16 hexadecimal digits and the end of the line; every signal if there is something else.
COPROC_CHILD_SIDE inline kernel_sigset signals_at(proc_text text, long at) noexcept {
    constexpr long digits = 16;
    if (at < 0 || at + digits >= text.size || text.begin[at + digits] != '\n') return every_signal;
    kernel_sigset bits = 0;
    for (long i = 0; i < digits; ++i) {
        const char digit = text.begin[at + i];
        const bool decimal = digit >= '0' && digit <= '9';
        if (!decimal && (digit < 'a' || digit > 'f')) return every_signal;
        bits = bits << 4 | static_cast<kernel_sigset>(decimal ? digit - '0' : digit - 'a' + 10);
    }
    return bits;
}

// Of /proc/PID/status (proc_pid_status(5)): those that a process with one thread ignores; every signal where that is
// not said. The search begins where it has found the number of threads before.
COPROC_CHILD_SIDE inline kernel_sigset ignored_by_only_thread(proc_text text, long& threads) noexcept {
    constexpr const char* words = "\nThreads:\t1\n";
    const long begin = behind(text, threads, words);
    const long found = begin < 0 && threads != 0 ? behind(text, 0, words) : begin;
    if (found < 0) return every_signal;
    threads = found - 12; // the words themselves
    return signals_at(text, behind(text, found - 1, "\nSigIgn:\t"));
}

// Of /proc/PID/stat (proc_pid_stat(5)): the same of the signals below 32; every signal where it is not said.
COPROC_CHILD_SIDE inline kernel_sigset first_ignored_by_only_thread(proc_text text) noexcept {
    enum field : int { name = 2, threads = 20, ignored = 33 }; // from 1 on
    long at = text.size;
    while (at > 0 && text.begin[at - 1] != ')') --at; // a name may have anything in it, and what follows has not
    kernel_sigset number = 0;
    for (int in = name; at > 0 && at < text.size; ++at) {
        const char next = text.begin[at];
        if (next != ' ') {
            number = number * 10 + static_cast<kernel_sigset>(next - '0'); // of fields that are numbers
            continue;
        }
        if (in == threads && number != 1) break;
        if (in == ignored) return number;
        ++in;
        number = 0;
    }
    return every_signal;
}

} // namespace detail

/// Keeps the two files open: opening one for each look would cost half as much again. Without them (no /proc, no
/// descriptor left) nothing is known.
///
/// A look is to be taken with all signals blocked, since a handler could change what it finds. It counts while there is
/// one thread: another may begin to ignore a signal at any moment, as libraries do around each write to a socket. What
/// was found of the real-time signals counts for a millisecond, so that of children one right after the other only some
/// pay for them.
class dispositions {
public:
    dispositions() noexcept : status_(opened("/proc/self/status")), stat_(opened("/proc/self/stat")) {}

    /// Whether a look is worth its time. To be asked before each.
    [[nodiscard]] bool may_be_known() noexcept {
#if defined(COPROC_HAS_SINGLE_THREADED)
        // No thread was ever made, so none has just ended, either. (In a fork it would tell of who has opened it.)
        if (__libc_single_threaded == 0 || !stat_ || fork_count() != opened_after_forks_) return false;
        now_ = clock::now().time_since_epoch().count();
        return true;
#else
        return false;
#endif
    }

    /// Those signals that this process may ignore: all of them, if it is not known. A child that shares our memory may
    /// look for itself, while we sleep. (Out of line: the stacks of children that do not look have no room for it.)
    [[nodiscard, gnu::noinline]] COPROC_CHILD_SIDE detail::kernel_sigset ignored() noexcept {
        char text[2048]; // what we look for comes within the first 1,200, unless we are in hundreds of groups
        if (now_ < real_time_known_until_) {
            const long size = raw::call(SYS_pread64, stat_number_, raw::address(&text[0]), sizeof text, 0);
            return detail::first_ignored_by_only_thread({text, size}) | real_time_;
        }
        const long size = raw::call(SYS_pread64, status_number_, raw::address(&text[0]), sizeof text, 0);
        const detail::kernel_sigset all = detail::ignored_by_only_thread({text, size}, threads_);
        if (all == detail::every_signal) return all; // nothing was said (gVisor), and the other file is no better
        real_time_ = all & detail::real_time_signals;
        real_time_known_until_ = now_ + a_millisecond;
        return all;
    }

private:
    [[gnu::noinline]] static unique_fd opened(const char* path) noexcept {
        return above_stdio(unique_fd(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)));
    }
    static constexpr std::int64_t a_millisecond = clock::duration(std::chrono::milliseconds(1)).count();

    unique_fd status_, stat_;
    int status_number_ = status_.get(); // the same for a child, who must call nothing that may be instrumented
    int stat_number_ = stat_.get();
    long threads_ = 0;     // where the number of them was found
    std::int64_t now_ = 0; // as plain numbers of the clock, since a child reckons with them
    std::int64_t real_time_known_until_ = 0;
    detail::kernel_sigset real_time_ = 0;
    unsigned opened_after_forks_ = fork_count(); // in a fork it would tell of the process that has opened it
};

} // namespace coproc::platform
