// SPDX-License-Identifier: BSL-1.0
#include <coproc/loop/timers.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <ratio>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using coproc::timer_heap;
using coproc::to_clock_duration;
using clock_type = coproc::platform::clock;
using time_point = clock_type::time_point;
using duration = clock_type::duration;

namespace {

struct test_timer final : coproc::timer {
    void on_timer() noexcept override {}
};

time_point at(int n) { return time_point(std::chrono::milliseconds(n)); }

} // namespace

TEST_CASE("a heap gives the earliest timer first", "[loop]") {
    timer_heap heap;
    CHECK(heap.empty());
    CHECK(heap.earliest() == time_point::max());
    test_timer a, b, c;
    heap.add(a, at(20));
    heap.add(b, at(10));
    heap.add(c, at(30));
    for (const test_timer* t : {&a, &b, &c}) CHECK(t->pending());

    for (test_timer* expected : {&b, &a, &c}) {
        CHECK(&heap.front() == expected);
        heap.remove(*expected);
        CHECK_FALSE(expected->pending());
    }
    CHECK(heap.empty());
    CHECK(heap.earliest() == time_point::max());
}

TEST_CASE("a timer can be taken out of the middle and put in again", "[loop]") {
    timer_heap heap;
    std::vector<test_timer> timers(7);
    for (int i = 0; i < 7; ++i) heap.add(timers[static_cast<std::size_t>(i)], at(i));
    heap.remove(timers[3]);
    heap.remove(timers[1]);
    CHECK_FALSE(timers[3].pending());
    heap.remove(timers[3]); // twice is harmless
    heap.add(timers[1], at(100));
    for (const std::size_t expected : {0u, 2u, 4u, 5u, 6u, 1u}) {
        CHECK(&heap.front() == &timers[expected]);
        heap.remove(heap.front());
    }
    CHECK(heap.empty());
}

TEST_CASE("timers may have the same deadline or the end of time", "[loop]") {
    timer_heap heap;
    std::vector<test_timer> timers(5);
    for (std::size_t i = 0; i < 3; ++i) heap.add(timers[i], at(1));
    heap.add(timers[3], time_point::max());
    heap.add(timers[4], time_point::min());
    CHECK(&heap.front() == &timers[4]);
    heap.remove(timers[4]);
    for (int i = 0; i < 3; ++i) {
        CHECK(heap.earliest() == at(1));
        heap.remove(heap.front());
    }
    CHECK(&heap.front() == &timers[3]);
    heap.remove(timers[3]);
}

TEST_CASE("a timer that is in no heap can be moved", "[loop]") {
    timer_heap heap;
    test_timer a;
    heap.add(a, at(1));
    heap.remove(a);
    test_timer b(std::move(a));
    CHECK_FALSE(b.pending());
    heap.add(b, at(2));
    CHECK(heap.earliest() == at(2));
    heap.remove(b);
}

TEST_CASE("a heap agrees with a multimap whatever happens to it", "[loop]") {
    std::mt19937 random(GENERATE(1u, 2u, 3u));
    const auto pick = [&](int most) { return std::uniform_int_distribution<int>(0, most)(random); };

    timer_heap heap;
    std::multimap<time_point, test_timer*> model;
    std::vector<std::unique_ptr<test_timer>> timers;
    const auto forget = [&](test_timer& t) {
        const auto found = std::find_if(model.begin(), model.end(), [&](auto& each) { return each.second == &t; });
        REQUIRE(found != model.end());
        model.erase(found);
        heap.remove(t);
        timers.erase(std::find_if(timers.begin(), timers.end(), [&](auto& each) { return each.get() == &t; }));
    };
    for (int step = 0; step < 5000; ++step) {
        // It grows, is emptied, and grows again.
        const bool growing = step / 500 % 2 == 0;
        if (timers.empty() || pick(9) < (growing ? 7 : 2)) {
            timers.push_back(std::make_unique<test_timer>());
            const time_point when = at(pick(200)); // many have the same
            heap.add(*timers.back(), when);
            model.emplace(when, timers.back().get());
        } else if (pick(1) == 0) {
            test_timer& first = static_cast<test_timer&>(heap.front());
            REQUIRE(heap.earliest() == model.begin()->first);
            forget(first);
        } else {
            forget(*timers[static_cast<std::size_t>(pick(static_cast<int>(timers.size()) - 1))]);
        }
        REQUIRE(heap.empty() == model.empty());
        if (!model.empty()) REQUIRE(heap.earliest() == model.begin()->first);
    }
    while (!timers.empty()) forget(*timers.back());
    CHECK(heap.empty());
}

