#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// One of several coroutines that run side by side: the wrapper that `when_all`, `when_any`, `task_group` and `run` put
// around what they are given, so that its end is told to them.

#include <coroutine>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "awaitable.hpp"
#include "outcome.hpp"
#include "unique_frame.hpp"

namespace coproc::detail {

/// Whoever waits for branches.
class branch_owner {
public:
    /// Branch number `index` has ended. Answers who goes on in its place, by transfer; the owner must not destroy the
    /// branch here.
    virtual std::coroutine_handle<> branch_ended(std::size_t index) noexcept = 0;

protected:
    ~branch_owner() = default;
};

template <class T>
class branch {
public:
    class promise_type final : public outcome<T> {
    public:
        branch get_return_object() noexcept { return branch(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() const noexcept { return {}; }

        auto final_suspend() const noexcept {
            struct tell_owner {
                bool await_ready() const noexcept { return false; }
                std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                    return self.promise().owner_->branch_ended(self.promise().index_);
                }
                void await_resume() const noexcept {}
            };
            return tell_owner{};
        }

    private:
        friend branch;
        branch_owner* owner_ = nullptr;
        std::size_t index_ = 0;
    };

    /// By a plain call: returns when the branch has ended or waits.
    void start(branch_owner& owner, std::size_t index) const {
        frame_.promise().owner_ = &owner;
        frame_.promise().index_ = index;
        frame_.get().resume();
    }
    [[nodiscard]] std::exception_ptr error() const noexcept { return frame_.promise().error(); }
    T take() { return frame_.promise().take(); }
    /// Cancels it, wherever it waits.
    void destroy() noexcept { frame_ = {}; }

private:
    explicit branch(std::coroutine_handle<promise_type> handle) noexcept : frame_(handle) {}

    unique_frame<promise_type> frame_;
};

template <class A>
branch<await_result_t<A>> make_branch(A what) {
    co_return co_await std::move(what);
}

/// What a branch without a value contributes to a tuple or a variant.
struct nothing {
    friend constexpr bool operator==(nothing, nothing) noexcept = default;
};

template <class T>
using value_or_nothing = std::conditional_t<std::is_void_v<T>, nothing, T>;

template <class T>
value_or_nothing<T> take_value(branch<T>& ended) {
    if constexpr (std::is_void_v<T>) {
        ended.take();
        return {};
    } else {
        return ended.take();
    }
}

} // namespace coproc::detail
