// SPDX-License-Identifier: BSL-1.0
//
// command_queue: jobs that come after others, and jobs that are tried again.
#include <coproc/jobs/command_queue.hpp>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <coproc/loop/sleep.hpp>

#include "jobs/queues.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// The names of those that have ended, in that order.
void note_endings(command_queue& q, std::vector<std::string>& into) {
    q.on_progress([&into](const queue_progress& now) {
        if (now.last != nullptr && !now.last->again) into.emplace_back(now.last->name);
    });
}

std::string cycle_words(const job& first, const job& after) {
    try {
        first.after(after);
    } catch (const usage_error& e) {
        return e.what();
    }
    return "nothing thrown";
}

} // namespace

TEST_CASE("a job begins when those that it comes after have succeeded", "[process]") {
    const nothing_leaks check;
    std::vector<std::string> order;
    command_queue q(4);
    note_endings(q, order);
    const job last = q.queue(queues::ends_with(0)).named("last");
    const job middle = q.queue(queues::ends_with(0)).named("middle");
    const job other = q.queue(queues::ends_with(0)).named("other");
    const job first = q.queue(queues::ends_with(0)).named("first");
    last.after(middle, other);
    middle.after(first);
    other.after(first).after(middle);
    const job_results all = run_in_time(q.execute_all());
    CHECK(order == std::vector<std::string>{"first", "middle", "other", "last"});
    CHECK(queues::names(all) == std::vector<std::string>{"last", "middle", "other", "first"});
    CHECK_NOTHROW(all.check());
}

TEST_CASE("of the jobs that may begin the one queued first is first", "[process]") {
    const nothing_leaks check;
    std::vector<std::string> order;
    command_queue q(1);
    note_endings(q, order);
    const job build = q.queue(queues::ends_with(0)).named("build");
    q.queue(queues::ends_with(0)).named("test").after(build);
    q.queue(queues::ends_with(0)).named("other");
    run_in_time(q.execute_all());
    CHECK(order == std::vector<std::string>{"build", "test", "other"});
}

TEST_CASE("a job that comes after one that failed is skipped and so are those after it", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    const job good = q.queue(queues::ends_with(0)).named("good");
    const job bad = q.queue(command("/no/such/program")).named("bad");
    const job next = q.queue(queues::ends_with(0)).named("next").after(good, bad);
    q.queue(queues::ends_with(0)).named("last").after(next, good);
    q.queue(queues::ends_with(0)).named("apart").after(good);
    const job_results all = run_in_time(q.execute_all());
    using s = job_state;
    CHECK(queues::states(all) == std::vector<s>{s::succeeded, s::not_started, s::skipped, s::skipped, s::succeeded});
    CHECK(all[2].reason == "skipped, since \"bad\" did not succeed");
    CHECK(all[2].attempts == 0);
    CHECK_FALSE(all[2].status.success());
    CHECK(all[3].reason == "skipped, since \"next\" did not succeed");
}

TEST_CASE("a job may come after one that is over", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    const job good = q.queue(queues::ends_with(0)).named("good");
    const job bad = q.queue(queues::ends_with(1)).named("bad");
    run_in_time(q.execute_all());
    q.queue(queues::ends_with(0)).after(good).named("goes");
    q.queue(queues::ends_with(0)).after(bad).named("does not");
    const job_results all = run_in_time(q.execute_all());
    CHECK(queues::states(all) == std::vector<job_state>{job_state::succeeded, job_state::skipped});
    CHECK(all[1].reason == "skipped, since \"bad\" did not succeed");
}

TEST_CASE("jobs that would come after themselves are refused by name") {
    command_queue q(2);
    const job a = q.queue("true").named("a");
    const job b = q.queue("true").named("b").after(a);
    const job c = q.queue("true").named("c").after(b);
    CHECK(cycle_words(a, a) == "the job \"a\" cannot come after itself");
    CHECK(cycle_words(a, b) == "the job \"a\" cannot come after \"b\", which comes after \"a\"");
    CHECK(cycle_words(a, c) ==
          "the job \"a\" cannot come after \"c\", which comes after \"b\", which comes after \"a\"");
    const job other = q.queue("true").named("other").after(a);
    CHECK(cycle_words(c, other) == "nothing thrown");
}

TEST_CASE("a long circle of jobs is refused in few words", "[process]") {
    const nothing_leaks check;
    command_queue q(64);
    const job first = q.queue(queues::ends_with(0)).named("0");
    job last = first;
    for (int i = 1; i < 2000; ++i) last = q.queue(queues::ends_with(0)).named(std::to_string(i)).after(last);
    const std::string words = cycle_words(first, last);
    CHECK(words.find("the job \"0\" cannot come after \"1999\", which comes after \"1998\"") == 0);
    CHECK(words.size() < 500);
    q.cancel();
    CHECK(run_in_time(q.execute_all()).size() == 2000);
}

