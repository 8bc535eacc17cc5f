// SPDX-License-Identifier: BSL-1.0
//
// command_queue: what is run, in which order, how much of it at once, and what comes back.
#include <coproc/jobs/command_queue.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <coproc/coro/when_all.hpp>
#include <coproc/loop/event_loop.hpp>
#include <coproc/loop/run.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/with_timeout.hpp>

#include "jobs/queues.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("results come in the order in which the jobs were queued", "[process]") {
    const nothing_leaks check;
    command_queue q(4);
    for (int i = 0; i < 20; ++i) q.queue(command(child("echo_args"), std::to_string(i)));
    const job_results all = run_in_time(q.execute_all());
    REQUIRE(all.size() == 20);
    for (std::size_t i = 0; i < all.size(); ++i) {
        CHECK(all[i].state == job_state::succeeded);
        CHECK(all[i]);
        CHECK(all[i].attempts == 1);
        CHECK(all[i].status.success());
        CHECK(all[i].out == child("echo_args") + '\0' + std::to_string(i) + '\0');
        CHECK(all[i].name == child("echo_args") + " " + std::to_string(i));
        CHECK(all[i].command_line == all[i].name);
        CHECK(all[i].reason.empty());
        CHECK(all[i].error == nullptr);
    }
    CHECK_NOTHROW(all.check());
}

TEST_CASE("the results of a queue are plain results where that is asked for", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        command_queue q(2);
        q.queue(command(child("shout")));
        q.queue(queues::ends_with(3));
        std::vector<result> all = co_await q.execute_all();
        REQUIRE(all.size() == 2);
        CHECK(all[0].out == "out\n");
        CHECK(all[0].err == "err\n");
        CHECK(all[1].status == exit_status::exited(3));
        CHECK_THROWS_AS(all[1].check(), exit_error);
    };
    run_in_time(talk());
    command_queue q(1);
    q.queue(command(child("shout")));
    const job_results kept = run_in_time(q.execute_all());
    const std::vector<result> copies = kept;
    CHECK(copies.at(0).out == kept.at(0).out);
}

TEST_CASE("a line is queued as its words and no shell reads it", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.queue(child("echo_args") + " Hello 'a  b'");
    const job_results all = run_in_time(q.execute_all());
    CHECK(all.at(0).out == child("echo_args") + '\0' + "Hello" + '\0' + "a  b" + '\0');
    CHECK_THROWS_AS(q.queue("echo *"), std::invalid_argument);
    CHECK_THROWS_AS(q.queue(""), std::invalid_argument);
    CHECK(q.unfinished() == 0);
}

TEST_CASE("results come as they finish to whoever asks for the next one", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(command(child("wait_for_signal")).timeout(50ms).grace(0ms)).named("slow");
    q.queue(queues::ends_with(0)).named("fast");
    const auto all = run_in_time(queues::rest_of(q));
    CHECK(queues::names(all) == std::vector<std::string>{"fast", "slow"});
    CHECK_FALSE(run_in_time(q.next()).has_value());
}

TEST_CASE("a queue without jobs is over at once", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    CHECK(run_in_time(q.execute_all()).empty());
    CHECK_FALSE(run_in_time(q.next()).has_value());
}

TEST_CASE("no more jobs run at once than there are slots", "[process]") {
    const nothing_leaks check;
    std::size_t most = 0;
    command_queue q(3);
    q.on_progress([&](const queue_progress& now) {
        most = std::max(most, now.running);
        CHECK(now.running == now.names.size());
    });
    for (int i = 0; i < 30; ++i) q.queue(queues::ends_with(0));
    run_in_time(q.execute_all()).check();
    CHECK(most == 3);
}

TEST_CASE("as many jobs run at once as there are slots", "[process]") {
    const nothing_leaks check;
    queues::ready_counter ready;
    command_queue q(5);
    for (int i = 0; i < 5; ++i) q.queue(ready.stays());
    const auto talk = [&]() -> task<> {
        const bool over = co_await with_timeout(q.next(), 0ms) != std::nullopt;
        CHECK_FALSE(over);
        co_await ready.all(5); // all of them at once
        q.stop();
    };
    run_in_time(talk());
}

TEST_CASE("a queue with one slot is a sequence", "[process]") {
    const nothing_leaks check;
    std::vector<std::string> running;
    command_queue q(1);
    q.on_progress([&](const queue_progress& now) {
        REQUIRE(now.running <= 1);
        if (now.last != nullptr) running.emplace_back(now.last->name);
    });
    std::vector<std::string> expected;
    for (int i = 0; i < 10; ++i) {
        expected.push_back(std::to_string(i));
        q.queue(queues::ends_with(i % 3)).named(expected.back());
    }
    const job_results all = run_in_time(q.execute_all());
    CHECK(running == expected);
    CHECK(queues::names(all) == expected);
}

