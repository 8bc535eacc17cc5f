#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A coroutine that a test holds in its hand: started without a loop, looked at, and destroyed where it stands.

#include <coroutine>
#include <exception>
#include <utility>

/// `drive(awaitable)` runs it at once, up to where it first waits. Destroying this cancels it.
class driven {
public:
    struct promise_type {
        driven get_return_object() noexcept { return driven(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept { error = std::current_exception(); }
        std::exception_ptr error;
    };

    driven(driven&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    driven& operator=(driven&&) = delete;
    ~driven() { cancel(); }

    void cancel() noexcept {
        if (handle_) std::exchange(handle_, nullptr).destroy();
    }
    /// It has ended. Throws what it threw.
    [[nodiscard]] bool done() const {
        if (!handle_.done()) return false;
        if (handle_.promise().error) std::rethrow_exception(handle_.promise().error);
        return true;
    }

    template <class A>
    friend driven drive(A what);

private:
    explicit driven(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}

    template <class A>
    static driven run(A what) {
        static_cast<void>(co_await std::move(what));
    }

    std::coroutine_handle<promise_type> handle_;
};

template <class A>
[[nodiscard]] driven drive(A what) {
    driven d = driven::run(std::move(what));
    d.handle_.resume();
    return d;
}
