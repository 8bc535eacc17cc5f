// SPDX-License-Identifier: BSL-1.0
#include <coproc/loop/run.hpp>

#include <coproc/coro/async_generator.hpp>
#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/task_group.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/resources.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

task<int> after_a_turn(int n) {
    co_await yield();
    co_return n;
}

} // namespace

TEST_CASE("run yields what its task yields", "[loop]") {
    const nothing_leaks check;
    const auto ready = []() -> task<int> { co_return 1; };
    CHECK(run(ready()) == 1);
    CHECK(run(after_a_turn(2)) == 2);
    const auto make = []() -> task<std::unique_ptr<int>> {
        co_await yield();
        co_return std::make_unique<int>(3);
    };
    CHECK(*run(make()) == 3);
    std::string object;
    const auto refer = [](std::string& s) -> task<std::string&> {
        co_await yield();
        co_return s;
    };
    CHECK(&run(refer(object)) == &object);
    bool ran = false;
    const auto nothing_to_say = [&]() -> task<> {
        co_await yield();
        ran = true;
    };
    run(nothing_to_say());
    CHECK(ran);
}

TEST_CASE("run throws what its task throws", "[loop]") {
    const auto fail = [](bool later) -> task<int> {
        if (later) co_await yield();
        throw std::runtime_error("failed");
    };
    CHECK_THROWS_AS(run(fail(false)), std::runtime_error);
    CHECK_THROWS_AS(run(fail(true)), std::runtime_error);
}

TEST_CASE("run takes anything that can be awaited", "[loop]") {
    run(yield());
    run(sleep_for(1us));
    CHECK(run(when_all(after_a_turn(1), after_a_turn(2))) == std::tuple(1, 2));
    event_loop loop;
    const auto count = []() -> async_generator<int> {
        for (int i = 1;; ++i) {
            co_await yield();
            co_yield int(i);
        }
    };
    auto numbers = count(); // it lives from one run to the next, in a loop that does
    CHECK(run(numbers.next()) == 1);
    CHECK(run(numbers.next()) == 2);
}

TEST_CASE("run makes a loop where there is none and takes it away again", "[loop]") {
    const nothing_leaks check;
    REQUIRE(event_loop::try_current() == nullptr);
    const auto body = []() -> task<bool> { co_return event_loop::try_current() != nullptr; };
    CHECK(run(body()));
    CHECK(event_loop::try_current() == nullptr);
    const auto fail = []() -> task<> {
        throw std::runtime_error("failed");
        co_return;
    };
    CHECK_THROWS_AS(run(fail()), std::runtime_error);
    CHECK(event_loop::try_current() == nullptr);
}

TEST_CASE("run uses the loop that is there", "[loop]") {
    event_loop loop;
    const auto body = []() -> task<event_loop*> {
        co_await yield();
        co_return &event_loop::current();
    };
    CHECK(run(body()) == &loop);
    CHECK(event_loop::try_current() == &loop);
}

TEST_CASE("run within a turn is a mistake and the turn goes on", "[loop]") {
    bool refused = false;
    const auto body = [&]() -> task<int> {
        try {
            run(yield());
        } catch (const usage_error&) {
            refused = true;
        }
        const int n = co_await after_a_turn(4);
        co_return n;
    };
    CHECK(run(body()) == 4);
    CHECK(refused);
}

TEST_CASE("run returns as soon as its task has ended whoever else still waits", "[loop]") {
    event_loop loop;
    int alive = 0;
    {
        task_group group;
        const auto hold = [&](counted) -> task<> { co_await sleep_for(1h); };
        group.start(hold(counted(alive)));
        run(yield());
        CHECK(alive == 1);
    }
    CHECK(alive == 0);
}

TEST_CASE("what a posted function throws ends the run and cancels its task", "[loop]") {
    event_loop loop;
    int alive = 0;
    const auto body = [&](counted) -> task<> {
        loop.post([] { throw std::runtime_error("posted"); });
        co_await sleep_for(1h);
    };
    CHECK_THROWS_AS(run(body(counted(alive))), std::runtime_error);
    CHECK(alive == 0);
    CHECK(run(after_a_turn(1)) == 1); // the loop is as good as new
}

TEST_CASE("a stop of the loop does not end the run of a task", "[loop]") {
    event_loop loop;
    loop.stop();
    CHECK(run(after_a_turn(1)) == 1);
    const auto body = [&]() -> task<int> {
        loop.stop();
        co_await yield();
        co_await yield();
        co_return 2;
    };
    CHECK(run(body()) == 2);
}

TEST_CASE("what a task holds is gone when run returns", "[loop]") {
    int alive = 0;
    const auto body = [&](counted) -> task<> {
        const counted local(alive);
        co_await yield();
    };
    run(body(counted(alive)));
    CHECK(alive == 0);
}

TEST_CASE("every thread may run a loop of its own", "[loop]") {
    std::array<int, 4> sums{};
    std::array<std::thread, 4> threads;
    for (std::size_t t = 0; t < threads.size(); ++t) {
        threads[t] = std::thread([&sum = sums[t]] {
            const auto body = []() -> task<int> {
                int total = 0;
                for (int i = 0; i < 100; ++i) total += co_await after_a_turn(1);
                co_await sleep_for(100us);
                co_return total;
            };
            sum = run(body());
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(sums == std::array<int, 4>{100, 100, 100, 100});
}
