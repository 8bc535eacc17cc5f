// SPDX-License-Identifier: BSL-1.0
#include <coproc/loop/with_timeout.hpp>

#include <coproc/coro/async_generator.hpp>
#include <coproc/coro/task.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/run.hpp>
#include <coproc/loop/sleep.hpp>

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "loop/awaited.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/gate.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("what completes in time yields what it yields", "[loop]") {
    CHECK(run(with_timeout(after_turns(0, 1), 1h)) == 1);
    CHECK(run(with_timeout(after_turns(3, 2), 1h)) == 2);
    const auto make = []() -> task<std::unique_ptr<int>> {
        co_await yield();
        co_return std::make_unique<int>(3);
    };
    const std::optional<std::unique_ptr<int>> made = run(with_timeout(make(), 1h));
    REQUIRE(made);
    CHECK(**made == 3);
    CHECK(run(with_timeout(yield(), 1h))); // of void: whether it completed
    STATIC_REQUIRE(std::is_same_v<await_result_t<decltype(with_timeout(yield(), 1h))>, bool>);
}

TEST_CASE("what does not complete in time is destroyed before its awaiter goes on", "[loop]") {
    int alive = 0;
    int alive_afterwards = -1;
    const auto body = [&]() -> task<bool> {
        const bool completed = co_await with_timeout(never(counted(alive)), 1ms);
        alive_afterwards = alive;
        co_return completed;
    };
    const auto before = coproc::event_loop::clock::now();
    CHECK_FALSE(run(body()));
    CHECK(coproc::event_loop::clock::now() >= before + 1ms);
    CHECK(alive_afterwards == 0);

    const auto slow = []() -> task<int> {
        co_await sleep_for(1h);
        co_return 1;
    };
    CHECK_FALSE(run(with_timeout(slow(), 1ms)));
}

TEST_CASE("what throws in time throws", "[loop]") {
    const auto fail = [](int turns) -> task<int> {
        for (int i = 0; i < turns; ++i) co_await yield();
        throw std::runtime_error("failed");
    };
    CHECK_THROWS_AS(run(with_timeout(fail(0), 1h)), std::runtime_error);
    CHECK_THROWS_AS(run(with_timeout(fail(2), 1h)), std::runtime_error);
}

TEST_CASE("with no time at all there is one turn", "[loop]") {
    for (const auto d : {0ns, -1ns, std::chrono::nanoseconds(-1h), std::chrono::nanoseconds::min()}) {
        CHECK(run(with_timeout(after_turns(0, 1), d)) == 1);
        CHECK(run(with_timeout(after_turns(1, 1), d)) == 1);
        CHECK_FALSE(run(with_timeout(after_turns(2, 1), d)));
    }
}

TEST_CASE("with all the time of the world nothing overflows", "[loop]") {
    CHECK(run(with_timeout(after_turns(2, 1), std::chrono::hours::max())) == 1);
    CHECK(run(with_timeout(after_turns(2, 1), std::chrono::duration<double>::max())) == 1);
    const std::chrono::duration<double> infinity(std::numeric_limits<double>::infinity());
    CHECK(run(with_timeout(after_turns(2, 1), infinity)) == 1);
}

TEST_CASE("a timeout leaves no timer behind", "[loop]") {
    event_loop loop;
    CHECK(run(with_timeout(after_turns(1, 1), 1ms)) == 1);
    run(sleep_for(3ms)); // it would ring now, for an awaiter that is gone
    const driven d = drive(with_timeout(after_turns(100, 1), 1h));
    loop.poll();
}

TEST_CASE("timeouts may be nested and either may be the shorter", "[loop]") {
    int alive = 0;
    const auto inner_first = run(with_timeout(with_timeout(never(counted(alive)), 1ms), 1h));
    CHECK(inner_first == false); // in time to say that it was too late
    const auto outer_first = run(with_timeout(with_timeout(never(counted(alive)), 1h), 1ms));
    CHECK_FALSE(outer_first.has_value());
    const auto both_at_once = run(with_timeout(with_timeout(never(counted(alive)), 0s), 0s));
    if (both_at_once) CHECK_FALSE(*both_at_once);
    CHECK(alive == 0);
}

TEST_CASE("a value and a timeout in the same turn lose no value", "[loop]") {
    const auto count = []() -> async_generator<int> {
        for (int i = 1; i <= 100; ++i) {
            // A turn, two, three: just in time and just too late.
            for (int turns = 0; turns <= i % 3; ++turns) co_await yield();
            co_yield int(i);
        }
    };
    int expected = 1;
    int timeouts = 0;
    const auto body = [&]() -> task<> {
        auto numbers = count();
        for (;;) {
            const auto in_time = co_await with_timeout(numbers.next(), 0s);
            if (!in_time) {
                ++timeouts;
                continue;
            }
            if (!*in_time) break;
            CHECK(**in_time == expected);
            ++expected;
        }
    };
    run(body());
    CHECK(expected == 101);
    CHECK(timeouts > 0);
}

TEST_CASE("a timeout that is cancelled cancels what it was for", "[loop]") {
    event_loop loop;
    int alive = 0;
    gate g;
    const auto hold = [](gate& at, counted) -> task<int> {
        co_await at.pass();
        co_return 1;
    };
    SECTION("while it waits") { drive(with_timeout(hold(g, counted(alive)), 1h)).cancel(); }
    SECTION("when its time is up but it has not been resumed") {
        driven d = drive(with_timeout(hold(g, counted(alive)), 0s));
        loop.post([&] { d.cancel(); }); // behind the timers and before the coroutines
        loop.poll();
    }
    SECTION("before it was awaited") { static_cast<void>(with_timeout(hold(g, counted(alive)), 1h)); }
    CHECK(alive == 0);
    CHECK_FALSE(g.waited_for());
    loop.poll();
}

TEST_CASE("what completes after its time is up but before that was seen has completed", "[loop]") {
    event_loop loop;
    gate g;
    const auto wait = [](gate& at) -> task<int> {
        co_await at.pass();
        co_return 7;
    };
    std::optional<int> got;
    const auto body = [&]() -> task<> { got = co_await with_timeout(wait(g), 0s); };
    const driven d = drive(body());
    loop.post([&] { g.open(); }); // the interrupt is under way by then
    loop.poll();
    CHECK(d.done());
    CHECK(got == 7);
    loop.poll(); // and is taken back
}

TEST_CASE("a timeout that is moved before it is awaited is awaited as well", "[loop]") {
    const auto body = []() -> task<int> {
        auto here = with_timeout(after_turns(2, 5), 1h);
        auto there = std::move(here);
        const std::optional<int> got = co_await there;
        co_return got.value_or(0);
    };
    CHECK(run(body()) == 5);
}

TEST_CASE("a timeout where no loop is is a mistake and starts nothing", "[loop]") {
    REQUIRE(event_loop::try_current() == nullptr);
    bool started = false;
    const auto body = [](bool& s) -> task<> {
        s = true;
        co_return;
    };
    CHECK_THROWS_AS(drive(with_timeout(body(started), 1s)).done(), usage_error);
    CHECK_FALSE(started);
}
