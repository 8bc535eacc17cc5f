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
#include <concepts>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../coro/task.hpp"
#include "../io/expect.hpp"
#include "../io/line_stream.hpp"
#include "../io/stream_group.hpp"
#include "../io/stream_reader.hpp"
#include "../io/stream_writer.hpp"
#include "adopt_process.hpp"
#include "command.hpp"
#include "communicate.hpp"
#include "decoded.hpp"
#include "process_error.hpp"
#include "process_state.hpp"
#include "result.hpp"
#include "spawn.hpp"
#include "stop.hpp"
#include "stop_sequence.hpp"
#include "streams.hpp"

namespace coproc {

class async_process;

namespace detail {
class followed_child;
inline void close_numbered_inputs(async_process& p) noexcept;
template <class>
class basic_running_pipeline;
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
/// The destructor never blocks and never throws: it deals with a child that still runs as the command's `on_destroy`
/// says, by default with SIGKILL, then closes the streams, so that a child that is killed never sees the end of an
/// input that was cut off; the loop reaps it. A loop that ends kills and reaps what is left.
///
/// While anything of a child is awaited, what it writes is taken in, also what nobody reads
/// (`stream_reader::unread_limit`): no order of awaits can deadlock.
///
/// The streams are made when one of them is first asked for, or when somebody first waits, if not with the child. That
/// takes memory, so each function that does it may throw std::bad_alloc, and has done nothing then.
class async_process {
public:
    /// Starts the command, with pipes where it does not say otherwise. When this returns, the program runs; when it
    /// throws spawn_error, none has. Also throws usage_error where there is no loop, and std::bad_alloc.
    explicit async_process(const command& c, event_loop& loop = event_loop::current())
        : state_(start(c, streams(), loop)) {}
    /// The same with readers and writers of the user's own. Throws usage_error if one is not free.
    async_process(const command& c, const streams& own, event_loop& loop = event_loop::current())
        : state_(start(c, own, loop)) {}

    template <word Program, word_or_secret... Args>
    explicit async_process(const Program& program, const Args&... args) : async_process(command(program, args...)) {}

    /// A process that runs already, by its number: one that the host has started by other means, or nobody's child. It
    /// has no streams; it can be awaited, signalled and stopped. If it is a child of ours, it is reaped and its status
    /// is known, unless the host reaps it first; else the status is unknown (`exit_status::known`). When this is
    /// destroyed, the process is left alone, unless said otherwise. `elapsed()` counts from here.
    ///
    /// Whether the number names still whom the caller means he must know: his own child that he has not reaped keeps
    /// it. From here on Linux knows it by a pidfd, so that no signal reaches a successor; on BSD a process that is not
    /// ours is known by its number alone, and has ended when it has been reaped.
    ///
    /// Throws std::invalid_argument for what is no number of another process; coproc::error where there is none (ESRCH)
    /// or it cannot be named, as on Linux before 5.3; usage_error; std::bad_alloc.
    template <class = void>
    [[nodiscard]] static async_process adopt(int pid, destroy on_destroy = destroy::detach,
                                             event_loop& loop = event_loop::current()) {
        return async_process(detail::adopt_process(pid, on_destroy, loop));
    }

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

    /// What is left of stdout as text: UTF-8, or decode_error; with `utf8::replace` whatever is none becomes U+FFFD.
    [[nodiscard]] auto read_text(utf8 how = utf8::strict) {
        return detail::decoded_read(state(), out(), detail::as_text{how});
    }
    /// What is left of stdout as a T, by `decoder<T>`. Throws decode_error, which names the command line: what was read
    /// is gone then. A child that failed may have written half of it: `output_as` tells that first.
    template <class T>
    [[nodiscard]] auto read_as() {
        return detail::decoded_read(state(), out(), detail::as_value<T>());
    }
    /// `while (auto value = co_await stream.next())`: each line of stdout as a T.
    template <class T>
    [[nodiscard]] decoded_stream<T> stream_as() {
        return {state(), out()};
    }

    /// Waits until stdout says one of the patterns: `co_await p.expect(5s, "login: ", eof)`. As `coproc::expect`.
    template <class... PatternsInTime>
    [[nodiscard]] auto expect(const PatternsInTime&... what) {
        return coproc::expect(out(), what...);
    }

    // ---- writing ----

    /// Completes when all of `bytes`, which must live until then, are in the pipe. Throws stream_error: EPIPE when the
    /// child does not read any more. SIGPIPE never reaches the host.
    [[nodiscard]] auto write_stdin(std::string_view bytes) { return in().write_all(bytes); }
    /// The child reads the end of its stdin, after what `in().write()` has buffered. Idempotent. A terminal is open in
    /// both directions or none, so the end is typed on it: `stream_writer::close`.
    void close_stdin() { piped(0).close_in(); }
    /// The same for stdin and for all that it reads from 3 on, of what is piped.
    void close_inputs() {
        if (has_in()) close_stdin();
        state().close_numbered_inputs();
    }
    /// Whether `in()`, `out()` and `err()` are there.
    [[nodiscard]] bool has_in() const { return state().piped[0]; }
    [[nodiscard]] bool has_out() const { return state().piped[1]; }
    [[nodiscard]] bool has_err() const { return state().piped[2]; }

