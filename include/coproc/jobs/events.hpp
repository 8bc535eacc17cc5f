#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// events: all that becomes of a command, one thing after the other.
//
//     auto build = events(command("make"));
//     while (const process_event* e = co_await build.next()) {
//         if (e->is_line()) log(e->when, e->kind == process_event::err_line ? "err" : "out", e->text);
//         if (e->kind == process_event::exited) log(e->when, e->status.to_string(), e->usage.user_time);
//     }

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/exit_status.hpp"
#include "../core/resource_usage.hpp"
#include "../coro/branch.hpp"
#include "../coro/task.hpp"
#include "../io/stream_reader.hpp"
#include "../process/command.hpp"
#include "../process/stop.hpp"
#include "finder.hpp"
#include "followed_child.hpp"

namespace coproc {

/// One struct for all kinds, each of which fills what it has.
struct process_event {
    enum what : unsigned char {
        started,  ///< pid; the first one
        out_line, ///< text
        err_line, ///< text
        exited,   ///< status, usage, timed_out, accepted; the last one
    };

    what kind = started;
    /// When it came to us, by the wall clock, for logs; that clock may be set meanwhile.
    std::chrono::system_clock::time_point when;
    /// The same since the start, by the steady clock, for measuring.
    platform::clock::duration elapsed{};

    int pid = 0;           ///< of every event; when it has exited, the number may be another's
    std::string_view text; ///< the line without its `\n` or `\r\n`

    exit_status status = exit_status::unknown();
    resource_usage usage;
    bool timed_out = false; ///< it was stopped, since its `timeout` or its `idle_timeout` had passed
    bool accepted = false;  ///< it kept its time and ended as the command accepts

    [[nodiscard]] bool is_line() const noexcept { return kind == out_line || kind == err_line; }
};

namespace detail {

class event_finder : public followed_child {
public:
    explicit event_finder(command c) : followed_child(std::move(c)) {}

    [[nodiscard]] bool at_hand() {
        require_free();
        if (over_) return true;
        if (event_.kind == process_event::exited) return over_ = true;
        return runs() && listens_ && !is_late() && final_if_thrown([this] { return take_line(); });
    }
    const process_event* take() {
        final_if_thrown([this] { require_found(); });
        return over_ ? nullptr : &event_;
    }

protected:
    struct output {
        std::optional<line_read> read{};
        std::uint64_t seen = 0; // the number of the chunk that came last, and when that was
        std::chrono::system_clock::time_point when{};
        platform::clock::duration elapsed{};
        bool open = false; // lines may come
        bool ready = false;
    };

    // First of all: which of two pipes was written to first, the kernel tells those who listen to both.
    static void listen(output& o, stream_reader& reader) {
        if (o.open) o.read.emplace(reader.next_line());
    }

    // False if there is none without waiting. Of two that are there, the one that came first.
    bool take_line() {
        event_.text = {};
        has_line_ = false;
        stream_set& its = state().all_streams();
        for (;;) {
            look(err_, its.err);
            look(out_, its.out);
            if (!out_.ready && !err_.ready) return false;
            const bool is_out = out_.ready && (!err_.ready || out_.seen < err_.seen);
            output& from = is_out ? out_ : err_;
            const line_view line = from.read->await_resume();
            if (!line) { // nor will there be one
                from.open = false;
                continue;
            }
            event_.kind = is_out ? process_event::out_line : process_event::err_line;
            event_.when = from.when;
            event_.elapsed = from.elapsed;
            event_.text = *line;
            return has_line_ = true;
        }
    }
    // Begins a read where one may be answered.
    void look(output& o, stream_reader& reader) {
        o.read.reset();
        o.ready = false;
        if (!o.open) return;
        o.read.emplace(reader.next_line());
        o.ready = o.read->await_ready();
        note(o, reader);
    }
    // Every line of a stream that is buffered came with the last chunk: no other is read before they are taken.
    void note(output& o, const stream_reader& reader) {
        if (!o.open || o.seen == reader.last_arrival()) return;
        o.seen = reader.last_arrival();
        o.when = std::chrono::system_clock::now();
        o.elapsed = state().elapsed();
    }

    // Others hold the pipes still: what there is of a line is the last one.
    void give_up_outputs() noexcept {
        given_up_ = true;
        stream_set& its = state().all_streams(); // are there: they have been read
        if (out_.open) its.out.feed_eof();
        if (err_.open) its.err.feed_eof();
    }

