// SPDX-License-Identifier: BSL-1.0
#include <coproc/coro/when_any.hpp>

#include <coproc/coro/async_generator.hpp>
#include <coproc/coro/task.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/gate.hpp"

using namespace coproc;

namespace {

task<int> value_behind(gate& g, int value) {
    co_await g.pass();
    co_return value;
}
task<int> fail_behind(gate& g) {
    co_await g.pass();
    throw std::runtime_error("failed");
}

} // namespace

TEST_CASE("when_any yields the first that ends and which one it was", "[coro]") {
    gate a, b, c;
    const auto body = [&]() -> task<> {
        const auto first = co_await when_any(value_behind(a, 1), value_behind(b, 2), pass(c));
        CHECK(first.index == 1u);
        CHECK(first.value.index() == 1u);
        CHECK(std::get<1>(first.value) == 2);
    };
    const driven d = drive(body());
    for (gate* g : {&a, &b, &c}) CHECK(g->waited_for());
    b.open();
    CHECK(d.done());
    for (gate* g : {&a, &b, &c}) CHECK_FALSE(g->waited_for());
    a.open(); // too late
    c.open();
}

TEST_CASE("the losers of when_any are destroyed before it returns", "[coro]") {
    int alive = 0;
    int alive_afterwards = -1;
    std::array<gate, 3> gates;
    const auto hold = [&](gate& g, counted) -> task<> {
        const counted local(alive);
        co_await g.pass();
    };
    const std::size_t winner = GENERATE(range(std::size_t{0}, std::size_t{3}));
    const bool as_vector = GENERATE(false, true);
    const auto body = [&]() -> task<> {
        std::size_t index = 99;
        if (as_vector) {
            std::vector<task<>> tasks;
            for (gate& g : gates) tasks.push_back(hold(g, counted(alive)));
            const auto first = co_await when_any(std::move(tasks));
            index = first.index;
        } else {
            const auto first = co_await when_any(hold(gates[0], counted(alive)), hold(gates[1], counted(alive)),
                                                 hold(gates[2], counted(alive)));
            index = first.index;
        }
        alive_afterwards = alive;
        CHECK(index == winner);
    };
    const driven d = drive(body());
    CHECK(alive == 6);
    gates[winner].open();
    CHECK(d.done());
    CHECK(alive_afterwards == 0);
    for (gate& g : gates) CHECK_FALSE(g.waited_for());
}

TEST_CASE("when_any starts nobody behind one that has ended at once", "[coro]") {
    gate open_gate, closed;
    open_gate.open();
    bool started = false;
    const auto late = [&]() -> task<> {
        started = true;
        co_return;
    };
    const auto body = [&]() -> task<> {
        const auto first = co_await when_any(value_behind(closed, 1), value_behind(open_gate, 2), late());
        CHECK(first.index == 1u);
    };
    CHECK(drive(body()).done());
    CHECK_FALSE(started);
    CHECK_FALSE(closed.waited_for());
}

TEST_CASE("when_any throws what the first one has thrown and destroys the others", "[coro]") {
    gate a, b;
    std::string caught;
    bool b_waits = true;
    const auto body = [&]() -> task<> {
        try {
            static_cast<void>(co_await when_any(fail_behind(a), value_behind(b, 2)));
        } catch (const std::runtime_error& e) {
            caught = e.what();
            b_waits = b.waited_for();
        }
    };
    const driven d = drive(body());
    a.open();
    CHECK(d.done());
    CHECK(caught == "failed");
    CHECK_FALSE(b_waits);
}

TEST_CASE("a failure behind the winner concerns nobody", "[coro]") {
    gate a, b;
    const auto body = [&]() -> task<> {
        const auto first = co_await when_any(fail_behind(a), value_behind(b, 2));
        CHECK(first.index == 1u);
    };
    const driven d = drive(body());
    b.open();
    CHECK(d.done());
    a.open();
}

TEST_CASE("when_any of a vector yields an index and a value", "[coro]") {
    std::array<gate, 5> gates;
    const auto body = [&]() -> task<> {
        std::vector<task<int>> tasks;
        for (std::size_t i = 0; i < gates.size(); ++i) {
            tasks.push_back(value_behind(gates[i], 10 * static_cast<int>(i)));
        }
        const auto first = co_await when_any(std::move(tasks));
        CHECK(first.index == 3u);
        CHECK(first.value == 30);
    };
    const driven d = drive(body());
    gates[3].open();
    CHECK(d.done());
}