    /// Feeds `input` to stdin and closes it, reads both outputs to their ends, waits. A stream that is not piped is
    /// left out and one that was read before gives its rest. That the child does not want all of the input is no error.
    /// Descriptors from 3 on that it writes are read to their ends, too, and are no part of the result; those that it
    /// reads are left to whoever feeds them.
    ///
    /// Within the command's bounds: `timeout`, counted from the start, `idle_timeout` and `capture`. Past one of them
    /// the child is stopped (SIGTERM, the command's `grace`, SIGKILL), and this throws timeout_error or
    /// output_limit_error, with all that was captured. Pipes that somebody else holds when the child has ended are
    /// given up after the command's `drain`.
    template <class = void>
    [[nodiscard]] task<result> communicate(std::string input = {}) {
        return detail::communicate(state(), std::move(input), detail::time_limit_of(state()));
    }
    /// The same with a timeout of its own, counted from this call: done within timeout + grace + drain, whatever the
    /// child does.
    template <class Rep, class Period>
    [[nodiscard]] task<result> execute(std::chrono::duration<Rep, Period> timeout,
                                       std::string input = {}) { // NOLINT(performance-unnecessary-value-param)
        const auto length = to_clock_duration(timeout);
        return detail::communicate(state(), std::move(input), {length, deadline_after(length)});
    }

    // ---- terminal ----

    [[nodiscard]] bool has_terminal() const { return state().has_terminal(); }
    /// Tells the child, whose foreground group is sent SIGWINCH if that is a change. False if our ends of the terminal
    /// are closed. Throws std::invalid_argument for less than 1 or more than 65535; usage_error where the command has
    /// no terminal.
    template <std::integral Rows, std::integral Cols>
    bool resize(Rows rows, Cols cols) {
        const unsigned short r = terminal::checked(rows, "rows");
        const unsigned short c = terminal::checked(cols, "columns");
        const int fd = on_terminal().terminal();
        return fd >= 0 && platform::set_window_size(fd, r, c);
    }
    /// As the child sees it, who may change it as well. Nothing if our ends of it are closed.
    [[nodiscard]] std::optional<window_size> terminal_size() const {
        unsigned short rows = 0;
        unsigned short cols = 0;
        const int fd = on_terminal().terminal();
        if (fd < 0 || !platform::get_window_size(fd, rows, cols)) return std::nullopt;
        return window_size{rows, cols};
    }

    // ---- waiting and stopping ----

    /// Completes when the process itself has ended, whoever still holds its pipes, and what it wrote to a sink or a tee
    /// has passed it. Any number of waiters and of times.
    [[nodiscard]] wait_awaiter wait() {
        detail::process_state& s = state();
        return {s, s.reaped() ? s.group : s.attended()};
    }
    /// The same within `timeout`; else nullopt, and nothing is stopped or lost. Zero or less looks once; huge is for
    /// ever.
    template <class Rep, class Period>
    [[nodiscard]] timed_wait_awaiter wait(std::chrono::duration<Rep, Period> timeout) {
        detail::process_state& s = state();
        const platform::clock::duration length = to_clock_duration(timeout);
        const bool waits = !s.reaped() && length > platform::clock::duration::zero();
        return {s, waits ? s.attended() : s.group, length};
    }
    /// Completes when the child has been reaped and nobody else is there whom the command reaches: all of its group or
    /// control group. (Of descendants only those who have been seen are known: who lost their parents unseen are not
    /// waited for. Where a group has no name once its leader is reaped, as on BSD, it is killed when that has ended.)
    template <class = void>
    [[nodiscard]] task<exit_status> wait_all() {
        return detail::wait_all(state(), state().attended());
    }
    /// The same within `timeout`; else nullopt, and nothing is stopped or lost.
    template <class Rep, class Period>
    [[nodiscard]] task<std::optional<exit_status>> wait_all(std::chrono::duration<Rep, Period> timeout) {
        return detail::wait_all(state(), state().attended(), to_clock_duration(timeout));
    }

    /// Sent when this returns. False if the child is known to have ended: then no system call is made, since its pid
    /// may be somebody else's by now.
    signal_sent send_signal(int number) { return signal_sent(state().send_signal(number)); }
    /// These go as far as the command reaches (`command::reach`), and are false if nobody is left there.
    signal_sent interrupt() { return signal_sent(state().signal_all(SIGINT)); }
    signal_sent terminate() { return signal_sent(state().signal_all(SIGTERM)); }
    signal_sent kill() { return signal_sent(state().signal_all(SIGKILL)); }

