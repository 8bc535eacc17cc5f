// SPDX-License-Identifier: BSL-1.0
#include <coproc/coro/awaitable.hpp>

#include <coproc/coro/async_generator.hpp>
#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/sleep.hpp>

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

using namespace coproc;

namespace {

struct awaiter {
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int await_resume() const noexcept { return 1; }
};
struct with_member {
    awaiter operator co_await() const noexcept { return {}; }
};
struct with_free {};
awaiter operator co_await(with_free) noexcept { return {}; }
struct only_lvalue {
    awaiter operator co_await() & noexcept { return {}; }
};
struct convertible_ready : awaiter {
    std::true_type await_ready() const noexcept { return {}; }
};
struct no_resume {
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
};
struct only_its_own_promise : awaiter {
    struct promise {};
    void await_suspend(std::coroutine_handle<promise>) const noexcept {}
};

template <class A, class T>
constexpr bool yields = std::is_same_v<await_result_t<A>, T>;

} // namespace

TEST_CASE("an awaitable is what rvalues of can be awaited from any coroutine", "[coro]") {
    STATIC_REQUIRE(awaitable<awaiter>);
    STATIC_REQUIRE(awaitable<std::suspend_always>);
    STATIC_REQUIRE(awaitable<with_member>);
    STATIC_REQUIRE(awaitable<with_free>);
    STATIC_REQUIRE(awaitable<convertible_ready>);
    STATIC_REQUIRE_FALSE(awaitable<int>);
    STATIC_REQUIRE_FALSE(awaitable<std::string>);
    STATIC_REQUIRE_FALSE(awaitable<no_resume>);
    STATIC_REQUIRE_FALSE(awaitable<only_lvalue>);
    STATIC_REQUIRE(awaitable<only_lvalue&>);
    STATIC_REQUIRE_FALSE(awaitable<only_its_own_promise>);
}

TEST_CASE("a task is awaited as an rvalue and so only once", "[coro]") {
    STATIC_REQUIRE(awaitable<task<>>);
    STATIC_REQUIRE(awaitable<task<int>>);
    STATIC_REQUIRE_FALSE(awaitable<task<int>&>);
    STATIC_REQUIRE_FALSE(awaitable<const task<int>&>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<task<int>>);
}

TEST_CASE("the result of an await is known before", "[coro]") {
    STATIC_REQUIRE(yields<awaiter, int>);
    STATIC_REQUIRE(yields<with_member, int>);
    STATIC_REQUIRE(yields<with_free, int>);
    STATIC_REQUIRE(yields<task<>, void>);
    STATIC_REQUIRE(yields<task<std::unique_ptr<int>>, std::unique_ptr<int>>);
    STATIC_REQUIRE(yields<task<int&>, int&>);
    STATIC_REQUIRE(yields<async_generator<int>::next_awaiter, std::optional<int>>);
    STATIC_REQUIRE(yields<sleep_awaiter, void>);
    STATIC_REQUIRE(
        yields<decltype(when_all(std::declval<task<int>>(), std::declval<task<>>())), std::tuple<int, nothing>>);
    STATIC_REQUIRE(yields<decltype(when_all(std::declval<std::vector<task<>>>())), void>);
    STATIC_REQUIRE(
        yields<decltype(when_any(std::declval<task<int>>(), std::declval<task<>>())), any_result<int, nothing>>);
}
