#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Guards that act when a scope is left: always, only by an exception, only without one.
//
//     scope_exit unlock([&] { release(lock); });
//     unlock.release();                          // not after all

#include <exception>
#include <type_traits>
#include <utility>

namespace coproc {
namespace detail {

enum class leaving { always, by_exception, normally };

// One guard, three conditions. The action runs in a destructor, so it must not throw: a throwing one ends
// the program by std::terminate, as any exception that leaves a destructor does.
template <class Action, leaving When>
class scope_guard {
public:
    explicit scope_guard(Action action) noexcept(std::is_nothrow_move_constructible_v<Action>)
        : action_(std::move(action)) {}
    scope_guard(const scope_guard&) = delete;
    scope_guard& operator=(const scope_guard&) = delete;

    ~scope_guard() {
        if (armed_ && due()) action_();
    }

    /// The action will not run.
    void release() noexcept { armed_ = false; }

private:
    [[nodiscard]] bool due() const noexcept {
        if constexpr (When == leaving::always) return true;
        const bool unwinding = std::uncaught_exceptions() > entered_with_;
        return When == leaving::by_exception ? unwinding : !unwinding;
    }

    Action action_;
    int entered_with_ = std::uncaught_exceptions();
    bool armed_ = true;
};

} // namespace detail

/// Runs its action when the scope is left, however it is left.
template <class Action>
class [[nodiscard]] scope_exit : public detail::scope_guard<Action, detail::leaving::always> {
public:
    using detail::scope_guard<Action, detail::leaving::always>::scope_guard;
};

/// Runs its action when an exception leaves the scope.
template <class Action>
class [[nodiscard]] scope_fail : public detail::scope_guard<Action, detail::leaving::by_exception> {
public:
    using detail::scope_guard<Action, detail::leaving::by_exception>::scope_guard;
};

/// Runs its action when the scope is left without an exception.
template <class Action>
class [[nodiscard]] scope_success : public detail::scope_guard<Action, detail::leaving::normally> {
public:
    using detail::scope_guard<Action, detail::leaving::normally>::scope_guard;
};

template <class Action>
scope_exit(Action) -> scope_exit<Action>;
template <class Action>
scope_fail(Action) -> scope_fail<Action>;
template <class Action>
scope_success(Action) -> scope_success<Action>;

} // namespace coproc
