#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Waiting for time to pass, or for a turn of the loop.
//
//     co_await sleep_for(100ms);
//     co_await yield();          // everybody else first

#include <chrono>
#include <coroutine>

#include "event_loop.hpp"

namespace coproc {

class [[nodiscard]] sleep_awaiter final : timer, waiter {
public:
    explicit sleep_awaiter(platform::clock::time_point when) noexcept : when_(when) {}
    sleep_awaiter(sleep_awaiter&&) noexcept = default;
    ~sleep_awaiter() {
        if (loop_ != nullptr) loop_->remove(*this);
    }

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
        loop_ = &event_loop::current();
        loop_->add(*this, when_);
        coroutine = handle;
    }
    void await_resume() const noexcept {}

private:
    void on_timer() noexcept override { loop_->schedule(*this); }

    platform::clock::time_point when_;
    event_loop* loop_ = nullptr;
};

/// Completes when `d`, counted from this call, has passed: never earlier, on Linux about 0.1 ms later. Nothing, or
/// less, still lets one turn of the loop go by; a huge one never ends. Throws usage_error where no loop runs.
template <class Rep, class Period>
[[nodiscard]] sleep_awaiter sleep_for(std::chrono::duration<Rep, Period> d) noexcept {
    return sleep_awaiter(deadline_after(to_clock_duration(d)));
}

/// Completes when the monotonic clock has reached `when`.
[[nodiscard]] inline sleep_awaiter sleep_until(platform::clock::time_point when) noexcept {
    return sleep_awaiter(when);
}

class [[nodiscard]] yield_awaiter final : waiter {
public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
        coroutine = handle;
        event_loop::current().schedule(*this);
    }
    void await_resume() const noexcept {}
};

/// Completes in the next turn: the kernel and all that is ready come first. Throws usage_error where no loop runs.
[[nodiscard]] inline yield_awaiter yield() noexcept { return {}; }

} // namespace coproc
