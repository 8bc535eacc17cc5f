// SPDX-License-Identifier: BSL-1.0
//
// command_queue: stopped, cancelled, destroyed, out of descriptors, told about, bounded; and nothing is left of it.
#include <coproc/jobs/command_queue.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/event_loop.hpp>
#include <coproc/loop/run.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/with_timeout.hpp>
#include <coproc/platform/pipe.hpp>

#include "jobs/queues.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// Slots that are counted.
class few_slots final : public job_slots {
public:
    explicit few_slots(int most) noexcept : free_(most), most_(most) {}
    [[nodiscard]] bool all_are_back() const noexcept { return free_ == most_; }
    [[nodiscard]] int most_taken() const noexcept { return most_taken_; }
    // From outside, as by another make.
    void take_all() noexcept { away_ = std::exchange(free_, 0); }
    void bring_back() noexcept {
        free_ += std::exchange(away_, 0);
        hand_out();
    }

private:
    bool take_now() noexcept override {
        if (free_ == 0) return false;
        --free_;
        most_taken_ = std::max(most_taken_, most_ - free_);
        return true;
    }
    void put_back() noexcept override {
        ++free_;
        hand_out();
    }

    int free_, most_;
    int away_ = 0;
    int most_taken_ = 0;
};

} // namespace

TEST_CASE("when one has failed a queue goes on", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.queue(queues::ends_with(1));
    q.queue(queues::ends_with(0));
    CHECK(queues::states(run_in_time(q.execute_all())) ==
          std::vector<job_state>{job_state::failed, job_state::succeeded});
}

TEST_CASE("when one has failed a queue stops the rest if that was asked for", "[process]") {
    const nothing_leaks check;
    command_queue q(3);
    queues::ready_counter ready;
    q.on_failure(failure::stop);
    q.queue(ready.stays()).named("polite");
    q.queue(ready.stays("ignore_term").grace(20ms)).named("deaf");
    const auto add_bad = [&]() -> task<> {
        co_await ready.all(2);
        q.queue(queues::ends_with(4)).named("bad");
        q.queue(queues::ends_with(0)).named("waiting");
    };
    const auto both = [&]() -> task<job_results> {
        auto ended = co_await when_all(queues::run_all(q), add_bad());
        co_return std::move(std::get<0>(ended));
    };
    const job_results all = run_in_time(both());
    REQUIRE(all.size() == 4);
    CHECK(all[0].state == job_state::failed);
    CHECK(all[0].stopped);
    CHECK_FALSE(all[0].killed);
    CHECK(all[0].status == exit_status::exited(SIGTERM));
    CHECK(all[0].out == "ready\n15\n");
    CHECK(all[0].reason == "stopped, exited with code 15");
    CHECK(all[1].stopped);
    CHECK(all[1].killed);
    CHECK(all[1].out == "ready\n");
    CHECK(all[2].status == exit_status::exited(4));
    CHECK_FALSE(all[2].stopped);
    CHECK(all[3].state == job_state::skipped);
    CHECK(all[3].reason == "skipped, since \"bad\" did not succeed");
}

TEST_CASE("a queue that was stopped keeps every result and can be used again", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(queues::ends_with(0));
    const job stays = q.queue(queues::stays()).retries(5, 1h);
    q.queue(queues::stays()).after(stays);
    const auto talk = [&]() -> task<> {
        const auto first = co_await q.next();
        CHECK(first->state == job_state::succeeded);
        q.stop();
        q.queue(queues::stays()); // until all is over, what comes is skipped
        job_results all = co_await q.execute_all();
        CHECK(queues::states(all) == std::vector<job_state>{job_state::failed, job_state::skipped, job_state::skipped});
        CHECK(all[0].attempts == 1);
        CHECK_THROWS_AS(all[0].check(), queue_error);
        q.queue(queues::ends_with(0));
        all = co_await q.execute_all();
        CHECK(all.size() == 1);
        CHECK_NOTHROW(all.check());
    };
    run_in_time(talk());
}

TEST_CASE("a child that accepts any end has failed when it was stopped", "[process]") {
    const nothing_leaks check;
    queues::ready_counter ready;
    command_queue q(1);
    q.queue(ready.stays().unchecked());
    const auto stop = [&]() -> task<> {
        co_await ready.all(1);
        q.stop();
    };
    const auto talk = [&]() -> task<> {
        auto both = co_await when_all(queues::run_all(q), stop());
        const job_result& r = std::get<0>(both).at(0);
        CHECK(r.state == job_state::failed);
        CHECK_THROWS_AS(r.check(), queue_error);
    };
    run_in_time(talk());
}

