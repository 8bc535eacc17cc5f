#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Waiting for a child, or for all of its family, and the polite way to end them.

#include <chrono>
#include <coroutine>
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

/// The same until a deadline; then nullopt, and nothing has changed.
class [[nodiscard]] timed_wait_awaiter final : timer, waiter {
public:
    timed_wait_awaiter(detail::child_watch& child, stream_group& group, platform::clock::duration timeout) noexcept
        : child_(&child), group_(&group), timeout_(timeout) {}
    timed_wait_awaiter(timed_wait_awaiter&&) noexcept = default;
    ~timed_wait_awaiter() {
        if (loop_ != nullptr) loop_->remove(*this);
    }

    bool await_ready() const noexcept {
        return child_->is_over() || (timeout_ <= platform::clock::duration::zero() && (child_->poll(), true));
    }
    void await_suspend(std::coroutine_handle<> handle) {
        coroutine = handle;
        loop_ = &child_->loop();
        loop_->add(*this, deadline_after(timeout_));
        child_->add(*this);
        stay_.enter(group_);
    }
    std::optional<exit_status> await_resume() noexcept {
        stay_.leave();
        if (loop_ != nullptr) loop_->remove(*this);
        if (!child_->reaped()) return std::nullopt;
        return child_->status();
    }

private:
    void on_timer() noexcept override { loop_->schedule(*this); }

    detail::child_watch* child_;
    stream_group* group_;
    platform::clock::duration timeout_;
    event_loop* loop_ = nullptr; // once it waits
    group_stay stay_;
};

namespace detail {

/// True once nobody is left of the family of a child that has been reaped itself; false at the deadline.
class [[nodiscard]] others_awaiter final : timer, waiter {
public:
    others_awaiter(child_watch& child, stream_group& group, platform::clock::time_point deadline) noexcept
        : child_(&child), group_(&group), deadline_(deadline) {}
    others_awaiter(const others_awaiter&) = delete;
    others_awaiter& operator=(const others_awaiter&) = delete;
    ~others_awaiter() {
        if (loop_ != nullptr) loop_->remove(*this);
    }

    bool await_ready() noexcept {
        gone_ = child_->all_gone();
        return gone_ || deadline_ <= platform::clock::now();
    }
    void await_suspend(std::coroutine_handle<> handle) {
        coroutine = handle;
        loop_ = &child_->loop();
        loop_->add(*this, deadline_);
        child_->others()->add(*loop_, *this);
        stay_.enter(group_); // they may be writing their last words
        gone_ = true;        // unless it is the deadline that wakes us
    }
    bool await_resume() noexcept {
        stay_.leave();
        if (loop_ != nullptr) loop_->remove(*this);
        return gone_;
    }

private:
    void on_timer() noexcept override {
        gone_ = false;
        loop_->schedule(*this);
    }

    child_watch* child_;
    stream_group* group_;
    platform::clock::time_point deadline_;
    event_loop* loop_ = nullptr; // once it waits
    group_stay stay_;
    bool gone_ = false;
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

/// One signal after the other, each with its time, then SIGKILL; ends with the last whom the command reaches.
template <class Child>
task<exit_status> stop(Child& child, stream_group& group, stop_sequence how) {
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
    // Others who cannot be killed, deep in a driver, are not waited for for ever; and who was missed is killed later.
    for (int round = 0; round < 10 && !gone; ++round) {
        child.signal_all(SIGKILL);
        wait_awaiter until_reaped(child, group);
        co_await until_reaped;
        others_awaiter until_gone(child, group, deadline_after(std::chrono::milliseconds(100)));
        gone = co_await until_gone;
    }
    child.survivors(gone ? 0 : child.others()->count());
    co_return child.status();
}

/// SIGTERM, `grace` to act on it, SIGKILL; ends with the last whom the command reaches.
template <class Child>
task<exit_status> stop(Child& child, stream_group& group, platform::clock::duration grace) {
    return stop(child, group, terminate_within(grace));
}

} // namespace detail
} // namespace coproc