    void set_event(process_event::what kind) {
        event_.kind = kind;
        event_.text = {};
        event_.when = std::chrono::system_clock::now();
        event_.elapsed = state().elapsed();
    }
    void set_exited() {
        if (given_up_) state().close_outputs();
        set_event(process_event::exited);
        event_.status = state().status();
        event_.usage = state().ended()->usage;
        event_.timed_out = timed_out_;
        event_.accepted = !timed_out_ && rules().accepted.accepts(event_.status);
    }
    void is_set_up() override {
        out_.open = process().has_out();
        err_.open = process().has_err();
    }

    process_event event_;
    output out_, err_;
    bool has_told_start_ = false;
    bool listens_ = false;
    bool has_line_ = false;
    bool timed_out_ = false;
    bool given_up_ = false;
};

/// The part with the coroutine, a template: see coro/task.hpp.
template <class>
class event_search final : public event_finder {
public:
    explicit event_search(command c) : event_finder(std::move(c)) {}
    ~event_search() override { end_search(); }

private:
    branch<void> search() override {
        start_awaiter starts(*this);
        co_await starts;
        if (!std::exchange(has_told_start_, true)) {
            set_event(process_event::started);
            event_.pid = state().pid();
            co_await found();
        }
        stream_set& its = state().all_streams();
        for (;;) {
            begin_to_wait();
            for (;;) {
                if (!std::exchange(listens_, true)) {
                    listen(out_, its.out);
                    listen(err_, its.err);
                    news n(state(), wake_up(), out_.read, err_.read);
                    co_await n;
                }
                if (is_late()) timed_out_ = true;
                if (!timed_out_ && take_line()) break;
                if (timed_out_ && state().reaped() && take_line()) break;
                const bool nothing_open = !out_.open && !err_.open;
                if (nothing_open && state().is_over()) break;
                if (is_silent()) timed_out_ = true;
                if (timed_out_ && !state().reaped()) {
                    task<exit_status> stopped = stop(state(), state().group, rules().grace);
                    co_await std::move(stopped);
                    continue;
                }
                if (is_drained()) {
                    give_up_outputs();
                    continue;
                }
                news n(state(), wake_up(), out_.read, err_.read);
                co_await n;
                note(out_, its.out);
                note(err_, its.err);
            }
            if (!has_line_) set_exited();
            co_await found();
        }
    }
};

} // namespace detail

/// What becomes of a child that it owns. Move-only; used on the thread of its loop. Destroying it deals with a child
/// that still runs as the command's `on_destroy` says: by default SIGKILL, and the loop reaps it. Whatever awaits
/// something of it must be gone before.
class command_events {
public:
    template <class = void>
    explicit command_events(command c) : finder_(std::make_unique<detail::event_search<void>>(std::move(c))) {}

    /// The next event, valid until the next `next()`; null for ever after `exited`. The first one starts the program.
    ///
    /// Lines of both outputs come in the order of their arrival, as far as two pipes can tell: what is read at one time
    /// from one of them, and has the time of that, comes in one piece, whatever was written to the other meanwhile.
    /// (For the true order: `err(stdio::to_out)`.)
    ///
    /// How the child ends is an event, never an exception; a passed `timeout` or `idle_timeout` stops the child, and
    /// what it had written still comes. Others who hold its pipes are listened to for the command's `drain`. While
    /// nobody is in `next()`, no bound is looked at, and the child, once a pipe is full, waits; silence counts only
    /// while somebody listens.
    ///
    /// Throws spawn_error, and no program has run; stream_error; line_too_long, which is not the end. Cancelling it
    /// loses nothing: the next one goes on.
    [[nodiscard]] auto next() { return detail::found_next(mine()); }

    /// Of both outputs, as `stream_reader::line_limit`; at any time.
    command_events& line_limit(std::size_t bytes, long_line policy = long_line::fail) {
        mine().line_limit(bytes, policy);
        return *this;
    }

    /// Nothing before the first `next()`, or when it has been reaped.
    [[nodiscard]] std::optional<int> pid() const { return mine().pid(); }

private:
    [[nodiscard]] detail::event_finder& mine() const {
        if (!finder_) throw usage_error("the events of a command were moved from");
        return *finder_;
    }

    std::unique_ptr<detail::event_finder> finder_;
};

/// Nothing is started before the first `next()`. Where the command says nothing of them, stdin is the null device, and
/// both outputs are read line by line.
template <class = void>
[[nodiscard]] command_events events(command c) {
    return command_events(std::move(c));
}

} // namespace coproc