TEST_CASE("a job that waits for its next attempt is stopped as it is", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(queues::ends_with(3)).retries(1, 1h);
    q.on_progress([&](const queue_progress& now) {
        if (now.last != nullptr && now.last->again) {
            CHECK(now.running < 2);
            CHECK(now.waiting >= 1);
        }
    });
    const auto talk = [&]() -> task<> {
        const job first = q.queue(queues::ends_with(4)).retries(1, 1h);
        const auto until_both_wait = [&]() -> task<> {
            co_await queues::until([&] { return first.attempts() == 1 && no_children(); });
            co_await sleep_for(1ms);
            q.stop();
        };
        auto both = co_await when_all(queues::run_all(q), until_both_wait());
        const job_results& all = std::get<0>(both);
        CHECK(all[0].attempts == 1);
        CHECK(all[0].status == exit_status::exited(3));
        CHECK(all[1].status == exit_status::exited(4));
    };
    run_in_time(talk());
}

TEST_CASE("to destroy a queue that never ran is nothing", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    const job first = q.queue(queues::ends_with(0));
    q.queue(queues::ends_with(0)).after(first);
}

TEST_CASE("cancelling execute_all kills and reaps every child", "[process]") {
    const nothing_leaks check;
    queues::ready_counter ready;
    command_queue q(4);
    for (int i = 0; i < 4; ++i) q.queue(ready.stays());
    q.queue(queues::ends_with(0)).named("waiting");
    const auto talk = [&]() -> task<> {
        const auto first = co_await when_any(queues::run_all(q), ready.all(4));
        CHECK(first.index == 1);
        co_await queues::until([] { return no_children(); });
        CHECK(q.unfinished() == 0);
        job_results all = co_await q.execute_all(); // what is known of them
        CHECK(queues::states(all) == std::vector<job_state>(5, job_state::cancelled));
        CHECK(all[0].reason == "execute_all was cancelled");
        CHECK_THROWS_AS(all[0].check(), queue_error);
    };
    run_in_time(talk());
}

TEST_CASE("a queue that is cancelled leaves a child as its command says", "[process]") {
    const nothing_leaks check;
    const platform::pipe_ends out = platform::make_pipe();
    REQUIRE(::fcntl(out.read.get(), F_SETFL, O_NONBLOCK) == 0);
    std::string said;
    const auto has_said = [&](const std::string& wanted) {
        char text[64];
        const ssize_t n = ::read(out.read.get(), text, sizeof text);
        if (n > 0) said.append(text, static_cast<std::size_t>(n));
        return said == wanted;
    };
    command_queue q(1);
    q.queue(queues::stays().out(stdio::fd(out.write.get())).on_destroy(destroy::terminate(10s)));
    const auto talk = [&]() -> task<> {
        const auto ready = [&]() -> task<> { co_await queues::until([&] { return has_said("ready\n"); }); };
        const auto first = co_await when_any(q.execute_all(), ready());
        CHECK(first.index == 1);
        co_await queues::until([&] { return has_said("ready\n15\n"); });
        co_await queues::until([] { return no_children(); });
    };
    run_in_time(talk());
}

TEST_CASE("a queue is destroyed at every moment of its life", "[process]") {
    const nothing_leaks check;
    for (int turns = 0; turns < 60; ++turns) {
        const auto talk = [&]() -> task<> {
            auto q = std::make_unique<command_queue>(2);
            const job first = q->queue(queues::ends_with(0));
            q->queue(queues::ends_with(1)).retries(3, 1ms).after(first);
            q->queue(queues::stays());
            q->queue(command("/no/such/program")).retries(1);
            const auto destroy = [&]() -> task<> {
                for (int i = 0; i < turns; ++i) co_await yield();
                q = nullptr;
            };
            auto all = co_await when_all(q->execute_all(), q->next(), destroy());
            const std::size_t next = std::get<1>(all) ? 1 : 0;
            CHECK(std::get<0>(all).size() + next == 4); // who waits gets what there is
        };
        run_in_time(talk());
    }
}

TEST_CASE("cancelling at every moment loses no result", "[process]") {
    const nothing_leaks check;
    for (int turns = 0; turns < 40; ++turns) {
        const auto talk = [&]() -> task<> {
            command_queue q(2);
            for (int i = 0; i < 4; ++i) q.queue(queues::ends_with(i)).retries(1, 1ms);
            const auto some_turns = [&]() -> task<> {
                for (int i = 0; i < turns; ++i) co_await yield();
            };
            std::size_t handed_out = 0;
            {
                auto first = co_await when_any(q.next(), some_turns()); // cancelled: the queue goes on
                if (first.index == 0 && std::get<0>(first.value)) ++handed_out;
            }
            {
                auto first = co_await when_any(q.execute_all(), some_turns()); // cancelled: it does not
                if (first.index == 0) handed_out += std::get<0>(first.value).size();
            }
            handed_out += (co_await q.execute_all()).size();
            CHECK(handed_out == 4);
        };
        run_in_time(talk());
    }
}

