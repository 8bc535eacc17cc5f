// SPDX-License-Identifier: BSL-1.0
//
// A coroutine type that is not ours, eager and fire-and-forget as many a project has one, can await all that is ours.
#include <coproc/coro/async_generator.hpp>
#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/event_loop.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/task_group.hpp>
#include <coproc/loop/with_timeout.hpp>

#include <chrono>
#include <coroutine>
#include <exception>
#include <stdexcept>
#include <string>
#include <variant>

#include "support/catch.hpp"
#include "support/counted.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

/// Runs at once and destroys itself at its end; nobody holds it, nobody hears what it throws.
struct fire_and_forget {
    struct promise_type {
        fire_and_forget get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

/// Lets what it throws out of resume(), into the turn of the loop.
struct leaky {
    struct promise_type {
        leaky get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const { throw; }
    };
    std::coroutine_handle<promise_type> handle;
};

task<int> after_a_turn(int n) {
    co_await yield();
    co_return n;
}

} // namespace

TEST_CASE("a coroutine of another type awaits tasks", "[coro]") {
    event_loop loop;
    std::string trace;
    const auto body = [](std::string& t) -> fire_and_forget {
        t += std::to_string(co_await after_a_turn(1));
        const auto fail = []() -> task<int> {
            co_await yield();
            throw std::runtime_error("x");
        };
        try {
            t += std::to_string(co_await fail());
        } catch (const std::runtime_error& e) {
            t += e.what();
        }
    };
    body(trace);
    CHECK(trace.empty());
    for (int turn = 0; turn < 3; ++turn) loop.poll();
    CHECK(trace == "1x");
}

TEST_CASE("a coroutine of another type sleeps", "[coro]") {
    event_loop loop;
    bool woken = false;
    const event_loop::clock::time_point due = event_loop::clock::now() + 2ms;
    const auto body = [](bool& w, event_loop::clock::time_point when) -> fire_and_forget {
        co_await sleep_until(when);
        co_await sleep_for(0s);
        w = true;
    };
    body(woken, due);
    CHECK_FALSE(woken);
    while (!woken) loop.run_once(1h);
    CHECK(event_loop::clock::now() >= due);
}

TEST_CASE("a coroutine of another type races and joins", "[coro]") {
    event_loop loop;
    int alive = 0;
    std::string trace;
    const auto body = [](std::string& t, int& count) -> fire_and_forget {
        const auto hold = [](counted) -> task<> { co_await sleep_for(1h); };
        const auto first = co_await when_any(hold(counted(count)), after_a_turn(2));
        t += std::to_string(first.index);
        t += std::to_string(count);
        const auto both = co_await when_all(after_a_turn(3), after_a_turn(4));
        t += std::to_string(std::get<0>(both) + std::get<1>(both));
        const bool in_time = co_await with_timeout(hold(counted(count)), 0s);
        t += in_time ? "!" : "t";
        t += std::to_string(count);
    };
    body(trace, alive);
    while (trace.size() < 5) loop.run_once(1h);
    CHECK(trace == "107t0");
}

TEST_CASE("a coroutine of another type consumes a generator", "[coro]") {
    event_loop loop;
    int sum = 0;
    const auto body = [](int& s) -> fire_and_forget {
        const auto numbers = []() -> async_generator<int> {
            for (int i = 1; i <= 3; ++i) {
                co_await yield();
                co_yield int(i);
            }
        };
        auto source = numbers();
        while (auto n = co_await source.next()) s += *n;
    };
    body(sum);
    for (int turn = 0; turn < 4; ++turn) loop.poll();
    CHECK(sum == 6);
}

TEST_CASE("a coroutine of another type joins a group", "[coro]") {
    event_loop loop;
    std::string trace;
    const auto body = [](std::string& t) -> fire_and_forget {
        task_group group;
        const auto member = [](std::string& to) -> task<> {
            co_await yield();
            to += "m";
        };
        group.start(member(t));
        group.start(member(t));
        co_await group.join();
        t += "j";
    };
    body(trace);
    for (int turn = 0; turn < 4; ++turn) loop.poll();
    CHECK(trace == "mmj");
}

TEST_CASE("an exception that leaves a coroutine of another type comes out of its turn and the others go on", "[coro]") {
    event_loop loop;
    std::string trace;
    const auto fail = []() -> leaky {
        co_await yield();
        throw std::runtime_error("leaked");
    };
    const auto go_on = [](std::string& t) -> fire_and_forget {
        co_await yield();
        t += "on";
    };
    const leaky failing = fail();
    go_on(trace); // behind it in the same turn
    CHECK_THROWS_AS(loop.run_once(0s), std::runtime_error);
    CHECK(trace.empty());
    loop.run_once(1h); // which does not wait: there is somebody to resume
    CHECK(trace == "on");
    failing.handle.destroy();
}
