#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Something to wait for that happens when the test says so: no loop, no time.

#include <coroutine>
#include <utility>

#include <coproc/coro/task.hpp>

/// `co_await g.pass()` waits until `g.open()`, which resumes it there and then. One waiter.
class gate {
public:
    class awaiter {
    public:
        explicit awaiter(gate& g) noexcept : gate_(&g) {}
        awaiter(awaiter&& other) noexcept : gate_(other.gate_) {}
        awaiter& operator=(awaiter&&) = delete;
        ~awaiter() {
            if (waiting_) gate_->waiter_ = nullptr;
        }

        bool await_ready() const noexcept { return gate_->open_; }
        void await_suspend(std::coroutine_handle<> handle) noexcept {
            gate_->waiter_ = handle;
            waiting_ = true;
        }
        void await_resume() noexcept { waiting_ = false; }

    private:
        gate* gate_;
        bool waiting_ = false;
    };

    gate() = default;
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;

    [[nodiscard]] awaiter pass() noexcept { return awaiter(*this); }
    void open() {
        open_ = true;
        if (waiter_) std::exchange(waiter_, nullptr).resume();
    }
    /// Somebody waits: it is false again once that one has been destroyed.
    [[nodiscard]] bool waited_for() const noexcept { return static_cast<bool>(waiter_); }

private:
    std::coroutine_handle<> waiter_;
    bool open_ = false;
};

inline coproc::task<> pass(gate& g) { co_await g.pass(); }
