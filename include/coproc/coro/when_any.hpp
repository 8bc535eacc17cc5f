#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// when_any: several awaitables at once, until the first has ended; the others are cancelled.
//
//     auto first = co_await when_any(proc.read_line(), sleep_for(2s));
//     if (first.index == 1) …                             // nothing came
//     else use(std::get<0>(first.value));

#include <coroutine>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../core/error.hpp"
#include "branch.hpp"
#include "when_all.hpp"

namespace coproc {

/// Which one it was, and what it yielded: `std::get<index>(value)`.
template <class... Ts>
struct any_result {
    std::size_t index;
    std::variant<Ts...> value;
};

/// Which one of a vector it was, and what it yielded (`nothing` for void).
template <class T>
struct indexed_result {
    std::size_t index;
    T value;
};

namespace detail {

class first_ended final : public branch_owner {
public:
    std::coroutine_handle<> branch_ended(std::size_t index) noexcept override {
        if (winner_) return std::noop_coroutine(); // a second one, in the same turn, before the losers are destroyed
        winner_ = index;
        return awaiter_ ? awaiter_ : std::noop_coroutine();
    }
    [[nodiscard]] bool decided() const noexcept { return winner_.has_value(); }
    [[nodiscard]] std::size_t winner() const noexcept { return *winner_; }
    void suspend(std::coroutine_handle<> awaiter) noexcept { awaiter_ = awaiter; }

private:
    std::optional<std::size_t> winner_;
    std::coroutine_handle<> awaiter_;
};

template <class... Ts>
class any_of_pack {
    using result = any_result<value_or_nothing<Ts>...>;

public:
    explicit any_of_pack(branch<Ts>... branches) : branches_(std::move(branches)...) {}

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiter) {
        start_until_decided(std::index_sequence_for<Ts...>{});
        if (race_.decided()) return false;
        race_.suspend(awaiter);
        return true;
    }
    result await_resume() { return finish(std::index_sequence_for<Ts...>{}); }

private:
    template <std::size_t... I>
    void start_until_decided(std::index_sequence<I...>) {
        (void)((std::get<I>(branches_).start(race_, I), race_.decided()) || ...);
    }

    template <std::size_t... I>
    result finish(std::index_sequence<I...>) {
        ((I == race_.winner() ? void() : std::get<I>(branches_).destroy()), ...);
        std::optional<result> found;
        ((I == race_.winner() ? void(found.emplace(make<I>())) : void()), ...);
        return std::move(*found);
    }

    template <std::size_t I>
    result make() {
        return result{
            I, std::variant<value_or_nothing<Ts>...>(std::in_place_index<I>, take_value(std::get<I>(branches_)))};
    }

    first_ended race_;
    std::tuple<branch<Ts>...> branches_;
};

template <class T>
class any_of_vector {
public:
    explicit any_of_vector(std::vector<branch<T>> branches) noexcept : branches_(std::move(branches)) {}

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiter) {
        for (std::size_t i = 0; i < branches_.size() && !race_.decided(); ++i) branches_[i].start(race_, i);
        if (race_.decided()) return false;
        race_.suspend(awaiter);
        return true;
    }
    indexed_result<value_or_nothing<T>> await_resume() {
        const std::size_t winner = race_.winner();
        for (std::size_t i = 0; i < branches_.size(); ++i) {
            if (i != winner) branches_[i].destroy();
        }
        return {winner, take_value(branches_[winner])};
    }

private:
    first_ended race_;
    std::vector<branch<T>> branches_;
};

} // namespace detail

/// Starts them in the order given, and no more once one has ended. Completes with the first that ends, by value or by
/// exception; the others have been destroyed by then, which cancels them.
template <awaitable... As>
requires(sizeof...(As) > 0) [[nodiscard]] auto when_any(As... awaitables) {
    return detail::any_of_pack<await_result_t<As>...>(detail::make_branch(std::move(awaitables))...);
}

/// The same for any number but none: usage_error, since the first of none never ends.
template <awaitable A>
[[nodiscard]] auto when_any(std::vector<A> awaitables) {
    if (awaitables.empty()) throw usage_error("when_any() of nothing would wait for ever");
    std::vector<detail::branch<await_result_t<A>>> branches;
    branches.reserve(awaitables.size());
    for (auto& each : awaitables) branches.push_back(detail::make_branch(std::move(each)));
    return detail::any_of_vector<await_result_t<A>>(std::move(branches));
}

} // namespace coproc
