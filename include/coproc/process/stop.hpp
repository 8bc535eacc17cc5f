#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Waiting for a child, and the polite way to end one.

#include <coroutine>
#include <csignal>
#include <optional>
#include <utility>

#include "../coro/task.hpp"
#include "../io/stream_group.hpp"
#include "child_watch.hpp"

namespace coproc {

/// Yields the exit status, when the child has been reaped.
class [[nodiscard]] wait_awaiter final : waiter {
public:
    wait_awaiter(detail::child_watch& child, stream_group& group) noexcept : child_(&child), group_(&group) {}

    bool await_ready() const noexcept { return child_->reaped(); }
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
        return child_->reaped() || (timeout_ <= platform::clock::duration::zero() && (child_->poll(), true));
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

/// SIGTERM, `grace` to act on it, SIGKILL; ends with the child.
inline task<exit_status> stop(child_watch& child, stream_group& group, platform::clock::duration grace) {
    if (child.send_signal(SIGTERM)) {
        timed_wait_awaiter in_grace(child, group, grace);
        if (const std::optional<exit_status> status = co_await in_grace) co_return *status;
        child.send_signal(SIGKILL);
    }
    wait_awaiter to_the_end(child, group);
    co_return co_await to_the_end;
}

} // namespace detail
} // namespace coproc
