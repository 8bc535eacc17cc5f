// SPDX-License-Identifier: BSL-1.0
#include <coproc/coro/when_all.hpp>

#include <coproc/coro/async_generator.hpp>
#include <coproc/coro/task.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/gate.hpp"

using namespace coproc;

namespace {

template <class T>
task<T> value_behind(gate& g, T value) {
    co_await g.pass();
    co_return value;
}
task<int> ready(int n) { co_return n; }
task<int> fail_behind(gate& g, const char* why) {
    co_await g.pass();
    throw std::runtime_error(why);
}

} // namespace

TEST_CASE("when_all yields what all have yielded in the order given", "[coro]") {
    gate a, b, c;
    std::optional<std::tuple<int, nothing, std::string>> got;
    const auto body = [&]() -> task<> {
        got = co_await when_all(value_behind(a, 1), pass(b), value_behind<std::string>(c, "three"));
    };
    const driven d = drive(body());
    for (gate* g : {&a, &b, &c}) CHECK(g->waited_for()); // all at once
    c.open();
    a.open();
    CHECK_FALSE(d.done());
    b.open(); // the last of them, whichever it is
    CHECK(d.done());
    CHECK(got == std::tuple(1, nothing(), std::string("three")));
}

TEST_CASE("when_all of awaitables that wait for nothing waits for nothing", "[coro]") {
    int sum = 0;
    const auto body = [&]() -> task<> {
        const auto got = co_await when_all(ready(1), ready(2), ready(3));
        sum = std::get<0>(got) + std::get<1>(got) + std::get<2>(got);
    };
    CHECK(drive(body()).done());
    CHECK(sum == 6);
}

TEST_CASE("when_all of some that wait and some that do not completes with the last", "[coro]") {
    gate g;
    const auto body = [&]() -> task<> {
        const auto got = co_await when_all(ready(1), value_behind(g, 2), ready(3));
        CHECK(got == std::tuple(1, 2, 3));
    };
    const driven d = drive(body());
    CHECK_FALSE(d.done());
    g.open();
    CHECK(d.done());
}

TEST_CASE("when_all of nothing is ready", "[coro]") {
    bool went_on = false;
    const auto body = [&]() -> task<> {
        const std::tuple<> none = co_await when_all();
        static_cast<void>(none);
        const std::vector<int> no_values = co_await when_all(std::vector<task<int>>());
        CHECK(no_values.empty());
        co_await when_all(std::vector<task<>>());
        went_on = true;
    };
    CHECK(drive(body()).done());
    CHECK(went_on);
}

TEST_CASE("when_all of a vector yields a vector in the order given", "[coro]") {
    std::array<gate, 4> gates;
    std::vector<int> got;
    const auto body = [&]() -> task<> {
        std::vector<task<int>> tasks;
        for (std::size_t i = 0; i < gates.size(); ++i) tasks.push_back(value_behind(gates[i], static_cast<int>(i)));
        got = co_await when_all(std::move(tasks));
    };
    const driven d = drive(body());
    for (const std::size_t i : {2u, 0u, 3u, 1u}) {
        CHECK_FALSE(d.done());
        gates[i].open();
    }
    CHECK(d.done());
    CHECK(got == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("when_all of a vector of tasks without a value just completes", "[coro]") {
    std::array<gate, 3> gates;
    const auto body = [&]() -> task<> {
        std::vector<task<>> tasks;
        for (gate& g : gates) tasks.push_back(pass(g));
        co_await when_all(std::move(tasks));
    };
    const driven d = drive(body());
    for (gate& g : gates) {
        CHECK_FALSE(d.done());
        g.open();
    }
    CHECK(d.done());
}

TEST_CASE("when_all hands on what can only be moved and what is a reference", "[coro]") {
    int object = 0;
    const auto make = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    const auto refer = [](int& o) -> task<int&> { co_return o; };
    const auto body = [&]() -> task<> {
        auto got = co_await when_all(make(), refer(object));
        CHECK(*std::get<0>(got) == 7);
        CHECK(&std::get<1>(got) == &object);
    };
    CHECK(drive(body()).done());
}

TEST_CASE("when_all throws the first exception in the order given but not before all have ended", "[coro]") {
    gate a, b, c;
    const auto body = [&]() -> task<> {
        static_cast<void>(co_await when_all(value_behind(a, 1), fail_behind(b, "b"), fail_behind(c, "c")));
    };
    const driven d = drive(body());
    c.open(); // fails first in time
    b.open();
    CHECK_FALSE(d.done());
    a.open();
    std::string caught;
    try {
        static_cast<void>(d.done());
    } catch (const std::runtime_error& e) {
        caught = e.what();
    }
    CHECK(caught == "b");
}

TEST_CASE("when_all of a vector in which one throws at once still lets the others end", "[coro]") {
    gate open_gate, g;
    open_gate.open();
    int ended = 0;
    const auto count = [&]() -> task<int> {
        co_await g.pass();
        co_return ++ended;
    };
    const auto body = [&]() -> task<> {
        std::vector<task<int>> tasks;
        tasks.push_back(fail_behind(open_gate, "at once"));
        tasks.push_back(count());
        static_cast<void>(co_await when_all(std::move(tasks)));
    };
    const driven d = drive(body());
    CHECK_FALSE(d.done());
    g.open();
    CHECK_THROWS_AS(d.done(), std::runtime_error);
    CHECK(ended == 1);
}

TEST_CASE("when_all takes anything that can be awaited", "[coro]") {
    const auto count = []() -> async_generator<int> {
        co_yield 1;
        co_yield 2;
    };
    const auto body = [&]() -> task<> {
        auto first = count();
        auto second = count();
        gate open_gate;
        open_gate.open();
        const auto got = co_await when_all(first.next(), open_gate.pass(), when_all(second.next(), ready(9)));
        CHECK(std::get<0>(got) == 1);
        CHECK(std::get<2>(got) == std::tuple(std::optional<int>(1), 9));
    };
    CHECK(drive(body()).done());
}

TEST_CASE("destroying a when_all cancels those that still run", "[coro]") {
    int alive = 0;
    std::array<gate, 3> gates;
    const auto hold = [&](gate& g, counted) -> task<> {
        const counted local(alive);
        co_await g.pass();
    };
    const int opened = GENERATE(range(0, 3)); // how many have ended by then
    const bool as_vector = GENERATE(false, true);
    const auto body = [&]() -> task<> {
        if (as_vector) {
            std::vector<task<>> tasks;
            for (gate& g : gates) tasks.push_back(hold(g, counted(alive)));
            co_await when_all(std::move(tasks));
        } else {
            auto all = when_all(hold(gates[0], counted(alive)), hold(gates[1], counted(alive)),
                                hold(gates[2], counted(alive)));
            static_cast<void>(co_await all);
        }
    };
    driven d = drive(body());
    CHECK(alive == 6);
    for (int i = 0; i < opened; ++i) gates[static_cast<std::size_t>(i)].open();
    d.cancel();
    CHECK(alive == 0);
    for (gate& g : gates) CHECK_FALSE(g.waited_for());
}

TEST_CASE("a when_all that is dropped has started nothing", "[coro]") {
    int alive = 0;
    bool ran = false;
    const auto body = [&](counted) -> task<> {
        ran = true;
        co_return;
    };
    {
        auto both = when_all(body(counted(alive)), body(counted(alive)));
        const auto moved = std::move(both);
        CHECK(alive == 2);
    }
    CHECK(alive == 0);
    CHECK_FALSE(ran);
}