TEST_CASE("durations are rounded up so that no timer is early", "[loop]") {
    using picoseconds = std::chrono::duration<std::int64_t, std::pico>;
    CHECK(to_clock_duration(3ms) == 3ms);
    CHECK(to_clock_duration(0s) == 0s);
    CHECK(to_clock_duration(-5us) == -5us);
    CHECK(to_clock_duration(picoseconds(1)) == duration(1));
    CHECK(to_clock_duration(std::chrono::duration<double>(0.25)) == 250ms);
    CHECK(to_clock_duration(std::chrono::duration<double, std::nano>(1.5)) == duration(2));
}

TEST_CASE("durations beyond those of the clock become the longest or the shortest", "[loop]") {
    using seconds = std::chrono::duration<double>;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    CHECK(to_clock_duration(duration::max()) == duration::max());
    CHECK(to_clock_duration(std::chrono::hours::max()) == duration::max());
    CHECK(to_clock_duration(std::chrono::hours::min()) == duration::min());
    CHECK(to_clock_duration(std::chrono::seconds::max()) == duration::max());
    CHECK(to_clock_duration(std::chrono::milliseconds::min()) == duration::min());
    CHECK(to_clock_duration(seconds(infinity)) == duration::max());
    CHECK(to_clock_duration(seconds(-infinity)) == duration::min());
    CHECK(to_clock_duration(seconds::max()) == duration::max());
    CHECK(to_clock_duration(std::chrono::duration<float>(1e30f)) == duration::max());
    CHECK(to_clock_duration(std::chrono::years(60'000)) == duration::max());
    CHECK(to_clock_duration(std::chrono::hours(24 * 365 * 200)) == std::chrono::hours(24 * 365 * 200)); // still exact
}

TEST_CASE("durations at the edge of the clock do not overflow", "[loop]") {
    using seconds = std::chrono::duration<double>;
    const double edge = std::chrono::duration_cast<seconds>(duration::max()).count();
    for (double s = edge - 1e-4; s < edge + 1e-4; s = std::nextafter(s, 2 * edge)) {
        CHECK(to_clock_duration(seconds(s)) > duration::max() - 1s);
        CHECK(to_clock_duration(seconds(-s)) < duration::min() + 1s);
    }
    // The largest float below the edge: as a float, its nanoseconds would be beyond it.
    CHECK(to_clock_duration(std::chrono::duration<float>(9'223'371'776.0f)) == 9'223'371'776s);
    const std::int64_t whole = std::chrono::duration_cast<std::chrono::microseconds>(duration::max()).count();
    for (std::int64_t us = whole - 3; us <= whole + 3; ++us) {
        CHECK(to_clock_duration(std::chrono::microseconds(us)) > duration::max() - 1s);
    }
}

TEST_CASE("a deadline that cannot be represented is the end of time", "[loop]") {
    CHECK(coproc::deadline_after(duration::max()) == time_point::max());
    const time_point before = clock_type::now();
    CHECK(coproc::deadline_after(1h) >= before + 1h);
    CHECK(coproc::deadline_after(duration::min()) < before);
    CHECK(coproc::deadline_after(time_point::max() - before) <= time_point::max());
}
