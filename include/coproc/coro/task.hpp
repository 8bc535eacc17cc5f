#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// task<T>: a coroutine that somebody will await.
//
//     task<int> answer() { co_return 42; }
//     task<> ask() { int n = co_await answer(); … }
//
// How it runs, and why the stack does not grow. Awaiting a task starts it by a plain call: a task that finishes without
// waiting is back when the call returns, and its awaiter goes on without ever having been suspended. Only one that had
// to wait resumes its awaiter by symmetric transfer, from the loop, where the stack is empty:
//
//     loop ── resume ──> innermost task ── finishes, transfers ──> its awaiter ── finishes, transfers ──> …
//
// So a million awaits of ready tasks in a row need no tail call, which GCC does not make at -O0 (GCC bug 100897).
//
// The library's own coroutines are templates, and so is every function that calls one: GCC makes code of each coroutine
// that it has seen, used or not, unless that is a template of which nobody has asked for anything. As plain functions
// they cost 1.9 s of each file that includes us at -O0, as templates none.

#include <coroutine>
#include <utility>

#include "../core/error.hpp"
#include "first_suspension.hpp"
#include "outcome.hpp"
#include "unique_frame.hpp"

namespace coproc {

template <class T = void>
class task;

namespace detail {

template <class T>
class task_promise final : public outcome<T> {
public:
    task<T> get_return_object() noexcept;
    first_suspension<task_promise> initial_suspend() const noexcept { return first_suspension<task_promise>(*this); }

    auto final_suspend() const noexcept {
        struct to_awaiter {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<task_promise> self) const noexcept {
                const std::coroutine_handle<> awaiter = self.promise().awaiter_;
                return awaiter ? awaiter : std::noop_coroutine();
            }
            void await_resume() const noexcept {}
        };
        return to_awaiter{};
    }

    void resume_when_done(std::coroutine_handle<> awaiter) noexcept { awaiter_ = awaiter; }

private:
    std::coroutine_handle<> awaiter_; // null while the task is still inside the call that started it
};

} // namespace detail

/// Lazy: nothing runs until it is awaited. Move-only, awaited once, owned by whoever holds it: destroying it is
/// cancelling it, at whatever point it waits.
template <class T>
class [[nodiscard("a task does nothing until it is awaited")]] task {
public:
    using promise_type = detail::task_promise<T>;

    class awaiter {
    public:
        explicit awaiter(detail::unique_frame<promise_type> frame) noexcept : frame_(std::move(frame)) {}

        bool await_ready() const {
            if (!frame_) throw usage_error("co_await on an empty task: it was moved from, or awaited before");
            return false;
        }
        bool await_suspend(std::coroutine_handle<> caller) {
            frame_.get().resume();
            if (frame_.get().done()) return false;
            frame_.promise().resume_when_done(caller);
            return true;
        }
        T await_resume() { return frame_.promise().take(); }

    private:
        detail::unique_frame<promise_type> frame_;
    };

    /// Completes when the coroutine ends; throws what it threw. On rvalues only: `co_await std::move(t)`.
    awaiter operator co_await()&& noexcept { return awaiter(std::move(frame_)); }

private:
    friend promise_type;
    explicit task(std::coroutine_handle<promise_type> handle) noexcept : frame_(handle) {}

    detail::unique_frame<promise_type> frame_;
};

template <class T>
task<T> detail::task_promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}

} // namespace coproc
