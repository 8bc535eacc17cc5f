// SPDX-License-Identifier: BSL-1.0
#include <coproc/loop/with_stop.hpp>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/run.hpp>
#include <coproc/loop/sleep.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <version>

#include "loop/awaited.hpp"
#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/gate.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("what nobody can stop yields what it yields", "[loop]") {
    // The library may have no stop_token: then this is the stand-in.
    CHECK(run(with_stop(platform::stop_token(), after_turns(0, 1))) == 1);
    CHECK(run(with_stop(platform::stop_token(), after_turns(2, 1))) == 1);
    CHECK(run(with_stop(platform::stop_token(), yield())));
    const auto fail = []() -> task<> {
        co_await yield();
        throw std::runtime_error("failed");
    };
    CHECK_THROWS_AS(run(with_stop(platform::stop_token(), fail())), std::runtime_error);
}

#ifdef __cpp_lib_jthread

TEST_CASE("what nobody stops yields what it yields", "[loop]") {
    std::stop_source source;
    CHECK(run(with_stop(source.get_token(), after_turns(0, 1))) == 1);
    CHECK(run(with_stop(source.get_token(), after_turns(3, 2))) == 2);
    source.request_stop(); // too late, and nobody is there any more
}

TEST_CASE("what is stopped is destroyed before its awaiter goes on", "[loop]") {
    event_loop loop;
    std::stop_source source;
    int alive = 0;
    int alive_afterwards = -1;
    const auto body = [&]() -> task<bool> {
        const bool completed = co_await with_stop(source.get_token(), never(counted(alive)));
        alive_afterwards = alive;
        co_return completed;
    };
    loop.post([&] { source.request_stop(); });
    CHECK_FALSE(run(body()));
    CHECK(alive_afterwards == 0);
}

TEST_CASE("a stop may come from another thread", "[loop]") {
    for (int i = 0; i < 20; ++i) {
        std::stop_source source;
        int alive = 0;
        std::thread other;
        const auto body = [&]() -> task<bool> {
            other = std::thread([&] { source.request_stop(); });
            const bool completed = co_await with_stop(source.get_token(), never(counted(alive)));
            co_return completed;
        };
        CHECK_FALSE(run(body()));
        CHECK(alive == 0);
        other.join();
    }
}

TEST_CASE("a stop and an end at the same time are one or the other", "[loop]") {
    for (int i = 0; i < 100; ++i) {
        std::stop_source source;
        std::thread other;
        const auto body = [&]() -> task<std::optional<int>> {
            other = std::thread([&] { source.request_stop(); });
            const std::optional<int> got = co_await with_stop(source.get_token(), after_turns(i, 7));
            co_return got;
        };
        const std::optional<int> got = run(body());
        CHECK((!got || *got == 7));
        other.join();
    }
}

TEST_CASE("what is stopped before it is awaited does not start", "[loop]") {
    std::stop_source source;
    source.request_stop();
    bool started = false;
    int alive = 0;
    const auto body = [&](counted) -> task<int> {
        started = true;
        co_return 1;
    };
    CHECK_FALSE(run(with_stop(source.get_token(), body(counted(alive)))));
    CHECK_FALSE(started);
    CHECK(alive == 0);
}

TEST_CASE("a task may ask for its own stop", "[loop]") {
    std::stop_source source;
    const auto body = [&](bool waits) -> task<int> {
        source.request_stop();
        if (waits) co_await sleep_for(1h);
        co_return 1;
    };
    SECTION("and is stopped where it waits next") { CHECK_FALSE(run(with_stop(source.get_token(), body(true)))); }
    SECTION("and has completed if it does not wait any more") {
        CHECK(run(with_stop(source.get_token(), body(false))) == 1);
    }
}

TEST_CASE("a stop that is on its way when its awaiter is destroyed finds nobody", "[loop]") {
    event_loop loop;
    std::stop_source source;
    int alive = 0;
    driven d = drive(with_stop(source.get_token(), never(counted(alive))));
    source.request_stop(); // posted, not yet called
    SECTION("before the turn") { d.cancel(); }
    SECTION("in the turn and before the coroutines") {
        loop.post([&] { d.cancel(); }); // behind the stop, which has scheduled the awaiter
    }
    loop.poll();
    loop.poll();
    CHECK(alive == 0);
}

TEST_CASE("what completes before a stop on its way is seen has completed", "[loop]") {
    event_loop loop;
    std::stop_source source;
    gate g;
    const auto wait = [](gate& at) -> task<int> {
        co_await at.pass();
        co_return 7;
    };
    std::optional<int> got;
    const auto body = [&]() -> task<> { got = co_await with_stop(source.get_token(), wait(g)); };
    const driven d = drive(body());
    source.request_stop();
    loop.post([&] { g.open(); });
    loop.poll();
    CHECK(d.done());
    CHECK(got == 7);
    loop.poll();
}

TEST_CASE("one stop reaches all that listen to it", "[loop]") {
    event_loop loop;
    std::stop_source source;
    int alive = 0;
    const driven a = drive(with_stop(source.get_token(), never(counted(alive))));
    const driven b = drive(with_stop(source.get_token(), with_stop(source.get_token(), never(counted(alive)))));
    source.request_stop();
    for (int turn = 0; turn < 3; ++turn) loop.poll();
    CHECK(a.done());
    CHECK(b.done());
    CHECK(alive == 0);
}

TEST_CASE("a stop that comes together with the end of a race disturbs nobody", "[loop]") {
    event_loop loop;
    std::stop_source source;
    int alive = 0;
    const auto body = [&]() -> task<std::size_t> {
        const auto first = co_await when_any(with_stop(source.get_token(), never(counted(alive))), yield());
        co_return first.index;
    };
    loop.post([&] { source.request_stop(); });
    const std::size_t index = run(body());
    CHECK(index <= 1u);
    CHECK(alive == 0);
    loop.poll();
}

#endif