    /// SIGTERM, up to `grace` for the child to end, and for all others that the command reaches; then SIGKILL to those
    /// who are left. With no grace, or less, SIGKILL at once. Completes when the child has been reaped and nobody else
    /// is there; others are waited for no longer than a second after SIGKILL (`survivors`). A child that we may not
    /// signal, such as sudo, is not waited for then, either, nor longer than 10 seconds one that SIGKILL does not end,
    /// deep in a driver or kept by a debugger: its status is unknown, it is one of the survivors, and the loop reaps it
    /// when it ends. Cancelling it leaves everybody as they are.
    template <class Rep, class Period>
    [[nodiscard]] task<exit_status> stop(std::chrono::duration<Rep, Period> grace) {
        return detail::stop(state(), state().attended(), to_clock_duration(grace));
    }
    /// The same with the grace of the command, 5 s if it says nothing.
    template <class = void>
    [[nodiscard]] task<exit_status> stop() {
        return detail::stop(state(), state().attended(), state().rules().grace);
    }
    /// The same with other signals, SIGKILL always being the last.
    template <class = void>
    [[nodiscard]] task<exit_status> stop(const stop_sequence& how) {
        return detail::stop(state(), state().attended(), how);
    }
    /// How many of those within reach were still there when the last `stop` had ended; 0 before.
    [[nodiscard]] std::size_t survivors() const { return state().survivors(); }

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
    [[nodiscard]] const std::string& command_line() const { return state().command_line(); }

    // ---- streams ----

    /// Each throws usage_error if the stream is not piped. They live as long as this object, wherever it is moved,
    /// unless they are the user's own.
    [[nodiscard]] stream_writer& in() const { return piped(0).all_streams().in; }
    [[nodiscard]] stream_reader& out() const { return piped(1).all_streams().out; }
    [[nodiscard]] stream_reader& err() const { return piped(2).all_streams().err; }
    /// The same for the descriptors from 3 on that the command has piped by `in(number, …)`, which the child reads, and
    /// by `out(number, …)`, which it writes.
    [[nodiscard]] stream_writer& in(int number) const {
        stream_writer* const w = state().in_at(number);
        if (w == nullptr) not_piped(number, "reads: say command::in");
        state().attended(); // whoever waits there waits in the group
        return *w;
    }
    [[nodiscard]] stream_reader& out(int number) const {
        stream_reader* const r = state().out_at(number);
        if (r == nullptr) not_piped(number, "writes: say command::out");
        state().attended();
        return *r;
    }

private:
    friend class starting;
    friend class detail::followed_child;
    friend void detail::close_numbered_inputs(async_process& p) noexcept;
    template <class>
    friend class detail::basic_running_pipeline;

    static detail::process_owner start(const command& c, const streams& own, event_loop& loop) {
        detail::process_owner made(new detail::process_state(c, own, loop));
        try {
            detail::preparation all(c, stdio::pipe, &loop.dispositions());
            made->start(detail::spawn(all.plan(), made->program())); // the program runs, so nothing may fail any more
            made->lend(all.take_foreground());
            made->connect(all.fds());
        } catch (const spawn_error& e) {
            detail::tell_failed_start(loop, 0, c, e);
            throw;
        }
        detail::tell_start(loop, made->pid(), c, stdio::pipe);
        return made;
    }
    explicit async_process(detail::process_owner state) noexcept : state_(std::move(state)) {}

    [[nodiscard]] detail::process_state& state() const {
        if (!state_) throw usage_error("an async_process that was moved from was used");
        return *state_;
    }
    [[nodiscard]] detail::process_state& on_terminal() const {
        detail::process_state& s = state();
        if (s.has_terminal()) return s;
        throw usage_error(detail::concat({s.program(), " has no terminal: say pty()"}));
    }
    [[nodiscard]] detail::process_state& piped(std::size_t number) const {
        detail::process_state& s = state();
        if (s.piped[number]) return s;
        const bool is_read_by_out = number == 2 && s.on_terminal[2] && s.on_terminal[1];
        throw usage_error(detail::concat(
            {detail::stdio_names[number], " of ", s.program(),
             is_read_by_out ? " is its terminal, which out() reads: say .err(stdio::pipe) to have it apart"
                            : " is not piped: say stdio::pipe, or nothing"}));
    }
    [[noreturn]] void not_piped(int number, const char* hint) const {
        const std::string digits = detail::to_text(number);
        throw usage_error(detail::concat({"descriptor ", digits, " of ", state().program(), " is no pipe that it ",
                                          hint, "(", digits, ", stdio::pipe)"}));
    }

    detail::process_owner state_;
};

/// What it reads from 3 on, if those are pipes, ends. For whoever has it in hand alone, and so knows that nobody writes
/// to them: a child that reads on would be waited for without end.
inline void detail::close_numbered_inputs(async_process& p) noexcept { p.state().close_numbered_inputs(); }

} // namespace coproc
