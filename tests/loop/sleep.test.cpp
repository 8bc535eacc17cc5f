// SPDX-License-Identifier: BSL-1.0
#include <coproc/loop/sleep.hpp>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/run.hpp>
#include <coproc/loop/task_group.hpp>

#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/driven.hpp"

using namespace coproc;
using namespace std::chrono_literals;
using time_point = coproc::event_loop::clock::time_point;

namespace {

time_point now() { return coproc::event_loop::clock::now(); }

} // namespace

TEST_CASE("a sleep is never shorter than asked for", "[loop]") {
    const auto body = []() -> task<> {
        for (const auto d : {1ns, 1000ns, 50'000ns, 300'000ns, 1'000'000ns, 3'700'000ns}) {
            const time_point before = now();
            co_await sleep_for(d);
            const auto slept = now() - before;
            CHECK(slept >= d);
        }
        const time_point before = now();
        co_await sleep_for(std::chrono::duration<double, std::milli>(0.75));
        const auto slept = now() - before;
        CHECK(slept >= 750us);
    };
    run(body());
}

TEST_CASE("a sleep until a point in time ends behind it", "[loop]") {
    const time_point due = now() + 2ms;
    run(sleep_until(due));
    CHECK(now() >= due);
}

TEST_CASE("sleepers wake in the order of their deadlines", "[loop]") {
    std::string trace;
    // From one point in time, since the machine may do something else between two sleepers' first steps.
    const time_point start = now();
    const auto sleeper = [&](std::chrono::microseconds d, char name) -> task<> {
        co_await sleep_until(start + d);
        trace += name;
    };
    const auto body = [&]() -> task<> {
        std::vector<task<>> all;
        all.push_back(sleeper(4ms, 'd'));
        all.push_back(sleeper(300us, 'a'));
        all.push_back(sleeper(3ms, 'c'));
        all.push_back(sleeper(2ms, 'b'));
        co_await when_all(std::move(all));
    };
    run(body());
    CHECK(trace == "abcd");
}

TEST_CASE("a sleep of nothing or less lets one turn go by", "[loop]") {
    event_loop loop;
    std::string trace;
    const auto sleeper = [&](std::chrono::nanoseconds d) -> task<> {
        trace += "before ";
        co_await sleep_for(d);
        trace += "after ";
    };
    for (const auto d : {0ns, -1ns, std::chrono::nanoseconds(-1h), std::chrono::nanoseconds::min()}) {
        trace.clear();
        const driven sleeping = drive(sleeper(d));
        loop.post([&] { trace += "others "; });
        CHECK(trace == "before ");
        loop.poll();
        CHECK(trace == "before others after ");
        CHECK(sleeping.done());
    }
    // The past, however remote.
    for (const time_point when : {now() - 1h, time_point(), time_point::min()}) {
        const driven sleeping = drive(sleep_until(when));
        CHECK_FALSE(sleeping.done());
        loop.poll();
        CHECK(sleeping.done());
    }
}

TEST_CASE("a sleep beyond the end of the clock neither overflows nor ends", "[loop]") {
    event_loop loop;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::vector<driven> sleeping;
    sleeping.push_back(drive(sleep_for(std::chrono::hours::max())));
    sleeping.push_back(drive(sleep_for(std::chrono::nanoseconds::max())));
    sleeping.push_back(drive(sleep_for(std::chrono::duration<double>(infinity))));
    sleeping.push_back(drive(sleep_for(std::chrono::duration<double>(1e300))));
    sleeping.push_back(drive(sleep_until(time_point::max())));
    sleeping.push_back(drive(sleep_until(time_point::max() - 1ns)));
    for (int turn = 0; turn < 3; ++turn) loop.poll();
    loop.run_once(1ms);
    for (const driven& each : sleeping) CHECK_FALSE(each.done());
    sleeping.clear();
}

