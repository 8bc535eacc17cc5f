// SPDX-License-Identifier: BSL-1.0
//
// The stack must not grow with the number of awaits, whatever the compiler makes of symmetric transfer (GCC makes no
// tail call of it at -O0: GCC bug 100897). Each probe runs on 256 KiB, where even 100 bytes an await would be too much.
#include <coproc/coro/async_generator.hpp>
#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/run.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/task_group.hpp>
#include <coproc/loop/with_timeout.hpp>

#include <pthread.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "support/catch.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

constexpr int million = 1'000'000;
constexpr int many = 100'000; // where each one costs more

/// Runs a task in a thread with a small stack; answers what it yields.
template <class F>
int on_small_stack(F make_task) {
    struct job {
        F& make;
        int result = -1;
        std::exception_ptr error;
        static void* main(void* argument) {
            job& self = *static_cast<job*>(argument);
            try {
                self.result = run(self.make());
            } catch (...) {
                self.error = std::current_exception();
            }
            return nullptr;
        }
    };
    job j{make_task, -1, nullptr};
    pthread_attr_t attributes;
    REQUIRE(::pthread_attr_init(&attributes) == 0);
    REQUIRE(::pthread_attr_setstacksize(&attributes, std::size_t{256} * 1024) == 0);
    pthread_t thread;
    REQUIRE(::pthread_create(&thread, &attributes, &job::main, &j) == 0);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
    if (j.error) std::rethrow_exception(j.error);
    return j.result;
}

task<int> ready() { co_return 1; }
task<int> after_a_turn() {
    co_await yield();
    co_return 1;
}
async_generator<int> ready_values(int n) {
    for (int i = 0; i < n; ++i) co_yield 1;
}
async_generator<int> values_after_a_turn(int n) {
    for (int i = 0; i < n; ++i) {
        co_await yield();
        co_yield 1;
    }
}
async_generator<int> passed_on(async_generator<int> source) {
    while (auto n = co_await source.next()) co_yield std::move(*n);
}

} // namespace

TEST_CASE("a million awaits of tasks that are ready use no stack", "[coro]") {
    const auto body = []() -> task<int> {
        int sum = 0;
        for (int i = 0; i < million; ++i) sum += co_await ready();
        co_return sum;
    };
    CHECK(on_small_stack(body) == million);
}

TEST_CASE("a million values of a generator that never waits use no stack", "[coro]") {
    const auto body = []() -> task<int> {
        auto values = ready_values(million);
        int sum = 0;
        while (auto n = co_await values.next()) sum += *n;
        co_return sum;
    };
    CHECK(on_small_stack(body) == million);
}

TEST_CASE("a million turns of the loop use no stack", "[coro]") {
    const auto body = []() -> task<int> {
        int turns = 0;
        for (int i = 0; i < million; ++i) {
            co_await yield();
            ++turns;
        }
        co_return turns;
    };
    CHECK(on_small_stack(body) == million);
}

TEST_CASE("tasks that wait one after the other use no stack", "[coro]") {
    const auto body = []() -> task<int> {
        int sum = 0;
        for (int i = 0; i < many; ++i) sum += co_await after_a_turn();
        co_return sum;
    };
    CHECK(on_small_stack(body) == many);
}

TEST_CASE("values of generators that wait use no stack even through another generator", "[coro]") {
    const auto body = []() -> task<int> {
        auto values = passed_on(passed_on(values_after_a_turn(many)));
        int sum = 0;
        while (auto n = co_await values.next()) sum += *n;
        co_return sum;
    };
    CHECK(on_small_stack(body) == many);
}

TEST_CASE("a wait now and then among ready values uses no stack", "[coro]") {
    // Resumed from the loop, the consumer asks a generator that is still below it on the stack.
    const auto body = []() -> task<int> {
        const auto mixed = []() -> async_generator<int> {
            for (int i = 0; i < many; ++i) {
                if (i % 1000 == 0) co_await yield();
                co_yield 1;
            }
        };
        auto values = mixed();
        int sum = 0;
        while (auto n = co_await values.next()) sum += *n;
        co_return sum;
    };
    CHECK(on_small_stack(body) == many);
}

TEST_CASE("races and joins in a loop use no stack", "[coro]") {
    const auto body = []() -> task<int> {
        int sum = 0;
        for (int i = 0; i < many / 4; ++i) {
            const auto all = co_await when_all(ready(), ready());
            sum += std::get<0>(all) + std::get<1>(all);
            const auto any = co_await when_any(ready(), ready());
            sum += std::get<0>(any.value);
            const std::optional<int> in_time = co_await with_timeout(ready(), 1h);
            sum += *in_time;
        }
        co_return sum;
    };
    CHECK(on_small_stack(body) == many);
}

TEST_CASE("races and joins that wait use no stack", "[coro]") {
    const auto body = []() -> task<int> {
        int sum = 0;
        for (int i = 0; i < many / 10; ++i) {
            const auto all = co_await when_all(after_a_turn(), ready());
            sum += std::get<0>(all) + std::get<1>(all);
            const auto any = co_await when_any(sleep_for(1h), after_a_turn());
            sum += std::get<1>(any.value);
            const std::optional<int> in_time = co_await with_timeout(after_a_turn(), 1h);
            sum += *in_time;
        }
        co_return sum;
    };
    CHECK(on_small_stack(body) == many / 10 * 4);
}

TEST_CASE("a long when_all whose members end one after the other uses no stack", "[coro]") {
    const auto body = []() -> task<int> {
        std::vector<task<int>> tasks;
        for (int i = 0; i < many / 10; ++i) tasks.push_back(i % 2 == 0 ? ready() : after_a_turn());
        const std::vector<int> all = co_await when_all(std::move(tasks));
        co_return static_cast<int>(all.size());
    };
    CHECK(on_small_stack(body) == many / 10);
}

TEST_CASE("members of a group that come and go use no stack", "[coro]") {
    const auto body = []() -> task<int> {
        task_group group;
        int ended = 0;
        const auto member = [&](bool waits) -> task<> {
            if (waits) co_await yield();
            ++ended;
        };
        for (int i = 0; i < many / 10; ++i) group.start(member(i % 2 == 0));
        co_await group.join();
        co_return ended;
    };
    CHECK(on_small_stack(body) == many / 10);
}

TEST_CASE("thousands of exceptions one after the other use no stack", "[coro]") {
    const auto body = []() -> task<int> {
        const auto fail = []() -> task<int> {
            throw 1;
            co_return 0;
        };
        int caught = 0;
        for (int i = 0; i < 5000; ++i) {
            try {
                caught += co_await fail();
            } catch (int n) {
                caught += n;
            }
        }
        co_return caught;
    };
    CHECK(on_small_stack(body) == 5000);
}
