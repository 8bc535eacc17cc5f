#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// process_observer: is told what becomes of the children of a loop. With COPROC_TRACE=1 in the environment it is all
// printed to stderr, a line each:
//
//     coproc: [1234] start cc -c x.c  (cwd /src, env +CC=clang -LANG, in null, out pipe, err > log)
//     coproc: [1234] signal SIGTERM delivered to cc -c x.c
//     coproc: [1234] exit cc -c x.c  (killed by SIGTERM, elapsed 0.132 s, user 0.100 s, system 0.020 s, peak 34816 KiB)
//     coproc: [-] failed gti status  (cannot start "gti": exec failed: No such file or directory)
//
// Or by one's own:
//
//     struct count final : process_observer {
//         void on_exit(const exit_event& e) noexcept override { failures += !e.status.success(); }
//         int failures = 0;
//     } observer;
//     event_loop::current().observe(observer);

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/exit_status.hpp"
#include "../core/resource_usage.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/sigpipe.hpp"
#include "command.hpp"
#include "describe_command.hpp"
#include "stdio.hpp"

namespace coproc {

// What is told lives as long as the call. `to_string()` is what is printed of it, without a name in front: one line
// whatever is in it, and *** for what is secret.

/// There is a child. Its program runs; after `start(command)` it may only be on its way there, and then on_failed_start
/// may follow.
struct start_event {
    int pid;
    const command& what;
    const stdio& unset; ///< what a stream is that the command says nothing of

    [[nodiscard, gnu::cold]] std::string to_string() const {
        return detail::on_one_line(
            detail::concat({"[", pid, "] start ", what.to_string(), "  (", detail::describe_extras(what, unset), ")"}));
    }
};

/// No program has run.
struct failed_start_event {
    int pid; ///< of the child that has already been told of; 0 if there was none
    const command& what;
    const spawn_error& error;

    [[nodiscard, gnu::cold]] std::string to_string() const {
        return detail::on_one_line(detail::concat(
            {"[", pid > 0 ? detail::to_text(pid) : "-", "] failed ", what.to_string(), "  (", error.what(), ")"}));
    }
};

/// We have sent a signal, or tried to, to the child or as far as its command reaches. None is tried once a child is
/// known to have ended and nobody else is meant.
struct signal_event {
    int pid;
    std::string_view command_line; ///< as of `command::to_string()`
    int number;
    /// To it or to anybody else whom its command reaches; if not, there was nobody any more, or the system refused.
    bool delivered;

    [[nodiscard, gnu::cold]] std::string to_string() const {
        return detail::on_one_line(detail::concat({"[", pid, "] signal ", signal_name(number),
                                                   delivered ? " delivered to " : " not delivered to ", command_line}));
    }
};

/// A child has been reaped, whoever was waiting for it. Nothing follows of this pid, but for signals to others whom its
/// command reaches.
struct exit_event {
    int pid;
    std::string_view command_line; ///< as of `command::to_string()`
    exit_status status;
    const resource_usage& usage;
    platform::clock::duration elapsed; ///< since its start

    [[nodiscard, gnu::cold]] std::string to_string() const {
        return detail::on_one_line(
            detail::concat({"[", pid, "] exit ", command_line, "  (", status.to_string(), ", elapsed ",
                            seconds(elapsed), " s, user ", seconds(usage.user_time), " s, system ",
                            seconds(usage.system_time), " s, peak ", usage.peak_rss / 1024, " KiB)"}));
    }

private:
    // With three decimals.
    [[gnu::cold]] static std::string seconds(std::chrono::nanoseconds time) {
        const auto ms = time / std::chrono::milliseconds(1);
        const std::string decimals = detail::to_text(1000 + ms % 1000);
        return detail::concat({ms / 1000, ".", std::string_view(decimals).substr(1)});
    }
};

/// `loop.observe(observer)` has it told of every child that is started in that loop, detached ones included, in the
/// thread of the loop and in the order in which it comes, until either of them is gone. It observes one loop at a time;
/// a loop has any number of observers.
///
/// Its functions look and take note: they must not throw, and must not start, signal or destroy a child of that loop.
class process_observer : public loop_observer {
public:
    process_observer() noexcept = default;
    process_observer(const process_observer&) = delete;
    process_observer& operator=(const process_observer&) = delete;
    virtual ~process_observer() = default;

    virtual void on_start(const start_event&) noexcept {}
    virtual void on_failed_start(const failed_start_event&) noexcept {}
    virtual void on_signal(const signal_event&) noexcept {}
    virtual void on_exit(const exit_event&) noexcept {}
};

/// Prints each event as a line that begins with `coproc: `, by one write. What cannot be written is lost.
class process_tracer final : public process_observer {
public:
    /// The descriptor stays the caller's.
    explicit process_tracer(int fd = STDERR_FILENO) noexcept : fd_(fd) {}

    void on_start(const start_event& e) noexcept override { print(e); }
    void on_failed_start(const failed_start_event& e) noexcept override { print(e); }
    void on_signal(const signal_event& e) noexcept override { print(e); }
    void on_exit(const exit_event& e) noexcept override { print(e); }

private:
    template <class Event>
    void print(const Event& e) const noexcept {
        try {
            write(detail::concat({"coproc: ", e.to_string(), "\n"}));
        } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch): a line less
        }
    }
    void write(std::string_view line) const noexcept {
        while (!line.empty()) {
            const ssize_t written = platform::write_without_sigpipe(fd_, line.data(), line.size());
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) return;
            line.remove_prefix(static_cast<std::size_t>(written));
        }
    }

    int fd_;
};

namespace detail {

/// Only where `loop.observed()`.
template <class Event>
[[gnu::cold]] void tell(event_loop& loop, void (process_observer::*what)(const Event&) noexcept,
                        const Event& event) noexcept {
    const int error = errno; // whoever is told may change it
    if (loop.traced()) {
        process_tracer to_stderr;
        (to_stderr.*what)(event);
    }
    loop.for_each_observer([&](loop_observer& one) { (static_cast<process_observer&>(one).*what)(event); });
    errno = error;
}

inline void tell_start(event_loop& loop, int pid, const command& c, const stdio& unset) noexcept {
    if (loop.observed()) tell(loop, &process_observer::on_start, start_event{pid, c, unset});
}
inline void tell_failed_start(event_loop& loop, int pid, const command& c, const spawn_error& e) noexcept {
    if (loop.observed()) tell(loop, &process_observer::on_failed_start, failed_start_event{pid, c, e});
}

} // namespace detail
} // namespace coproc
