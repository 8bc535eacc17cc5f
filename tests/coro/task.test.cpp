// SPDX-License-Identifier: BSL-1.0
#include <coproc/coro/task.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/gate.hpp"

using namespace coproc;

namespace {

// Runs a task that waits for nothing, and yields what it yields.
template <class T>
T result_of(task<T> what) {
    std::optional<T> result;
    const auto await = [](task<T> from, std::optional<T>& to) -> task<> { to = co_await std::move(from); };
    const driven d = drive(await(std::move(what), result));
    REQUIRE(d.done());
    return std::move(*result);
}

task<int> answer() { co_return 42; }

} // namespace

TEST_CASE("nothing of a task runs before it is awaited", "[coro]") {
    bool ran = false;
    const auto body = [](bool& r) -> task<> {
        r = true;
        co_return;
    };
    {
        auto dropped = body(ran);
        CHECK_FALSE(ran);
    }
    CHECK_FALSE(ran); // nor when it is dropped
    auto awaited = body(ran);
    const driven d = drive(std::move(awaited));
    CHECK(ran);
}

TEST_CASE("a task that is never awaited still destroys what it was given", "[coro]") {
    int alive = 0;
    {
        const auto body = [](counted) -> task<> { co_return; };
        const auto dropped = body(counted(alive));
        CHECK(alive == 1);
    }
    CHECK(alive == 0);
}

TEST_CASE("a task yields its value", "[coro]") {
    CHECK(result_of(answer()) == 42);
    const auto text = []() -> task<std::string> { co_return "converted"; };
    CHECK(result_of(text()) == "converted");
    const auto empty = []() -> task<std::optional<int>> { co_return std::nullopt; };
    CHECK_FALSE(result_of(empty()));
}

TEST_CASE("a value that can only be moved is moved out", "[coro]") {
    const auto make = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    const std::unique_ptr<int> got = result_of(make());
    REQUIRE(got);
    CHECK(*got == 7);

    const auto make_local = []() -> task<std::unique_ptr<int>> {
        auto local = std::make_unique<int>(8);
        co_return local; // a local is moved without being asked, as by return
    };
    CHECK(*result_of(make_local()) == 8);
}

TEST_CASE("a value on its way out is never copied", "[coro]") {
    struct copy_counter {
        explicit copy_counter(int& c) : copies(&c) {}
        copy_counter(const copy_counter& other) : copies(other.copies) { ++*copies; }
        copy_counter(copy_counter&&) = default;
        copy_counter& operator=(copy_counter&&) = default;
        int* copies;
    };
    int copies = 0;
    const auto make = [](int& c) -> task<copy_counter> { co_return copy_counter(c); };
    const auto pass_on = [&](int& c) -> task<copy_counter> { co_return co_await make(c); };
    CHECK(result_of(pass_on(copies)).copies == &copies);
    CHECK(copies == 0);
}

TEST_CASE("a task of a reference yields that very object", "[coro]") {
    std::string object = "here";
    std::string* got = nullptr;
    const auto refer = [](std::string& s) -> task<std::string&> { co_return s; };
    const auto body = [&]() -> task<> {
        std::string& r = co_await refer(object);
        got = &r;
    };
    const driven d = drive(body());
    CHECK(d.done());
    CHECK(got == &object);
}

