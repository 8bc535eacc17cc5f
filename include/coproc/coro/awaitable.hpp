#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What can stand behind `co_await`, and what comes out of it.

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace coproc {
namespace detail {

template <class A>
concept has_member_await = requires(A&& a) {
    std::forward<A>(a).operator co_await();
};
template <class A>
concept has_free_await = requires(A&& a) {
    operator co_await(std::forward<A>(a));
};

// The awaiter that `co_await a` would use.
template <class A>
decltype(auto) awaiter_of(A&& a) {
    if constexpr (has_member_await<A>) return std::forward<A>(a).operator co_await();
    else if constexpr (has_free_await<A>) return operator co_await(std::forward<A>(a));
    else return static_cast<A&&>(a);
}

template <class A>
using awaiter_t = std::remove_reference_t<decltype(awaiter_of(std::declval<A>()))>;

} // namespace detail

/// A type whose rvalues can be awaited.
template <class A>
concept awaitable = requires(detail::awaiter_t<A>& awaiter, std::coroutine_handle<> handle) {
    { awaiter.await_ready() } -> std::convertible_to<bool>;
    awaiter.await_suspend(handle);
    awaiter.await_resume();
};

/// The type of `co_await std::declval<A>()`.
template <awaitable A>
using await_result_t = decltype(std::declval<detail::awaiter_t<A>&>().await_resume());

} // namespace coproc
