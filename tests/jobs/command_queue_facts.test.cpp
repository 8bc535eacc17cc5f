// SPDX-License-Identifier: BSL-1.0
//
// command_queue: nothing begins that should not, nothing stays open, and results say all that is known.
#include <coproc/jobs/command_queue.hpp>

#include <chrono>
#include <cstddef>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/coro/when_all.hpp>
#include <coproc/loop/event_loop.hpp>
#include <coproc/loop/with_timeout.hpp>

#include "jobs/queues.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/failing_allocations.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// There are none, and to wait for one throws what no std::exception is.
class strange_slots final : public job_slots {
    bool take_now() noexcept override { return false; }
    void put_back() noexcept override {}
    void begin_to_watch(event_loop&) override { throw 5; }
};

} // namespace

TEST_CASE("after a job that could not be started a queue that stops begins no other", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.on_failure(failure::stop);
    q.queue(queues::ends_with(0).in(stdio::file("/no/such/file"))).named("bad"); // which is noticed at once
    const job next = q.queue(queues::ends_with(0));
    const job_results all = run_in_time(q.execute_all());
    CHECK(queues::states(all) == std::vector<job_state>{job_state::not_started, job_state::skipped});
    CHECK(next.attempts() == 0);
    CHECK(all[1].reason == "skipped, since \"bad\" did not succeed");
}

TEST_CASE("a queue that was stopped before it ran runs what is queued after that", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.queue(queues::ends_with(0));
    q.stop();
    CHECK(q.unfinished() == 0);
    q.queue(queues::ends_with(0));
    CHECK(queues::states(run_in_time(q.execute_all())) ==
          std::vector<job_state>{job_state::skipped, job_state::succeeded});
}

TEST_CASE("what comes after a job that is cancelled is cancelled with it", "[process]") {
    const nothing_leaks check;
    queues::ready_counter ready;
    command_queue q(1);
    const job first = q.queue(ready.stays());
    const job second = q.queue(queues::ends_with(0)).after(first);
    const auto talk = [&]() -> task<> {
        const auto none = co_await with_timeout(q.next(), 1ms);
        CHECK_FALSE(none.has_value());
        co_await ready.all(1);
        q.cancel();
        CHECK(first.state() == job_state::cancelled);
        CHECK(second.state() == job_state::cancelled);
        co_await queues::until([] { return no_children(); });
    };
    run_in_time(talk());
}

TEST_CASE("a job that the queue has stopped is not judged by its status", "[process]") {
    const nothing_leaks check;
    queues::ready_counter ready;
    command_queue q(1);
    q.queue(ready.stays());
    const auto stop = [&]() -> task<> {
        co_await ready.all(1);
        q.stop();
    };
    const auto talk = [&]() -> task<> {
        auto both = co_await when_all(queues::run_all(q), stop());
        const job_results& all = std::get<0>(both);
        CHECK(all[0].stopped);
        CHECK_THROWS_AS(all[0].check(), queue_error);
    };
    run_in_time(talk());
}

TEST_CASE("a job whose sink has thrown has the usage and the judgement of its command", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.queue(command(child("endless")).ok_codes(7).out(stdio::sink([](std::string_view) {
        throw std::runtime_error("enough");
    })));
    const job_results all = run_in_time(q.execute_all());
    CHECK(all[0].reason == "enough");
    CHECK(all[0].usage.peak_rss > 0);
    CHECK(all[0].accepted.accepts(exit_status::exited(7)));
}

TEST_CASE("slots that fail in an unknown way leave no job waiting", "[process]") {
    const nothing_leaks check;
    strange_slots slots;
    command_queue q(1);
    q.slots_from(slots);
    q.queue(queues::ends_with(0));
    const job_results all = run_in_time(q.execute_all());
    CHECK(all[0].state == job_state::skipped);
    CHECK(all[0].reason == "an exception of unknown type");
}

TEST_CASE("a job that comes too late to be put after another is told so though its queue is gone", "[process]") {
    const nothing_leaks check;
    std::optional<command_queue> q(std::in_place, 1);
    const job first = q->queue(queues::ends_with(0));
    const job second = q->queue(queues::ends_with(0));
    q.reset();
    std::string words;
    try {
        second.after(first);
    } catch (const usage_error& e) {
        words = e.what();
    }
    CHECK(words.find("too late for after()") != std::string::npos);
}

TEST_CASE("progress tells that a job is tried again", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    const job tried = q.queue(queues::stays().timeout(50ms)).retries(1, 1ms);
    bool told = false;
    q.on_progress([&](const queue_progress& now) { told = told || (now.running == 1 && tried.attempts() == 2); });
    run_in_time(q.execute_all());
    CHECK(told);
}

#if defined(COPROC_TEST_HAS_OWN_NEW)
TEST_CASE("wherever memory ends no job that is over is called a waiting one", "[process]") {
    for (long after = 0; after < 80; ++after) {
        event_loop loop;
        command_queue q(1);
        const job one = q.queue(queues::ends_with(0));
        failing_allocations::fail_from(after, false);
        try {
            static_cast<void>(loop.run(q.execute_all()));
        } catch (const std::bad_alloc&) { // Then some of it is still to be run, or all is cancelled.
        }
        failing_allocations::fail_no_more();
        const bool is_open = q.unfinished() != 0;
        CHECK(is_open == (one.state() == job_state::waiting || one.state() == job_state::running));
    }
}
#endif