TEST_CASE("a short sleep beside one without end ends", "[loop]") {
    const auto body = []() -> task<> {
        const auto first = co_await when_any(sleep_for(std::chrono::hours::max()), sleep_for(1ms));
        CHECK(first.index == 1u);
    };
    run(body());
}

TEST_CASE("the time of a sleep counts from the call and not from the await", "[loop]") {
    event_loop loop;
    auto early = sleep_for(1ms);
    loop.run(sleep_for(2ms));
    const driven sleeping = drive(std::move(early)); // overdue
    loop.poll();
    CHECK(sleeping.done());
}

TEST_CASE("a sleep that is destroyed wakes nobody", "[loop]") {
    event_loop loop;
    SECTION("before its time") {
        drive(sleep_for(1ms)).cancel();
        loop.run(sleep_for(2ms));
    }
    SECTION("when its time has come but nobody has noticed") {
        driven sleeping = drive(sleep_for(0s));
        sleeping.cancel();
        loop.poll();
    }
    SECTION("by one that is resumed in the same turn") {
        const time_point due = now() - 1ms;
        std::optional<driven> first;
        std::optional<driven> second;
        int woken = 0;
        const auto sleeper = [&](std::optional<driven>& other) -> task<> {
            co_await sleep_until(due);
            ++woken;
            other.reset();
        };
        first.emplace(drive(sleeper(second)));
        second.emplace(drive(sleeper(first)));
        loop.poll();
        CHECK(woken == 1);
        loop.poll();
        CHECK(woken == 1);
    }
}

TEST_CASE("a thousand sleepers can be cancelled in any order", "[loop]") {
    event_loop loop;
    std::vector<driven> sleeping;
    for (int i = 0; i < 1000; ++i) sleeping.push_back(drive(sleep_for(std::chrono::minutes(1 + i * 7919 % 1000))));
    loop.poll();
    for (std::size_t i = 0; i < sleeping.size(); i += 3) sleeping[i].cancel();
    loop.poll();
    while (!sleeping.empty()) sleeping.pop_back();
    loop.poll();
}

TEST_CASE("a yield lets everybody else go first", "[loop]") {
    event_loop loop;
    std::string trace;
    const auto body = [&](char name) -> task<> {
        for (int i = 0; i < 3; ++i) {
            trace += name;
            co_await yield();
        }
    };
    const driven a = drive(body('a'));
    const driven b = drive(body('b'));
    loop.post([&] { trace += 'p'; });
    for (int turn = 0; turn < 3; ++turn) loop.poll();
    CHECK(trace == "abpabab");
    CHECK(a.done());
    CHECK(b.done());
}

TEST_CASE("one that yields for ever holds up neither timers nor posts", "[loop]") {
    event_loop loop;
    bool posted = false;
    const auto spin = []() -> task<> {
        for (;;) co_await yield();
    };
    const auto body = [&]() -> task<> {
        task_group group;
        group.start(spin());
        loop.post([&] { posted = true; });
        co_await sleep_for(1ms);
    };
    loop.run(body());
    CHECK(posted);
}

TEST_CASE("who waits where no loop is has made a mistake", "[loop]") {
    REQUIRE(event_loop::try_current() == nullptr);
    CHECK_THROWS_AS(drive(sleep_for(1ms)).done(), usage_error);
    CHECK_THROWS_AS(drive(yield()).done(), usage_error);
    const auto body = []() -> task<> {
        try {
            co_await sleep_for(1ms);
        } catch (const usage_error&) {
            co_return; // it comes out of the await, where it can be caught
        }
        FAIL("slept without a loop");
    };
    CHECK(drive(body()).done());
}

TEST_CASE("a sleep that is moved before it is awaited is awaited as well", "[loop]") {
    const time_point before = now();
    const auto body = []() -> task<> {
        auto here = sleep_for(1ms);
        auto there = std::move(here);
        co_await there;
        auto y = yield();
        auto z = std::move(y);
        co_await z;
    };
    run(body());
    CHECK(now() >= before + 1ms);
}