TEST_CASE("cancelling the next result stops nothing", "[process]") {
    const nothing_leaks check;
    queues::ready_counter ready;
    command_queue q(2);
    q.queue(ready.stays());
    q.queue(queues::ends_with(0));
    const auto talk = [&]() -> task<> {
        auto first = co_await q.next();
        CHECK(first->state == job_state::succeeded);
        co_await ready.all(1);
        const auto none = co_await with_timeout(q.next(), 1ms);
        CHECK_FALSE(none.has_value());
        CHECK(q.unfinished() == 1);
        q.stop();
        auto second = co_await q.next();
        CHECK(second->status == exit_status::exited(SIGTERM));
    };
    run_in_time(talk());
}

TEST_CASE("a loop that ends takes the running jobs of a queue with it", "[process]") {
    const nothing_leaks check;
    queues::ready_counter ready;
    command_queue q(2);
    q.queue(ready.stays()).named("runs");
    q.queue(queues::ends_with(0)).named("first");
    q.queue(ready.stays()).named("runs, too");
    q.queue(queues::ends_with(0)).named("last");
    const auto begin = [&]() -> task<> {
        auto first = co_await q.next();
        CHECK(first->name == "first");
        co_await ready.all(2);
    };
    run_in_time(begin());
    CHECK(no_children());
    CHECK(q.unfinished() == 1); // it had not begun: another loop runs it
    const job_results all = run_in_time(q.execute_all());
    CHECK(queues::states(all) ==
          std::vector<job_state>{job_state::cancelled, job_state::cancelled, job_state::succeeded});
    CHECK(all[0].reason == "the event_loop has ended");
}

TEST_CASE("a queue does not run in two loops at once", "[process]") {
    const nothing_leaks check;
    queues::ready_counter ready;
    event_loop first;
    command_queue q(1);
    q.queue(ready.stays());
    first.run(with_timeout(q.next(), 1ms));
    {
        event_loop second;
        CHECK_THROWS_AS(second.run(q.next()), usage_error);
    }
    q.cancel();
    CHECK(first.run(q.execute_all()).size() == 1);
}

TEST_CASE("a queue out of descriptors says so and goes on when there are some", "[process]") {
    const int code = in_a_fork([] {
        command_queue q(2);
        q.queue(queues::ends_with(0)).named("no room");
        q.queue(queues::ends_with(0)).named("room later").retries(100, 1ms);
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        event_loop loop;
        rlimit none = before;
        none.rlim_cur = static_cast<rlim_t>(*open_descriptors().rbegin() + 1);
        std::vector<unique_fd> fillers;
        ::setrlimit(RLIMIT_NOFILE, &none);
        for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) fillers.emplace_back(fd);
        q.on_progress([&](const queue_progress& now) {
            if (now.last != nullptr && now.last->again) ::setrlimit(RLIMIT_NOFILE, &before);
        });
        const job_results all = loop.run(q.execute_all());
        if (all[0].state != job_state::not_started) return 1;
        if (all[0].reason.find("cannot start") != 0) return 2;
        if (!all[1]) return 3;
        return no_children() ? 0 : 4;
    });
    CHECK(code == 0);
}

TEST_CASE("progress tells what is to be done and what is done", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    std::vector<std::string> ended;
    int finished = 0;
    std::size_t calls = 0;
    q.on_progress([&](const queue_progress& now) {
        ++calls;
        CHECK(finished == 0); // nothing comes after that
        CHECK(now.total == 4);
        CHECK(now.done + now.running + now.waiting == now.total);
        CHECK(now.failed <= now.done);
        CHECK(now.names.size() == now.running);
        CHECK(now.elapsed >= 0s);
        if (now.last != nullptr) ended.push_back(std::string(now.last->name) + ": " + std::string(now.last->reason));
        if (!now.finished) return;
        ++finished;
        CHECK(now.done == 4);
        CHECK(now.failed == 3);
        CHECK(now.last == nullptr);
    });
    const job good = q.queue(queues::ends_with(0)).named("good");
    const job bad = q.queue(queues::ends_with(1)).named("bad").after(good);
    q.queue(queues::ends_with(0)).named("never").after(bad);
    q.queue(command("/no/such/program")).named("absent").after(good);
    run_in_time(q.execute_all());
    CHECK(finished == 1);
    CHECK(calls >= 5);
    REQUIRE(ended.size() == 4);
    CHECK(ended[0] == "good: ");
    std::sort(ended.begin(), ended.end());
    CHECK(ended[0].find("absent: cannot start \"/no/such/program\"") == 0);
    CHECK(ended[1] == "bad: ");
    CHECK(ended[3] == "never: skipped, since \"bad\" did not succeed");
}

