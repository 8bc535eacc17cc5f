#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// An awaitable that something else may cut short: the common half of `with_timeout` and `with_stop`.

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "../coro/branch.hpp"
#include "event_loop.hpp"

namespace coproc::detail {

/// What an interruptible T yields: an optional, or for void whether it completed.
template <class T>
using if_completed = std::conditional_t<std::is_void_v<T>, bool, std::optional<value_or_nothing<T>>>;

template <class T>
class interruptible final : branch_owner, waiter {
public:
    explicit interruptible(branch<T> what) noexcept : branch_(std::move(what)) {}

    /// False if it has completed already.
    bool start(std::coroutine_handle<> awaiter) {
        branch_.start(*this, 0);
        if (ended_) return false;
        coroutine = awaiter;
        return true;
    }

    /// Resumes the awaiter in the next turn, unless the branch ends before.
    void interrupt(event_loop& loop) noexcept { loop.schedule(*this); }

    if_completed<T> finish() {
        if (!ended_) {
            branch_.destroy();
            return {};
        }
        if constexpr (std::is_void_v<T>) {
            branch_.take();
            return true;
        } else {
            return branch_.take();
        }
    }

private:
    std::coroutine_handle<> branch_ended(std::size_t) noexcept override {
        ended_ = true;
        unlink(); // an interrupt that came in the same turn came too late
        return coroutine ? coroutine : std::noop_coroutine();
    }

    bool ended_ = false;
    branch<T> branch_;
};

} // namespace coproc::detail
