#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// when_all: several awaitables at once, until the last has ended.
//
//     auto both = co_await when_all(a.read_line(), b.read_line());   // a std::tuple
//     auto all = co_await when_all(std::move(tasks));                // a std::vector, in the order given

#include <coroutine>
#include <cstddef>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "branch.hpp"

namespace coproc {
namespace detail {

// Counts branches down and resumes the awaiter after the last. It counts itself as one while it starts them, so that
// those that end at once do not resume an awaiter that is not suspended yet.
class all_ended final : public branch_owner {
public:
    explicit all_ended(std::size_t branches) noexcept : running_(branches + 1) {}

    /// False if they all have ended already.
    bool suspend(std::coroutine_handle<> awaiter) noexcept {
        if (--running_ == 0) return false;
        awaiter_ = awaiter;
        return true;
    }
    std::coroutine_handle<> branch_ended(std::size_t) noexcept override {
        if (--running_ != 0) return std::noop_coroutine();
        return awaiter_;
    }

private:
    std::size_t running_;
    std::coroutine_handle<> awaiter_;
};

template <class... Ts>
class all_of_pack {
public:
    explicit all_of_pack(branch<Ts>... branches) : branches_(std::move(branches)...) {}

    bool await_ready() const noexcept { return sizeof...(Ts) == 0; }
    bool await_suspend(std::coroutine_handle<> awaiter) {
        std::apply([this](auto&... each) { (each.start(ended_, 0), ...); }, branches_);
        return ended_.suspend(awaiter);
    }
    std::tuple<value_or_nothing<Ts>...> await_resume() {
        return std::apply([](auto&... each) { return std::tuple<value_or_nothing<Ts>...>{take_value(each)...}; },
                          branches_);
    }

private:
    // Behind `ended_`, so that branches are destroyed before what they report to.
    all_ended ended_{sizeof...(Ts)};
    std::tuple<branch<Ts>...> branches_;
};

template <class T>
class all_of_vector {
public:
    explicit all_of_vector(std::vector<branch<T>> branches) noexcept
        : ended_(branches.size()), branches_(std::move(branches)) {}

    bool await_ready() const noexcept { return branches_.empty(); }
    bool await_suspend(std::coroutine_handle<> awaiter) {
        for (auto& each : branches_) each.start(ended_, 0);
        return ended_.suspend(awaiter);
    }
    auto await_resume() {
        if constexpr (std::is_void_v<T>) {
            for (auto& each : branches_) each.take();
        } else {
            std::vector<T> values;
            values.reserve(branches_.size());
            for (auto& each : branches_) values.push_back(each.take());
            return values;
        }
    }

private:
    all_ended ended_;
    std::vector<branch<T>> branches_;
};

} // namespace detail

/// Stands in a result for an awaitable that yields void.
using detail::nothing;

/// Starts them in the order given; completes when all have ended, with a tuple of what they yield (`nothing` for void).
/// If any throws, the first exception in the order given is thrown, after all have ended. Destroying it cancels those
/// that run.
template <awaitable... As>
[[nodiscard]] auto when_all(As... awaitables) {
    return detail::all_of_pack<await_result_t<As>...>(detail::make_branch(std::move(awaitables))...);
}

/// The same for any number: a vector of what they yield, in the order given, or void.
template <awaitable A>
[[nodiscard]] auto when_all(std::vector<A> awaitables) {
    std::vector<detail::branch<await_result_t<A>>> branches;
    branches.reserve(awaitables.size());
    for (auto& each : awaitables) branches.push_back(detail::make_branch(std::move(each)));
    return detail::all_of_vector<await_result_t<A>>(std::move(branches));
}

} // namespace coproc
