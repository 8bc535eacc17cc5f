#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Waiting for a child, or for all of its family, and the polite way to end them.

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

#include "../coro/task.hpp"
#include "../io/stream_group.hpp"
#include "child_watch.hpp"
#include "stop_sequence.hpp"

namespace coproc {

/// Yields the exit status, when the child has been reaped.
class [[nodiscard]] wait_awaiter final : waiter {
public:
    wait_awaiter(detail::child_watch& child, stream_group& group) noexcept : child_(&child), group_(&group) {}

    bool await_ready() const noexcept { return child_->is_over(); }
    void await_suspend(std::coroutine_handle<> handle) {
        coroutine = handle;
        child_->add(*this);
        stay_.enter(group_);
    }
    exit_status await_resume() noexcept {
        stay_.leave();
        return child_->status();
    }

private:
    detail::child_watch* child_;
    stream_group* group_;
    group_stay stay_;
};

namespace detail {

/// What is waited for until a deadline; meanwhile what the child writes is taken in.
class bounded_wait : timer, protected waiter {
public:
    bounded_wait(bounded_wait&&) noexcept = default; // only before it waits

protected:
    explicit bounded_wait(stream_group& group) noexcept : group_(&group) {}
    ~bounded_wait() {
        if (loop_ != nullptr) loop_->remove(*this);
    }

    void begin(event_loop& loop, platform::clock::time_point deadline, std::coroutine_handle<> handle) {
        coroutine = handle;
        loop_ = &loop;
        if (deadline != platform::clock::time_point::max()) loop.add(*this, deadline);
        stay_.enter(group_);
    }
    void end() noexcept {
        stay_.leave();
        if (loop_ != nullptr) loop_->remove(*this);
    }
    [[nodiscard]] bool has_begun() const noexcept { return loop_ != nullptr; }
    /// It was the deadline that came first.
    [[nodiscard]] bool is_too_late() const noexcept { return too_late_; }

private:
    void on_timer() noexcept override {
        too_late_ = true;
        loop_->schedule(*this);
    }

    stream_group* group_;
    event_loop* loop_ = nullptr; // once it waits
    group_stay stay_;
    bool too_late_ = false;
};

} // namespace detail

/// The same until a deadline; then nullopt, and nothing has changed.
class [[nodiscard]] timed_wait_awaiter final : detail::bounded_wait {
public:
    timed_wait_awaiter(detail::child_watch& child, stream_group& group, platform::clock::duration timeout) noexcept
        : bounded_wait(group), child_(&child), timeout_(timeout) {}

    bool await_ready() const noexcept {
        return child_->is_over() || (timeout_ <= platform::clock::duration::zero() && (child_->poll(), true));
    }
    void await_suspend(std::coroutine_handle<> handle) {
        begin(child_->loop(), deadline_after(timeout_), handle);
        child_->add(*this);
    }
    std::optional<exit_status> await_resume() noexcept {
        end();
        if (!child_->reaped()) return std::nullopt;
        return child_->status();
    }

private:
    detail::child_watch* child_;
    platform::clock::duration timeout_;
};

namespace detail {

/// True once nobody is left of the family of a child that has been reaped itself; false at the deadline.
class [[nodiscard]] others_awaiter final : bounded_wait {
public:
    others_awaiter(child_watch& child, stream_group& group, platform::clock::time_point deadline) noexcept
        : bounded_wait(group), child_(&child), deadline_(deadline) {}
    others_awaiter(const others_awaiter&) = delete;
    others_awaiter& operator=(const others_awaiter&) = delete;

    bool await_ready() noexcept {
        gone_ = child_->all_gone();
        return gone_ || deadline_ <= platform::clock::now();
    }
    void await_suspend(std::coroutine_handle<> handle) {
        begin(child_->loop(), deadline_, handle); // meanwhile they may be writing their last words
        child_->others()->add(child_->loop(), *this);
    }
    bool await_resume() noexcept {
        end();
        return gone_ || (has_begun() && !is_too_late());
    }

private:
    child_watch* child_;
    platform::clock::time_point deadline_;
    bool gone_ = false; // before anybody waited
};

/// The child and all others whom its command reaches; nullopt if one of them is still there after `timeout`.
template <class Child>
task<std::optional<exit_status>> wait_all(Child& child, stream_group& group, platform::clock::duration timeout) {
    const platform::clock::time_point deadline = deadline_after(timeout);
    timed_wait_awaiter until_reaped(child, group, timeout);
    if (!co_await until_reaped) co_return std::nullopt;
    others_awaiter until_gone(child, group, deadline);
    if (!co_await until_gone) co_return std::nullopt;
    co_return child.status();
}
template <class Child>
task<exit_status> wait_all(Child& child, stream_group& group) {
    wait_awaiter until_reaped(child, group);
    co_await until_reaped;
    others_awaiter until_gone(child, group, platform::clock::time_point::max());
    co_await until_gone;
    co_return child.status();
}

/// How long who has been sent SIGKILL is waited for. No child can put its end off; the system can: deep in a driver, or
/// as long as a debugger keeps the dead. To give back many gigabytes takes seconds, too. And others may be beyond our
/// rights.
struct patience {
    platform::clock::duration with_child = std::chrono::seconds(10);
    platform::clock::duration with_others = std::chrono::seconds(1);
};

/// One signal after the other, each with its time, then SIGKILL; ends with the last whom the command reaches.
template <class Child>
task<exit_status> stop(Child& child, stream_group& group, stop_sequence how, patience after_kill = {}) {
    const child_watch::ending scope(child);
    bool gone = child.all_gone();
    for (const stop_sequence::step& step : how.steps()) {
        if (gone) break;
        child.signal_all(step.signal);
        const platform::clock::time_point deadline = deadline_after(step.time);
        timed_wait_awaiter until_reaped(child, group, step.time);
        if (!co_await until_reaped) continue;
        others_awaiter until_gone(child, group, deadline);
        gone = co_await until_gone;
    }
    const platform::clock::time_point given_up_at = deadline_after(after_kill.with_others);
    while (!gone) {
        if (child.kill_all_in_vain()) break;
        timed_wait_awaiter until_reaped(child, group, after_kill.with_child);
        if (!co_await until_reaped) break;
        const auto next_round = deadline_after(std::chrono::milliseconds(100)); // for whoever was missed
        others_awaiter until_gone(child, group, std::min(next_round, given_up_at));
        gone = co_await until_gone;
        if (platform::clock::now() >= given_up_at) break;
    }
    child.survivors(gone || child.others() == nullptr ? 0 : child.others()->count());
    if (!child.reaped()) child.give_up();
    co_return child.status();
}

/// SIGTERM, `grace` to act on it, SIGKILL; ends with the last whom the command reaches.
template <class Child>
task<exit_status> stop(Child& child, stream_group& group, platform::clock::duration grace) {
    return stop(child, group, terminate_within(grace));
}

} // namespace detail
} // namespace coproc
