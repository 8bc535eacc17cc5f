#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// communicate: a whole conversation with a child, from its input to its result, within the bounds of its command.
//
//     fed, drained ── it has ended ──────────────────────────────> its pipes end, or `drain` is over ──> result
//          └── its time is over, or it writes too much: stopped ──┘
//
// So it is done by deadline + grace + drain at the latest, whatever the child does and whoever holds its pipes.

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <csignal>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../core/error.hpp"
#include "../core/scope_guard.hpp"
#include "../coro/task.hpp"
#include "../coro/when_any.hpp"
#include "../io/stream_group.hpp"
#include "../io/stream_reader.hpp"
#include "../io/stream_writer.hpp"
#include "../loop/event_loop.hpp"
#include "../loop/with_timeout.hpp"
#include "process_error.hpp"
#include "process_state.hpp"
#include "result.hpp"
#include "run_rules.hpp"
#include "stop.hpp"

namespace coproc::detail {

/// The time that a whole run may take, and until when that is.
struct time_limit {
    platform::clock::duration length;
    platform::clock::time_point until;
};
/// What its command says.
inline time_limit time_limit_of(const process_state& s) noexcept {
    const auto timeout = s.rules().timeout;
    return {timeout, deadline_after(timeout, s.started_at())};
}

// ---- while it runs ----

/// Completes when the child has been reaped, when an output has passed its limit, or at `when`.
class supervision final : bounded_wait {
public:
    supervision(process_state& s, platform::clock::time_point when) noexcept
        : bounded_wait(s.group), state_(&s), when_(when) {}
    supervision(const supervision&) = delete;
    supervision& operator=(const supervision&) = delete;
    ~supervision() {
        if (has_begun()) state_->group.on_overflow(nullptr);
    }

    bool await_ready() const noexcept { return state_->reaped() || state_->group.overflowed(); }
    void await_suspend(std::coroutine_handle<> handle) {
        begin(state_->loop(), when_, handle);
        state_->add(*this);
        state_->group.on_overflow(this);
    }
    void await_resume() noexcept { end(); }

private:
    process_state* state_;
    platform::clock::time_point when_;
};

enum class run_end : unsigned char { exited, timed_out, silent, too_much };

template <class State>
task<run_end> supervise(State& s, platform::clock::time_point deadline) {
    const run_rules::duration idle = s.rules().idle_timeout;
    const bool may_be_silent = idle == run_rules::duration::max();
    if (!may_be_silent) s.group.watch_silence();
    for (;;) {
        const auto silent_until = may_be_silent ? deadline : deadline_after(idle, s.group.quiet_since());
        supervision until(s, std::min(deadline, silent_until));
        co_await until;
        if (s.reaped()) co_return run_end::exited;
        if (s.group.overflowed()) co_return run_end::too_much;
        const auto now = platform::clock::now();
        if (now >= deadline) co_return run_end::timed_out;
        if (!may_be_silent && now - s.group.quiet_since() >= idle) co_return run_end::silent;
    }
}

// That the child does not want all of it is no error.
template <class Writer>
task<> feed(Writer& in, std::string input) {
    try {
        co_await in.write_all(input);
    } catch (const stream_error& e) {
        if (e.code() != std::errc::broken_pipe) throw;
    }
}

/// Feeds the child meanwhile, then closes its stdin; but not that of one that is to be stopped, which might take what
/// it has read so far for all there is.
template <class State>
task<run_end> feed_and_supervise(State& s, std::string input, platform::clock::time_point deadline) {
    auto either = when_any(feed(s.all_streams().in, std::move(input)), supervise(s, deadline));
    const auto first = co_await std::move(either);
    if (first.index == 1) co_return std::get<1>(first.value);
    s.close_in();
    co_return co_await supervise(s, deadline);
}

// ---- when it has ended ----

/// False if somebody else holds the pipe still when the time is over.
template <class Reader>
task<bool> drain(Reader& reader, platform::clock::time_point until) {
    if (reader.is_open()) co_return co_await with_timeout(reader.wait_end(), until - platform::clock::now());
    co_await reader.wait_end(); // does not wait: it throws if this end is an error
    co_return true;
}

// What has come, without waiting.
inline auto take_all(stream_reader& reader) {
    reader.trim();
    return reader.read(reader.buffered());
}

/// Of one stream: what is kept of it, how much there was, and whether somebody else holds it still.
struct captured {
    stream_reader& reader;
    capture rule_before = reader.kept();
    std::size_t dropped_before = reader.dropped();

