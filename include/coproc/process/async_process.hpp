#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// async_process: a running child.
//
//     async_process sort("sort", "-r");                  // runs when this line ends, or it has thrown
//     co_await sort.write_stdin("a\nb\n");
//     sort.close_stdin();
//     while (auto line = co_await sort.read_line()) …    // b, a
//     exit_status status = co_await sort.wait();

#include <chrono>
#include <csignal>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/scope_guard.hpp"
#include "../coro/task.hpp"
#include "../coro/when_any.hpp"
#include "../io/line_stream.hpp"
#include "../io/stream_group.hpp"
#include "../io/stream_reader.hpp"
#include "../io/stream_writer.hpp"
#include "child_watch.hpp"
#include "command.hpp"
#include "process_error.hpp"
#include "result.hpp"
#include "spawn.hpp"
#include "stop.hpp"
#include "streams.hpp"

namespace coproc {
namespace detail {

struct stream_set {
    explicit stream_set(event_loop& loop) noexcept : in(loop), out(loop), err(loop) {}
    stream_writer in;
    stream_reader out, err;
};

// What stays in one place while the async_process is moved about, and what the loop inherits when it is destroyed.
class process_state final : public child_watch {
public:
    process_state(const command& c, const streams& given, event_loop& loop)
        : child_watch(loop, c.on_destroy()), program(c.program()), command_line(c.to_string()), own(loop),
          in(given.in() != nullptr ? *given.in() : own.in), out(given.out() != nullptr ? *given.out() : own.out),
          err(given.err() != nullptr ? *given.err() : own.err) {
        if (given.in() != nullptr) check_free(c, 0, in);
        if (given.out() != nullptr) check_free(c, 1, out);
        if (given.err() != nullptr) check_free(c, 2, err);
        if (given.out() != nullptr && given.out() == given.err()) {
            throw usage_error("one reader cannot have both stdout and stderr: merge them by stdio::to_out");
        }
    }

    /// From here on the program runs, so nothing may fail.
    void start(spawned made) noexcept {
        child_watch::start(std::move(made.child));
        connect(in, std::move(made.ours[0]), 0);
        connect(out, std::move(made.ours[1]), 1);
        connect(err, std::move(made.ours[2]), 2);
    }

    void close_streams() noexcept override {
        own.in.abort();
        own.out.close();
        own.err.close();
        // The user's own live on; from here they may go at any time.
        if (std::exchange(piped[0], false)) in.leave_group();
        if (std::exchange(piped[1], false)) out.leave_group();
        if (std::exchange(piped[2], false)) err.leave_group();
    }

    std::string program;
    std::string command_line;
    stream_group group;
    stream_set own; // those in use, where the user gave none
    stream_writer& in;
    stream_reader &out, &err;
    bool piped[3] = {};

private:
    template <class Stream>
    void check_free(const command& c, std::size_t number, const Stream& stream) const {
        const auto refuse = [&](std::string_view why) {
            throw usage_error(concat({"the stream given for ", stdio_names[number], " of ", program, " ", why}));
        };
        const std::optional<stdio>& said = c.stdio_of(number);
        if (said && !said->is(stdio::pipe)) refuse("has no pipe: the command says something else");
        if (&stream.loop() != &loop()) refuse("belongs to another event_loop");
        if (stream.in_group()) refuse("is in use by another child");
        if (stream.is_open()) refuse("is still open: use it up, or close() it");
    }

    template <class Stream>
    void connect(Stream& stream, unique_fd fd, std::size_t number) noexcept {
        if (!fd) return;
        stream.open(std::move(fd));
        stream.join(group, {stdio_names[number], program});
        piped[number] = true;
    }
};

} // namespace detail

/// Whether a signal was sent. It has been when the call returns; awaiting that is allowed and does nothing.
class signal_sent {
public:
    explicit constexpr signal_sent(bool sent) noexcept : sent_(sent) {}
    constexpr operator bool() const noexcept { return sent_; } // NOLINT(google-explicit-constructor): `if (p.kill())`

