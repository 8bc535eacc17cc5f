#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// with_timeout: anything that can be awaited, for so long at the most.
//
//     if (auto line = co_await with_timeout(proc.read_line(), 2s)) …   // what read_line yields, in an optional
//     if (!co_await with_timeout(work(), 1min)) …                      // a task<>: did it complete?

#include <chrono>
#include <coroutine>
#include <utility>

#include "interruptible.hpp"

namespace coproc {

template <class T>
class [[nodiscard]] timeout_awaiter final : timer {
public:
    timeout_awaiter(detail::branch<T> what, platform::clock::time_point deadline) noexcept
        : race_(std::move(what)), deadline_(deadline) {}
    timeout_awaiter(timeout_awaiter&&) noexcept = default;
    ~timeout_awaiter() {
        if (loop_ != nullptr) loop_->remove(*this);
    }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> handle) {
        loop_ = &event_loop::current();
        if (!race_.start(handle)) return false;
        loop_->add(*this, deadline_);
        return true;
    }
    detail::if_completed<T> await_resume() {
        loop_->remove(*this);
        return race_.finish();
    }

private:
    void on_timer() noexcept override { race_.interrupt(*loop_); }

    detail::interruptible<T> race_;
    platform::clock::time_point deadline_;
    event_loop* loop_ = nullptr;
};

/// Completes with what `what` yields, in an optional, or with nullopt when `d`, counted from this call, has passed
/// first: then `what` has been destroyed, which cancels it. For an awaitable of void: true or false. With no time at
/// all it still gets one turn of the loop; a huge one is for ever.
template <awaitable A, class Rep, class Period>
[[nodiscard]] auto with_timeout(A what, std::chrono::duration<Rep, Period> d) {
    return timeout_awaiter<await_result_t<A>>(detail::make_branch(std::move(what)),
                                              deadline_after(to_clock_duration(d)));
}

} // namespace coproc
