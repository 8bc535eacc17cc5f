// SPDX-License-Identifier: BSL-1.0
//
// command_queue: many jobs. The loop stays responsive, and nothing is left.
#include <coproc/jobs/command_queue.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include <coproc/coro/when_any.hpp>
#include <coproc/loop/event_loop.hpp>
#include <coproc/loop/sleep.hpp>

#include "jobs/queues.hpp"
#include "support/catch.hpp"
#include "support/descriptor_limit.hpp"
#include "support/memory.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/sanitizers.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// Ticks for ever; the longest time between two ticks.
task<> tick(platform::clock::duration& longest_gap) {
    for (auto last = platform::clock::now();;) {
        co_await sleep_for(1ms);
        const auto now = platform::clock::now();
        longest_gap = std::max(longest_gap, now - last);
        last = now;
    }
}

task<std::size_t> run_many(command_queue& q, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) q.queue(command(child("exit_with"), "0"));
    std::size_t good = 0;
    while (auto done = co_await q.next()) good += *done ? 1 : 0;
    co_return good;
}

} // namespace

TEST_CASE("ten thousand jobs through 64 slots keep the loop responsive and leave nothing", "[process]") {
    const nothing_leaks check;
    const std::size_t count = under_sanitizer ? 1000 : 10000;
    const descriptor_limit room(1000);
    platform::clock::duration gap{};
    std::size_t most_descriptors = 0;
    command_queue q(64);
    q.on_progress([&](const queue_progress& now) {
        CHECK(now.running <= 64);
        if (now.done % 1000 == 0) most_descriptors = std::max(most_descriptors, open_descriptors().size());
    });
    const auto talk = [&]() -> task<> {
        auto first = co_await when_any(run_many(q, count), tick(gap));
        CHECK(std::get<0>(first.value) == count);
    };
    run_in_time(talk(), 300s);
    CHECK(gap < 1s);
    CHECK(most_descriptors < 500);
    CHECK(no_children());
}

TEST_CASE("a queue that runs for ever does not grow", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        command_queue q(4);
        const std::size_t first = co_await run_many(q, 200);
        const std::size_t before = allocated();
        for (int round = 0; round < 5; ++round) {
            const std::size_t more = co_await run_many(q, 200);
            CHECK(more == 200);
        }
        CHECK(first == 200);
        CHECK(allocated() <= before + 16384);
    };
    run_in_time(talk(), 120s);
}

TEST_CASE("ten thousand jobs are cancelled at once", "[process]") {
    const nothing_leaks check;
    command_queue q(64);
    for (int i = 0; i < 10000; ++i) q.queue(queues::stays());
    const auto talk = [&]() -> task<> {
        const auto none = co_await with_timeout(q.execute_all(), 10ms);
        CHECK_FALSE(none.has_value());
        CHECK(q.unfinished() == 0);
        co_await queues::until([] { return no_children(); });
        const job_results all = co_await q.execute_all();
        CHECK(all.size() == 10000);
    };
    run_in_time(talk(), 120s);
}

TEST_CASE("a queue of many slots does not start them all in one turn", "[process]") {
    const nothing_leaks check;
    const descriptor_limit room(2500);
    platform::clock::duration gap{};
    command_queue q(300);
    for (int i = 0; i < 300; ++i) q.queue(command(child("exit_with"), "0"));
    const auto talk = [&]() -> task<> {
        auto first = co_await when_any(q.execute_all(), tick(gap));
        CHECK_NOTHROW(std::get<0>(first.value).check());
    };
    run_in_time(talk(), 120s);
    CHECK(gap < 1s);
}
