// SPDX-License-Identifier: BSL-1.0
#include <coproc/coro/async_generator.hpp>

#include <coproc/coro/task.hpp>

#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/gate.hpp"

using namespace coproc;

namespace {

async_generator<int> count_to(int n) {
    for (int i = 1; i <= n; ++i) co_yield i;
}

// Each value behind a gate of its own.
async_generator<int> gated(std::array<gate, 3>& gates) {
    for (int i = 0; i < 3; ++i) {
        co_await gates[static_cast<std::size_t>(i)].pass();
        co_yield i + 1;
    }
}

task<> take_one(async_generator<int>& from, std::vector<std::optional<int>>& into) {
    into.push_back(co_await from.next());
}

task<> take_all(async_generator<int>& from, std::vector<int>& into) {
    while (auto n = co_await from.next()) into.push_back(*n);
}

using values = std::vector<int>;
using steps = std::vector<std::optional<int>>;

} // namespace

TEST_CASE("a generator yields its values and then nothing for ever", "[coro]") {
    auto numbers = count_to(3);
    values got;
    CHECK(drive(take_all(numbers, got)).done());
    CHECK(got == values{1, 2, 3});
    steps more;
    CHECK(drive(take_one(numbers, more)).done());
    CHECK(drive(take_one(numbers, more)).done());
    CHECK(more == steps{std::nullopt, std::nullopt});

    auto none = count_to(0);
    CHECK(drive(take_one(none, more)).done());
    CHECK_FALSE(more.back());
}

TEST_CASE("nothing of a generator runs before it is asked and no more than was asked for", "[coro]") {
    std::string trace;
    const auto body = [](std::string& t) -> async_generator<int> {
        t += "a";
        co_yield 1;
        t += "b";
        co_yield 2;
        t += "c";
    };
    auto numbers = body(trace);
    CHECK(trace.empty());
    steps got;
    CHECK(drive(take_one(numbers, got)).done());
    CHECK(trace == "a");
    CHECK(drive(take_one(numbers, got)).done());
    CHECK(trace == "ab");
    CHECK(drive(take_one(numbers, got)).done());
    CHECK(trace == "abc");
    CHECK(got == steps{1, 2, std::nullopt});
}

TEST_CASE("a generator may wait between two values", "[coro]") {
    std::array<gate, 3> gates;
    auto numbers = gated(gates);
    values got;
    const driven d = drive(take_all(numbers, got));
    CHECK(got.empty());
    gates[0].open();
    CHECK(got == values{1});
    gates[2].open(); // not yet
    CHECK(got == values{1});
    gates[1].open();
    CHECK(got == values{1, 2, 3});
    CHECK(d.done());
}

TEST_CASE("a generator may await tasks and other generators", "[coro]") {
    gate g;
    const auto doubled = [](async_generator<int> source, gate& at) -> async_generator<int> {
        const auto twice = [](int n, gate& wait_at) -> task<int> {
            co_await wait_at.pass();
            co_return 2 * n;
        };
        while (auto n = co_await source.next()) {
            const int m = co_await twice(*n, at);
            co_yield int(m);
        }
    };
    auto numbers = doubled(count_to(3), g);
    values got;
    const driven d = drive(take_all(numbers, got));
    CHECK(got.empty());
    g.open();
    CHECK(d.done());
    CHECK(got == values{2, 4, 6});
}

TEST_CASE("values that can only be moved are handed over", "[coro]") {
    const auto make = []() -> async_generator<std::unique_ptr<int>> {
        co_yield std::make_unique<int>(1);
        auto named = std::make_unique<int>(2);
        co_yield std::move(named);
    };
    auto pointers = make();
    int sum = 0;
    const auto body = [&]() -> task<> {
        while (auto p = co_await pointers.next()) sum += **p;
    };
    CHECK(drive(body()).done());
    CHECK(sum == 3);
}

TEST_CASE("an object that is yielded by name is still there afterwards", "[coro]") {
    // Whoever writes `co_yield line` and goes on with `line` has not asked for it to be moved from.
    const auto grow = []() -> async_generator<std::string> {
        std::string text = "a string that is too long for the small string optimisation";
        co_yield text;
        text += '!';
        co_yield text;
    };
    auto texts = grow();
    std::vector<std::string> got;
    const auto body = [&]() -> task<> {
        while (auto t = co_await texts.next()) got.push_back(*t);
    };
    CHECK(drive(body()).done());
    REQUIRE(got.size() == 2u);
    CHECK(got[1] == got[0] + '!');
}

TEST_CASE("what a generator throws comes out once and then it has ended", "[coro]") {
    gate g;
    const auto fail = [](gate& at) -> async_generator<int> {
        co_yield 1;
        co_await at.pass();
        throw std::runtime_error("broken");
    };
    auto numbers = fail(g);
    steps got;
    CHECK(drive(take_one(numbers, got)).done());
    const driven d = drive(take_one(numbers, got));
    CHECK_FALSE(d.done());
    g.open();
    CHECK_THROWS_AS(d.done(), std::runtime_error);
    CHECK(drive(take_one(numbers, got)).done());
    CHECK(got == steps{1, std::nullopt});
}