    captured(stream_reader& r, const capture& c) noexcept : reader(r) { reader.keep(c); }
    captured(const captured&) = delete;
    captured& operator=(const captured&) = delete;
    ~captured() { reader.keep(rule_before); }

    [[nodiscard]] bool truncated() const noexcept { return reader.dropped() != dropped_before; }
    [[nodiscard]] bool is_too_much() const noexcept { return reader.kept().is_limit() && truncated(); }
};

/// Is told that a run has passed a bound, before its child is stopped for that.
class stop_listener {
public:
    virtual void before_stop() = 0;

protected:
    ~stop_listener() = default;
};

/// What has happened to a run that somebody else has looked after up to now, and who looks after others that depend on
/// it.
struct run_so_far {
    std::optional<run_end> end{};  // it has passed a bound
    bool err_was_captured = false; // as its rules say, from the start
    stop_listener* listener = nullptr;
};

// Of the drain, what is given to killed members of a family to go.
inline platform::clock::duration brief(platform::clock::duration drain) noexcept {
    using namespace std::chrono;
    return std::clamp<platform::clock::duration>(drain, milliseconds(100), seconds(1));
}

template <class State>
task<result> communicate(State& s, std::string input, time_limit limit, run_so_far so_far = {}) {
    static_cast<void>(s.loop()); // with which the streams have ended
    const run_rules& rules = s.rules();
    stream_set& its = s.all_streams();
    const captured out(its.out, rules.out);
    captured err(its.err, rules.err);
    if (so_far.err_was_captured) err.dropped_before = 0;

    const bool fed = s.piped[0] && !its.in.is_closing();
    run_end end{};
    if (so_far.end) end = *so_far.end;
    else if (fed) end = co_await feed_and_supervise(s, std::move(input), limit.until);
    else end = co_await supervise(s, limit.until);

    result r;
    r.stopped = end != run_end::exited;
    const auto began_to_stop = platform::clock::now();
    if (r.stopped && so_far.listener != nullptr) so_far.listener->before_stop();
    if (r.stopped) co_await stop(s, s.group, terminate_within(rules.grace), {.with_others = brief(rules.drain)});
    if (fed) s.close_in(); // one that is gone will not read, whoever else holds the pipe
    // Whoever survives that has had his time: all of it is over within grace + drain.
    const auto ended = r.stopped && s.survivors() > 0 ? deadline_after(rules.grace, began_to_stop)
                                                      : platform::clock::time_point::max();
    const auto drained_by = deadline_after(rules.drain, std::min(ended, platform::clock::now()));
    if (s.passes_us(1) && !co_await drain(its.out, drained_by)) r.pipes_abandoned = true;
    if (s.passes_us(2) && !co_await drain(its.err, drained_by)) r.pipes_abandoned = true;
    for (numbered_stream& each : s.more) {
        if (each.out != nullptr && !co_await drain(*each.out, drained_by)) r.pipes_abandoned = true;
    }

    // Taken at the very end, without waiting: whoever cancels us before finds all of it in the streams.
    if (s.piped[1]) r.out = co_await take_all(its.out);
    if (s.piped[2]) r.err = co_await take_all(its.err);
    if (r.pipes_abandoned) s.close_outputs();
    r.status = s.status();
    r.usage = s.ended()->usage;
    r.elapsed = s.elapsed();
    r.command_line = s.command_line();
    r.out_bytes = its.out.arrived();
    r.err_bytes = its.err.arrived();
    r.out_truncated = out.truncated();
    r.err_truncated = err.truncated();
    r.err_gap = std::min(rules.err.head_bytes(), r.err.size());
    r.timed_out = end == run_end::timed_out || end == run_end::silent;
    r.killed = r.stopped && r.status.signal() == SIGKILL;
    r.survivors = r.stopped ? s.survivors() : 0;
    r.accepted = rules.accepted;

    if (end == run_end::timed_out) throw timeout_error(std::move(r), limit.length, false);
    if (end == run_end::silent) throw timeout_error(std::move(r), rules.idle_timeout, true);
    if (out.is_too_much()) throw output_limit_error(std::move(r), stdio_names[1], rules.out.head_bytes());
    if (err.is_too_much()) throw output_limit_error(std::move(r), stdio_names[2], rules.err.head_bytes());
    co_return r;
}

} // namespace coproc::detail