TEST_CASE("a queue has at least one slot and by default as many as there are processors") {
    CHECK_THROWS_AS(command_queue(0), std::invalid_argument);
    CHECK_THROWS_AS(command_queue(-1), std::invalid_argument);
    CHECK_THROWS_AS(command_queue(0U), std::invalid_argument);
    CHECK_NOTHROW(command_queue(std::size_t{1000000}));
    CHECK_NOTHROW(command_queue());
    CHECK(platform::usable_processors() >= 1);
}

TEST_CASE("a job has nothing to read unless its command says so", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(command(child("count")));
    q.queue(command(child("count")).in(stdio::text("four")));
    const job_results all = run_in_time(q.execute_all());
    CHECK(all.at(0).out == "0\n");
    CHECK(all.at(1).out == "4\n");
}

TEST_CASE("a job that fails is a value", "[process]") {
    const nothing_leaks check;
    command_queue q(4);
    q.queue(queues::ends_with(3)).named("three");
    q.queue(command(child("kill_self"), "9")).named("killed");
    q.queue(queues::ends_with(3).ok_codes(3)).named("fine");
    q.queue(queues::stays().timeout(20ms).grace(0ms)).named("slow");
    q.queue(command("/no/such/program")).named("absent");
    q.queue(command(child("flood"), "1:100000").capture(capture::all(1000))).named("loud");
    q.queue(queues::ends_with(7).unchecked()).named("whatever");
    const job_results all = run_in_time(q.execute_all());
    using s = job_state;
    CHECK(queues::states(all) ==
          std::vector<s>{s::failed, s::failed, s::succeeded, s::failed, s::not_started, s::failed, s::succeeded});

    CHECK(all[0].status == exit_status::exited(3));
    CHECK(all[0].reason == "exited with code 3");
    CHECK_THROWS_AS(all[0].check(), exit_error);
    CHECK(all[1].reason == exit_status::signaled(SIGKILL, false).to_string());
    CHECK_NOTHROW(all[2].check());
    CHECK(all[3].timed_out);
    CHECK(all[3].stopped);
    CHECK(all[3].out == "ready\n");
    CHECK(all[3].reason.find("timed out") == 0);
    CHECK_THROWS_AS(all[3].check(), timeout_error);
    CHECK(all[4].reason.find("/no/such/program") != std::string::npos);
    CHECK(all[4].command_line == "/no/such/program");
    CHECK(all[4].attempts == 1);
    CHECK_THROWS_AS(all[4].check(), spawn_error);
    CHECK_THROWS_AS(all[5].check(), output_limit_error);
    CHECK(all[6].status == exit_status::exited(7));
    CHECK_NOTHROW(all[6].check());
}

TEST_CASE("checking the results of a queue throws one error that names the jobs that failed", "[process]") {
    const nothing_leaks check_leaks;
    command_queue q(4);
    q.queue(queues::ends_with(0)).named("good");
    const job bad = q.queue(queues::ends_with(3)).named("bad");
    q.queue(queues::ends_with(0)).named("late").after(bad);
    const job_results all = run_in_time(q.execute_all());
    std::string words;
    try {
        check(all);
    } catch (const queue_error& e) {
        words = e.what();
        CHECK(queues::names(e.failed()) == std::vector<std::string>{"bad", "late"});
        CHECK(e.code() == errc::unsuccessful);
    }
    CHECK(words == "cannot run \"3 jobs\": 2 did not succeed: \"bad\" (exited with code 3), \"late\" (skipped, since "
                   "\"bad\" did not succeed): not a success");
    CHECK_THROWS_AS(all.check(), queue_error);
    CHECK_THROWS_AS(all.at(2).check(), queue_error);
}

TEST_CASE("of many jobs that failed an error names the first ones", "[process]") {
    job_results all(100);
    for (job_result& each : all) each.name = "x";
    const queue_error e(all);
    CHECK(e.failed().size() == 100);
    CHECK(std::string(e.what()).size() < 300);
}

TEST_CASE("a queue can be used again and again and in one loop after the other", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    for (int round = 0; round < 3; ++round) {
        q.queue(queues::ends_with(round));
        const job_results all = run_in_time(q.execute_all());
        CHECK(all.size() == 1);
        CHECK(all.at(0).status == exit_status::exited(round));
    }
}