TEST_CASE("what a progress callback throws comes out of execute_all and cancels the rest", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(queues::stays());
    q.queue(queues::ends_with(0));
    q.on_progress([](const queue_progress& now) {
        if (now.last != nullptr) throw std::runtime_error("enough");
    });
    const auto talk = [&]() -> task<> {
        std::string words;
        try {
            co_await q.execute_all();
        } catch (const std::runtime_error& e) {
            words = e.what();
        }
        CHECK(words == "enough");
        CHECK(q.unfinished() == 0);
        const job_results all = co_await q.execute_all();
        CHECK(queues::states(all) == std::vector<job_state>{job_state::cancelled, job_state::succeeded});
    };
    run_in_time(talk());
}

TEST_CASE("what a progress callback throws comes out of next and the queue goes on", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(queues::ends_with(0));
    q.queue(queues::ends_with(0));
    q.on_progress([](const queue_progress&) { throw std::runtime_error("enough"); });
    const auto talk = [&]() -> task<> {
        bool thrown = false;
        try {
            co_await q.next();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        const auto rest = co_await queues::rest_of(q);
        CHECK(rest.size() == 2);
    };
    run_in_time(talk());
}

TEST_CASE("a progress callback may stop or cancel or destroy its queue", "[process]") {
    const nothing_leaks check;
    for (int what = 0; what < 4; ++what) {
        auto q = std::make_unique<command_queue>(2);
        q->queue(queues::stays());
        q->queue(queues::ends_with(0));
        q->queue(queues::stays());
        q->on_progress([&](const queue_progress& now) {
            if (now.last == nullptr) return;
            if (what == 0) q->stop();
            if (what == 1) q->cancel();
            if (what == 2) q = nullptr;
            if (what == 3 && q != nullptr) q->on_progress([](const queue_progress&) {}).stop();
        });
        CHECK(run_in_time(q->execute_all()).size() == 3);
    }
}

TEST_CASE("a queue takes a slot for each job and gives every one back", "[process]") {
    const nothing_leaks check;
    few_slots slots(2);
    std::size_t most = 0;
    {
        command_queue q(8);
        q.slots_from(slots).on_progress([&](const queue_progress& now) { most = std::max(most, now.running); });
        const job bad = q.queue(command("/no/such/program")).retries(1);
        q.queue(queues::ends_with(0)).after(bad);
        for (int i = 0; i < 20; ++i) q.queue(queues::ends_with(i % 2));
        CHECK(run_in_time(q.execute_all()).size() == 22);
        CHECK(slots.all_are_back());
    }
    CHECK(slots.most_taken() == 2);
    CHECK(most <= 2);
}

TEST_CASE("a queue waits for a slot until there is one", "[process]") {
    const nothing_leaks check;
    few_slots slots(1);
    command_queue q(2);
    q.slots_from(slots);
    const job first = q.queue(queues::ends_with(0));
    slots.take_all();
    const auto later = [&]() -> task<> {
        for (int i = 0; i < 5; ++i) co_await yield();
        CHECK(first.state() == job_state::waiting);
        slots.bring_back();
    };
    const auto talk = [&]() -> task<> { co_await when_all(queues::run_all(q), later()); };
    run_in_time(talk());
    CHECK(first.state() == job_state::succeeded);
    CHECK(slots.all_are_back());
}

TEST_CASE("a queue that is cancelled gives back its slots and waits for none", "[process]") {
    const nothing_leaks check;
    for (int turns = 0; turns < 30; ++turns) {
        few_slots slots(2);
        const auto talk = [&]() -> task<> {
            command_queue q(8);
            q.slots_from(slots);
            for (int i = 0; i < 3; ++i) q.queue(queues::stays());
            q.queue(queues::ends_with(0));
            const auto some_turns = [&]() -> task<> {
                for (int i = 0; i < turns; ++i) co_await yield();
            };
            const auto first = co_await when_any(q.execute_all(), some_turns());
            CHECK(first.index == 1);
            CHECK(slots.all_are_back());
        };
        run_in_time(talk());
        CHECK(slots.all_are_back());
    }
}

TEST_CASE("what a sink throws is the end of its job alone", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    q.queue(command(child("endless")).out(stdio::sink([](std::string_view) { throw std::runtime_error("enough"); })));
    q.queue(queues::ends_with(0));
    const job_results all = run_in_time(q.execute_all());
    CHECK(all[0].state == job_state::failed);
    CHECK(all[0].reason == "enough");
    CHECK_THROWS_AS(all[0].check(), std::runtime_error);
    CHECK(all[1]);
}