TEST_CASE("a generator that throws before its first value throws from the first next", "[coro]") {
    const auto fail = []() -> async_generator<int> {
        throw std::runtime_error("at once");
        co_yield 1;
    };
    auto numbers = fail();
    steps got;
    CHECK_THROWS_AS(drive(take_one(numbers, got)).done(), std::runtime_error);
    CHECK(drive(take_one(numbers, got)).done());
    CHECK(got == steps{std::nullopt});
}

TEST_CASE("destroying a generator wherever it stands destroys all that it holds", "[coro]") {
    int alive = 0;
    std::array<gate, 3> gates;
    const auto body = [](std::array<gate, 3>& at, int& count, counted) -> async_generator<int> {
        const counted local(count);
        for (gate& g : at) {
            const counted in_loop(count);
            co_await g.pass();
            co_yield 1;
        }
    };
    // 0: not begun; odd: waiting; even: at a yield.
    const int stop_at = GENERATE(range(0, 7));
    {
        auto numbers = body(gates, alive, counted(alive));
        std::vector<driven> nexts;
        steps got;
        for (int step = 1; step <= stop_at; ++step) {
            if (step % 2 == 1) nexts.push_back(drive(take_one(numbers, got)));
            else gates[static_cast<std::size_t>(step / 2 - 1)].open();
        }
        CHECK(alive > 0);
        CHECK(got.size() == static_cast<std::size_t>(stop_at / 2));
    } // the nexts first, as in any coroutine, and then the generator
    CHECK(alive == 0);
    for (gate& g : gates) CHECK_FALSE(g.waited_for());
}

TEST_CASE("a next that is cancelled in the middle of a step loses no value", "[coro]") {
    std::array<gate, 3> gates;
    auto numbers = gated(gates);
    steps got;
    SECTION("the value comes while nobody asks") {
        drive(take_one(numbers, got)).cancel();
        CHECK(gates[0].waited_for()); // the step goes on
        gates[0].open();
        CHECK(got.empty());
        CHECK(drive(take_one(numbers, got)).done());
        CHECK(got == steps{1});
        CHECK_FALSE(gates[1].waited_for()); // and nobody has asked for another one
    }
    SECTION("somebody asks again before the value comes") {
        drive(take_one(numbers, got)).cancel();
        const driven again = drive(take_one(numbers, got));
        CHECK_FALSE(again.done());
        gates[0].open();
        CHECK(again.done());
        CHECK(got == steps{1});
    }
    SECTION("it is cancelled time and again") {
        for (int i = 0; i < 5; ++i) drive(take_one(numbers, got)).cancel();
        gates[0].open();
        gates[1].open();
        gates[2].open();
        values rest;
        CHECK(drive(take_all(numbers, rest)).done());
        CHECK(rest == values{1, 2, 3});
    }
}

TEST_CASE("an end that comes while nobody asks is not forgotten", "[coro]") {
    gate g;
    const bool by_exception = GENERATE(false, true);
    const auto body = [](gate& at, bool fail) -> async_generator<int> {
        co_await at.pass();
        if (fail) throw std::runtime_error("while nobody asked");
        if (false) co_yield 0;
    };
    auto numbers = body(g, by_exception);
    steps got;
    drive(take_one(numbers, got)).cancel();
    g.open();
    if (by_exception) CHECK_THROWS_AS(drive(take_one(numbers, got)).done(), std::runtime_error);
    CHECK(drive(take_one(numbers, got)).done());
    CHECK(got == steps{std::nullopt});
}

TEST_CASE("a consumer may destroy the generator that has just resumed it", "[coro]") {
    int alive = 0;
    gate g;
    const auto body = [](gate& at, counted) -> async_generator<int> {
        co_await at.pass();
        co_yield 1;
        co_yield 2;
    };
    std::optional<async_generator<int>> numbers = body(g, counted(alive));
    const auto consumer = [&]() -> task<> {
        static_cast<void>(co_await numbers->next());
        numbers.reset();
        CHECK(alive == 0);
    };
    const driven d = drive(consumer());
    g.open();
    CHECK(d.done());
}

TEST_CASE("a second next while the first one waits is a mistake and the first one waits on", "[coro]") {
    std::array<gate, 3> gates;
    auto numbers = gated(gates);
    steps got;
    const driven first = drive(take_one(numbers, got));
    const driven second = drive(take_one(numbers, got));
    CHECK_THROWS_AS(second.done(), usage_error);
    gates[0].open();
    CHECK(first.done()); // else it would never be resumed
    CHECK(got == steps{1});
}

TEST_CASE("a generator may be moved between two values and while it waits", "[coro]") {
    std::array<gate, 3> gates;
    auto here = gated(gates);
    steps got;
    const driven d = drive(take_one(here, got));
    auto there = std::move(here);
    gates[0].open();
    CHECK(d.done());
    CHECK(got == steps{1});
    gates[1].open();
    CHECK(drive(take_one(there, got)).done());
    CHECK(got == steps{1, 2});
    CHECK_THROWS_AS(here.next(), usage_error); // NOLINT(bugprone-use-after-move)
}

TEST_CASE("a next that is moved before it is awaited is awaited as well", "[coro]") {
    auto numbers = count_to(1);
    const auto body = [&]() -> task<> {
        auto here = numbers.next();
        auto there = std::move(here);
        const std::optional<int> got = co_await there;
        CHECK(got == 1);
    };
    CHECK(drive(body()).done());
}