TEST_CASE("nothing begins before somebody asks for results", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    const job first = q.queue(queues::ends_with(0));
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < 5; ++i) co_await yield();
        CHECK(first.state() == job_state::waiting);
        auto later = q.execute_all();
        co_await yield();
        CHECK(first.state() == job_state::waiting);
        co_await std::move(later);
        CHECK(first.state() == job_state::succeeded);
    };
    run_in_time(talk());
}

TEST_CASE("jobs may be queued while the queue runs", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(queues::ends_with(0)).named("first");
    int more = 5;
    q.on_progress([&](const queue_progress& now) { // from a callback
        if (now.last != nullptr && more-- > 0) q.queue(queues::ends_with(0)).named("from a callback");
    });
    const auto other = [&]() -> task<> { // from another coroutine
        for (int i = 0; i < 5; ++i) {
            q.queue(queues::ends_with(0)).named("from a coroutine");
            co_await yield();
        }
    };
    const auto talk = [&]() -> task<> {
        auto both = co_await when_all(queues::run_all(q), other());
        CHECK(std::get<0>(both).size() == 11);
        CHECK_NOTHROW(std::get<0>(both).check());
    };
    run_in_time(talk());
}

TEST_CASE("a job queued at the very end is run as well", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(queues::ends_with(0));
    int rounds = 0;
    q.on_progress([&](const queue_progress& now) {
        if (now.finished && ++rounds < 3) q.queue(queues::ends_with(0));
    });
    CHECK(run_in_time(q.execute_all()).size() == 3);
    CHECK(rounds == 3);
}

TEST_CASE("a job may be queued for each that has finished", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<int> {
        command_queue q(2);
        q.queue(queues::ends_with(0));
        int done = 0;
        while (auto next = co_await q.next()) {
            if (++done < 10) q.queue(queues::ends_with(0));
        }
        co_return done;
    };
    CHECK(run_in_time(talk()) == 10);
}

TEST_CASE("a result is handed out once", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        command_queue q(2);
        for (int i = 0; i < 6; ++i) q.queue(queues::ends_with(i));
        const auto first = co_await q.next();
        const auto second = co_await q.next();
        REQUIRE(first);
        REQUIRE(second);
        job_results all = co_await q.execute_all();
        CHECK(all.size() == 4);
        CHECK(std::is_sorted(all.begin(), all.end(), [](const job_result& a, const job_result& b) {
            return a.status.code() < b.status.code();
        }));
        const auto none = co_await q.next();
        CHECK_FALSE(none);
    };
    run_in_time(talk());
}

TEST_CASE("several coroutines share the results of a queue", "[process]") {
    const nothing_leaks check;
    command_queue q(3);
    for (int i = 0; i < 20; ++i) q.queue(queues::ends_with(0));
    const auto talk = [&]() -> task<> {
        auto all = co_await when_all(queues::rest_of(q), queues::rest_of(q), queues::run_all(q));
        CHECK(std::get<0>(all).size() + std::get<1>(all).size() + std::get<2>(all).size() == 20);
    };
    run_in_time(talk());
}

TEST_CASE("a handle tells how far its job has come and outlives the queue", "[process]") {
    const nothing_leaks check;
    std::optional<job> kept;
    {
        command_queue q(1);
        kept = q.queue(queues::ends_with(0)).named("kept");
        CHECK(kept->state() == job_state::waiting);
        CHECK(kept->attempts() == 0);
        run_in_time(q.execute_all());
    }
    CHECK(kept->state() == job_state::succeeded);
    CHECK(kept->name() == "kept");
    CHECK(kept->attempts() == 1);
    CHECK_THROWS_AS(kept->named("late"), usage_error);
    CHECK_THROWS_AS(kept->retries(1), usage_error);
    CHECK_THROWS_AS(kept->after(*kept), usage_error);
}

TEST_CASE("a queue that was moved goes on and the other one is refused", "[process]") {
    const nothing_leaks check;
    command_queue first(1);
    first.queue(queues::ends_with(0));
    command_queue second(std::move(first));
    second.queue(queues::ends_with(0));
    CHECK_THROWS_AS(first.queue(queues::ends_with(0)), usage_error); // NOLINT(bugprone-use-after-move)
    command_queue third(2);
    third.queue(queues::ends_with(0));
    third = std::move(second);
    CHECK(run_in_time(third.execute_all()).size() == 2);
}

TEST_CASE("a job has the terminal that its command asks for", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.queue(command(child("shout")).pty());
    const job_results all = run_in_time(q.execute_all());
    CHECK(all.at(0).out == "out\r\nerr\r\n");
}