TEST_CASE("a circle that was refused leaves the jobs as they were", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    const job a = q.queue(queues::ends_with(0)).named("a");
    const job b = q.queue(queues::ends_with(0)).named("b").after(a);
    CHECK_THROWS_AS(a.after(b), usage_error);
    CHECK_NOTHROW(run_in_time(q.execute_all()).check());
}

TEST_CASE("a job cannot come after one of another queue") {
    command_queue q(1);
    command_queue other(1);
    const job foreign = other.queue("true");
    CHECK_THROWS_AS(q.queue("true").after(foreign), usage_error);
}

TEST_CASE("a chain of many jobs that is skipped takes no stack", "[process]") {
    const nothing_leaks check;
    command_queue q(2);
    job last = q.queue(queues::ends_with(1));
    for (int i = 0; i < 20000; ++i) last = q.queue(queues::ends_with(0)).after(last);
    const job_results all = run_in_time(q.execute_all());
    CHECK(all.size() == 20001);
    CHECK(all.back().state == job_state::skipped);
}

TEST_CASE("a job that fails is tried again as often as it was told", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.queue(queues::ends_with(3)).named("thrice").retries(2);
    q.queue(queues::ends_with(0)).named("once").retries(5, 1h);
    q.queue(queues::ends_with(1)).named("never again").retries(0, 1h);
    std::vector<std::string> again;
    q.on_progress([&](const queue_progress& now) {
        if (now.last == nullptr || !now.last->again) return;
        again.emplace_back(now.last->name);
        CHECK_FALSE(now.last->succeeded);
        CHECK(now.last->status == exit_status::exited(3));
    });
    const job_results all = run_in_time(q.execute_all());
    CHECK(all[0].attempts == 3);
    CHECK(all[0].status == exit_status::exited(3));
    CHECK(all[1].attempts == 1);
    CHECK(all[2].attempts == 1);
    CHECK(again == std::vector<std::string>{"thrice", "thrice"});
}

TEST_CASE("a job that succeeds at last has succeeded", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    command_queue q(1);
    const job flaky = q.queue(command(directory / "program")).named("flaky").retries(3, 1ms);
    q.queue(queues::ends_with(0)).named("next").after(flaky);
    q.on_progress([&](const queue_progress& now) {
        if (now.last == nullptr || !now.last->again) return;
        CHECK(now.last->reason.find("cannot start") == 0);
        std::filesystem::create_symlink(child("shout"), directory / "program"); // from here on it can be started
    });
    const job_results all = run_in_time(q.execute_all());
    CHECK_NOTHROW(all.check());
    CHECK(all[0].attempts == 2);
    CHECK(all[0].out == "out\n");
    CHECK(all[0].reason.empty());
    CHECK(all[0].error == nullptr);
}

TEST_CASE("the pause between attempts doubles", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.queue(queues::ends_with(1)).retries(3, 10ms);
    const auto begin = std::chrono::steady_clock::now();
    const job_results all = run_in_time(q.execute_all());
    CHECK(std::chrono::steady_clock::now() - begin >= 70ms); // 10, 20, 40
    CHECK(all[0].attempts == 4);
}

TEST_CASE("a sequence stays one while a job waits for its next attempt", "[process]") {
    const nothing_leaks check;
    std::vector<std::string> order;
    command_queue q(1);
    note_endings(q, order);
    q.queue(queues::ends_with(1)).named("a").retries(1, 5ms);
    q.queue(queues::ends_with(0)).named("b");
    run_in_time(q.execute_all());
    CHECK(order == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a job whose time is over is tried again", "[process]") {
    const nothing_leaks check;
    command_queue q(1);
    q.queue(queues::stays().timeout(5ms).grace(0ms)).retries(1);
    const job_results all = run_in_time(q.execute_all());
    CHECK(all[0].attempts == 2);
    CHECK(all[0].timed_out);
}

TEST_CASE("what cannot be meant by retries is refused") {
    command_queue q(1);
    const job a = q.queue("true");
    CHECK_THROWS_AS(a.retries(-1, 1s), std::invalid_argument);
    CHECK_THROWS_AS(a.retries(1, -1s), std::invalid_argument);
    CHECK_NOTHROW(a.retries(1000, std::chrono::hours::max()));
}