    constexpr bool await_ready() const noexcept { return true; }
    constexpr void await_suspend(std::coroutine_handle<>) const noexcept {}
    constexpr bool await_resume() const noexcept { return sent_; }

private:
    bool sent_;
};

/// Move-only; used on the thread of its loop. Whatever awaits something of it must be gone before it is.
///
/// The destructor never blocks and never throws: it closes the streams and deals with a child that still runs as the
/// command's `on_destroy` says, by default with SIGKILL; the loop reaps it. A loop that ends kills and reaps what is
/// left.
///
/// While anything of a child is awaited, what it writes is taken in, also what nobody reads
/// (`stream_reader::unread_limit`): no order of awaits can deadlock.
class async_process {
public:
    /// Starts the command, with pipes where it does not say otherwise. When this returns, the program runs; when it
    /// throws spawn_error, none has. Also throws usage_error where there is no loop, and std::bad_alloc.
    explicit async_process(const command& c, event_loop& loop = event_loop::current())
        : state_(start(c, streams(), loop)) {}
    /// The same with readers and writers of the user's own. Throws usage_error if one is not free.
    async_process(const command& c, const streams& own, event_loop& loop = event_loop::current())
        : state_(start(c, own, loop)) {}

    template <word Program, word... Args>
    explicit async_process(const Program& program, const Args&... args) : async_process(command(program, args...)) {}

    async_process(async_process&&) noexcept = default;
    async_process& operator=(async_process&&) noexcept = default;

    // ---- reading ----

    /// A line of stdout without its `\n` or `\r\n`, the last one even if unterminated; then nullopt for ever. Throws
    /// line_too_long, stream_error; usage_error if stdout is not piped.
    [[nodiscard]] auto read_line() { return out().read_line(); }
    /// What is left of stdout, to its end.
    [[nodiscard]] auto read_stdout() { return out().read_all(); }
    [[nodiscard]] auto read_stderr() { return err().read_all(); }
    /// `while (auto line = co_await stream.next())`: the lines as views, each valid until the next `next()`.
    [[nodiscard]] line_stream stream_stdout() { return out().lines(); }
    [[nodiscard]] line_stream stream_stderr() { return err().lines(); }

    // ---- writing ----

    /// Completes when all of `bytes`, which must live until then, are in the pipe. Throws stream_error: EPIPE when the
    /// child does not read any more. SIGPIPE never reaches the host.
    [[nodiscard]] auto write_stdin(std::string_view bytes) { return in().write_all(bytes); }
    /// The child reads the end of its stdin, after what `in().write()` has buffered. Idempotent.
    void close_stdin() { in().close(); }
    /// Whether `in()`, `out()` and `err()` are there.
    [[nodiscard]] bool has_in() const { return state().piped[0]; }
    [[nodiscard]] bool has_out() const { return state().piped[1]; }
    [[nodiscard]] bool has_err() const { return state().piped[2]; }

    /// Feeds `input` to stdin and closes it, reads both outputs to their ends, waits. A stream that is not piped is
    /// left out and one that was read before gives its rest. That the child does not want all of the input is no error.
    [[nodiscard]] task<result> communicate(std::string input = {}) { return communicate(state(), std::move(input)); }

    // ---- waiting and stopping ----

    /// Completes when the process itself has ended, whoever still holds its pipes. Any number of waiters and of times.
    [[nodiscard]] wait_awaiter wait() { return {state(), state().group}; }
    /// The same within `timeout`; else nullopt, and nothing is stopped or lost. Zero or less looks once; huge is for
    /// ever.
    template <class Rep, class Period>
    [[nodiscard]] timed_wait_awaiter wait(std::chrono::duration<Rep, Period> timeout) {
        return {state(), state().group, to_clock_duration(timeout)};
    }

    /// Sent when this returns. False if the child is known to have ended: then no system call is made, since its pid
    /// may be somebody else's by now.
    signal_sent send_signal(int number) { return signal_sent(state().send_signal(number)); }
    signal_sent interrupt() { return send_signal(SIGINT); }
    signal_sent terminate() { return send_signal(SIGTERM); }
    signal_sent kill() { return send_signal(SIGKILL); }