TEST_CASE("what a task throws comes out of its await", "[coro]") {
    const auto fail = []() -> task<int> {
        throw std::runtime_error("inner");
        co_return 0;
    };
    const auto pass_on = [&]() -> task<int> { co_return 1 + co_await fail(); };
    std::string caught;
    const auto body = [&]() -> task<> {
        try {
            static_cast<void>(co_await pass_on());
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
    };
    const driven d = drive(body());
    CHECK(d.done());
    CHECK(caught == "inner");
}

TEST_CASE("what a task throws after it has waited comes out too", "[coro]") {
    gate g;
    const auto fail = [&]() -> task<> {
        co_await g.pass();
        throw std::runtime_error("later");
    };
    const driven d = drive(fail());
    CHECK_FALSE(d.done());
    g.open();
    CHECK_THROWS_AS(d.done(), std::runtime_error);
}

TEST_CASE("an awaiter goes on when the task that waited has ended", "[coro]") {
    gate g;
    std::string trace;
    const auto inner = [&]() -> task<int> {
        trace += "in ";
        co_await g.pass();
        trace += "woken ";
        co_return 3;
    };
    const auto middle = [&]() -> task<int> { co_return 10 * co_await inner(); };
    const auto outer = [&]() -> task<> {
        const int n = co_await middle();
        trace += std::to_string(n);
    };
    const driven d = drive(outer());
    CHECK(trace == "in ");
    CHECK_FALSE(d.done());
    g.open();
    CHECK(trace == "in woken 30");
    CHECK(d.done());
}

TEST_CASE("an empty task is a mistake and says so", "[coro]") {
    const auto await_twice = []() -> task<> {
        auto t = answer();
        static_cast<void>(co_await std::move(t));
        static_cast<void>(co_await std::move(t)); // NOLINT(bugprone-use-after-move)
    };
    CHECK_THROWS_AS(drive(await_twice()).done(), usage_error);

    auto from = answer();
    auto to = std::move(from);
    CHECK_THROWS_AS(drive(std::move(from)).done(), usage_error); // NOLINT(bugprone-use-after-move)
    CHECK(drive(std::move(to)).done());
}

TEST_CASE("destroying a task wherever it waits destroys all that it holds", "[coro]") {
    constexpr std::size_t points = 5;
    int alive = 0;
    std::array<gate, points> gates;
    const auto inner = [](int& count, gate& g, counted) -> task<> {
        const counted local(count);
        co_await g.pass();
    };
    const auto outer = [&](counted) -> task<> {
        const counted first(alive);
        co_await inner(alive, gates[0], counted(alive));
        const counted second(alive);
        co_await gates[1].pass();
        for (std::size_t i = 2; i < points; ++i) {
            const counted in_loop(alive);
            auto named = inner(alive, gates[i], counted(alive));
            co_await std::move(named);
        }
    };
    const std::size_t stop_at = GENERATE(range(std::size_t{0}, std::size_t{5}));
    {
        driven d = drive(outer(counted(alive)));
        for (std::size_t i = 0; i < stop_at; ++i) gates[i].open();
        CHECK(alive > 0);
        REQUIRE(gates[stop_at].waited_for());
        d.cancel();
    }
    CHECK(alive == 0);
    for (gate& g : gates) {
        CHECK_FALSE(g.waited_for());
        g.open(); // resumes nobody
    }
}

TEST_CASE("the inner task is destroyed before the outer one", "[coro]") {
    struct last_word {
        std::string& trace;
        const char* word;
        last_word(std::string& t, const char* w) : trace(t), word(w) {}
        last_word(const last_word&) = delete;
        last_word& operator=(const last_word&) = delete;
        ~last_word() { trace += word; }
    };
    std::string trace;
    gate g;
    const auto inner = [&]() -> task<> {
        const last_word w(trace, "inner ");
        co_await g.pass();
    };
    const auto outer = [&]() -> task<> {
        const last_word w(trace, "outer ");
        co_await inner();
    };
    drive(outer()).cancel();
    CHECK(trace == "inner outer ");
}

TEST_CASE("what a task holds is gone before its awaiter goes on", "[coro]") {
    int alive = 0;
    int alive_afterwards = -1;
    gate g;
    const auto inner = [&](counted) -> task<> {
        const counted local(alive);
        co_await g.pass();
    };
    const auto outer = [&]() -> task<> {
        co_await inner(counted(alive));
        alive_afterwards = alive;
    };
    const driven d = drive(outer());
    CHECK(alive == 2);
    g.open();
    CHECK(d.done());
    CHECK(alive_afterwards == 0);
}

TEST_CASE("what an awaiter throws instead of suspending comes out of the await", "[coro]") {
    struct refuses {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) const { throw std::runtime_error("refused"); }
        void await_resume() const noexcept {}
    };
    gate g;
    std::string trace;
    const auto inner = [&]() -> task<int> {
        co_await refuses();
        co_return 1;
    };
    const auto outer = [&]() -> task<> {
        try {
            static_cast<void>(co_await inner());
        } catch (const std::runtime_error& e) {
            trace += e.what();
        }
        co_await g.pass(); // and it can wait again
        trace += " and on";
    };
    const driven d = drive(outer());
    CHECK(trace == "refused");
    g.open();
    CHECK(d.done());
    CHECK(trace == "refused and on");
}

TEST_CASE("a task that is resumed before its awaiter has been told ends as one that never waited", "[coro]") {
    struct resumes_at_once {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
        void await_resume() const noexcept {}
    };
    int resumed = 0;
    const auto inner = [&]() -> task<int> {
        co_await resumes_at_once();
        co_return ++resumed;
    };
    const auto outer = [&]() -> task<> {
        const int n = co_await inner();
        CHECK(n == 1);
    };
    const driven d = drive(outer());
    CHECK(d.done());
    CHECK(resumed == 1);
}

TEST_CASE("what is moved before it is awaited is awaited as well", "[coro]") {
    gate g;
    const auto wait = [](gate& at) -> task<int> {
        co_await at.pass();
        co_return 5;
    };
    int got = 0;
    const auto body = [&]() -> task<> {
        auto here = wait(g);
        auto there = std::move(here);
        task<int>::awaiter awaiter = std::move(there).operator co_await();
        task<int>::awaiter moved = std::move(awaiter);
        got = co_await moved;
    };
    const driven d = drive(body());
    g.open();
    CHECK(d.done());
    CHECK(got == 5);
}

TEST_CASE("tasks may await tasks a thousand deep", "[coro]") {
    gate g;
    struct recursion {
        static task<int> depth(int n, gate& at) {
            if (n == 0) {
                co_await at.pass();
                co_return 0;
            }
            co_return 1 + co_await depth(n - 1, at);
        }
    };
    int got = 0;
    const auto body = [&]() -> task<> { got = co_await recursion::depth(1000, g); };
    const driven d = drive(body());
    g.open();
    CHECK(d.done());
    CHECK(got == 1000);
    gate never;
    drive(recursion::depth(1000, never)).cancel();
    CHECK_FALSE(never.waited_for());
}