TEST_CASE("when_any of a vector stops starting once one has ended", "[coro]") {
    int started = 0;
    const auto ready = [&]() -> task<int> { co_return ++started; };
    const auto body = [&]() -> task<> {
        std::vector<task<int>> tasks;
        for (int i = 0; i < 3; ++i) tasks.push_back(ready());
        const auto first = co_await when_any(std::move(tasks));
        CHECK(first.index == 0u);
        CHECK(first.value == 1);
    };
    CHECK(drive(body()).done());
    CHECK(started == 1);
}

TEST_CASE("when_any of an empty vector is a mistake", "[coro]") {
    CHECK_THROWS_AS(when_any(std::vector<task<int>>()), usage_error);
}

TEST_CASE("when_any hands on what can only be moved", "[coro]") {
    gate never;
    const auto make = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    const auto body = [&]() -> task<> {
        auto first = co_await when_any(pass(never), make());
        const std::unique_ptr<int> got = std::get<1>(std::move(first.value));
        CHECK(*got == 7);
        std::vector<task<std::unique_ptr<int>>> tasks;
        tasks.push_back(make());
        auto second = co_await when_any(std::move(tasks));
        CHECK(*second.value == 7);
    };
    CHECK(drive(body()).done());
}

TEST_CASE("a generator whose next has lost a race has lost no value", "[coro]") {
    gate value, other;
    const auto body_of = [](gate& g) -> async_generator<int> {
        co_await g.pass();
        co_yield 1;
        co_yield 2;
    };
    auto numbers = body_of(value);
    const auto body = [&]() -> task<> {
        const auto first = co_await when_any(numbers.next(), other.pass());
        CHECK(first.index == 1u);
        const std::optional<int> one = co_await numbers.next();
        const std::optional<int> two = co_await numbers.next();
        CHECK(one == 1);
        CHECK(two == 2);
    };
    const driven d = drive(body());
    other.open();
    CHECK_FALSE(d.done());
    value.open();
    CHECK(d.done());
}

TEST_CASE("destroying a when_any cancels all of it", "[coro]") {
    int alive = 0;
    gate a, b, c;
    const auto hold = [&](gate& g, counted) -> task<> { co_await g.pass(); };
    const auto body = [&]() -> task<> {
        static_cast<void>(co_await when_any(hold(a, counted(alive)), when_any(hold(b, counted(alive)), pass(c))));
    };
    driven d = drive(body());
    CHECK(alive == 2);
    d.cancel();
    CHECK(alive == 0);
    for (gate* g : {&a, &b, &c}) CHECK_FALSE(g->waited_for());
}

TEST_CASE("races may be nested and the winner of the inner wins the outer", "[coro]") {
    gate a, b, c;
    const auto body = [&]() -> task<> {
        const auto outer = co_await when_any(value_behind(a, 1), when_any(value_behind(b, 2), value_behind(c, 3)));
        REQUIRE(outer.index == 1u);
        const auto& inner = std::get<1>(outer.value);
        CHECK(inner.index == 1u);
        CHECK(std::get<1>(inner.value) == 3);
    };
    const driven d = drive(body());
    c.open();
    CHECK(d.done());
    CHECK_FALSE(a.waited_for());
    CHECK_FALSE(b.waited_for());
}

TEST_CASE("a loser that opens the way for another one while it is destroyed resumes nobody twice", "[coro]") {
    // The destructor of the second loser makes the third ready: it has been destroyed, or loses all the same.
    gate a, b, c;
    struct opener {
        gate& g;
        explicit opener(gate& which) : g(which) {}
        opener(const opener&) = delete;
        opener& operator=(const opener&) = delete;
        ~opener() { g.open(); }
    };
    int went_on = 0;
    const auto opening = [](gate& at, gate& opened) -> task<> {
        const opener o(opened);
        co_await at.pass();
    };
    const auto body = [&]() -> task<> {
        const auto first = co_await when_any(pass(a), opening(b, c), pass(c));
        CHECK(first.index == 0u);
        ++went_on;
    };
    const driven d = drive(body());
    a.open();
    CHECK(d.done());
    CHECK(went_on == 1);
}