    /// SIGTERM, up to `grace` for the child to end, SIGKILL. Completes when it has been reaped.
    template <class Rep = std::chrono::seconds::rep, class Period = std::chrono::seconds::period>
    [[nodiscard]] task<exit_status> stop(std::chrono::duration<Rep, Period> grace = std::chrono::seconds(5)) {
        return detail::stop(state(), state().group, to_clock_duration(grace));
    }

    /// It may outlive this object and the loop; while the loop lives, it reaps it.
    void detach() { state().on_destroy(destroy::detach); }

    // ---- facts ----

    /// Nothing once it has been reaped: the number may name another process then.
    [[nodiscard]] std::optional<int> pid() const {
        if (state().reaped()) return std::nullopt;
        return state().pid();
    }
    /// Looks, without waiting.
    [[nodiscard]] bool running() const { return !state().poll(); }
    /// Nothing while it runs. Looks, without waiting.
    [[nodiscard]] std::optional<exit_status> status() const {
        if (!state().poll()) return std::nullopt;
        return state().status();
    }
    /// Nothing until it has been reaped.
    [[nodiscard]] std::optional<resource_usage> usage() const {
        if (!state().reaped()) return std::nullopt;
        return state().ended()->usage;
    }
    /// Since the start, up to now or to when it was reaped.
    [[nodiscard]] platform::clock::duration elapsed() const { return state().elapsed(); }
    /// As a shell would read it.
    [[nodiscard]] const std::string& command_line() const { return state().command_line; }

    // ---- streams ----

    /// Each throws usage_error if the stream is not piped. They live as long as this object, wherever it is moved,
    /// unless they are the user's own.
    [[nodiscard]] stream_writer& in() const { return piped(0).in; }
    [[nodiscard]] stream_reader& out() const { return piped(1).out; }
    [[nodiscard]] stream_reader& err() const { return piped(2).err; }

private:
    struct abandon {
        void operator()(detail::process_state* state) const noexcept {
            state->close_streams();
            state->abandon();
        }
    };

    static std::unique_ptr<detail::process_state, abandon> start(const command& c, const streams& own,
                                                                 event_loop& loop) {
        auto state =
            std::make_unique<detail::process_state>(c, own, loop); // all that it needs, before the program runs
        state->start(detail::spawn(c, stdio::pipe));
        return std::unique_ptr<detail::process_state, abandon>(state.release());
    }

    [[nodiscard]] detail::process_state& state() const {
        if (!state_) throw usage_error("an async_process that was moved from was used");
        return *state_;
    }
    [[nodiscard]] detail::process_state& piped(std::size_t number) const {
        detail::process_state& s = state();
        if (s.piped[number]) return s;
        std::string message = detail::stdio_names[number];
        throw usage_error(
            message.append(" of ").append(s.program).append(" is not piped: say stdio::pipe, or nothing"));
    }

    static task<result> communicate(detail::process_state& s, std::string input) {
        constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
        const scope_exit limits_as_before([&s, out = s.out.unread_limit(), err = s.err.unread_limit()]() noexcept {
            s.out.unread_limit(out);
            s.err.unread_limit(err);
        });
        s.out.unread_limit(all); // what comes on one while the other is read belongs to the result
        s.err.unread_limit(all);
        if (s.piped[0] && !s.in.is_closing()) {
            auto written = when_any(feed(s.in, std::move(input)), wait_awaiter(s, s.group));
            co_await std::move(written); // a child that is gone will not read, whoever else holds the pipe
            s.in.close();
        }
        if (s.piped[1]) co_await s.out.wait_eof();
        if (s.piped[2]) co_await s.err.wait_eof();
        result r;
        r.status = co_await wait_awaiter(s, s.group);
        // Taken at the very end, without waiting: whoever cancels us before finds all of it in the streams.
        if (s.piped[1]) r.out = co_await s.out.read_all();
        if (s.piped[2]) r.err = co_await s.err.read_all();
        r.usage = s.ended()->usage;
        r.elapsed = s.elapsed();
        r.command_line = s.command_line;
        co_return r;
    }
    static task<> feed(stream_writer& in, std::string input) {
        try {
            co_await in.write_all(input);
        } catch (const stream_error& e) {
            if (e.code() != std::errc::broken_pipe) throw;
        }
    }

    std::unique_ptr<detail::process_state, abandon> state_;
};

} // namespace coproc
