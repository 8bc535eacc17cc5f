// SPDX-License-Identifier: BSL-1.0
//
// A command_queue within the slots of make: first of a pipe that stands for one, then of a real one, as whose guest
// examples/make_guest.cpp is run.
#include <coproc.hpp>
#include <coproc/jobs/command_queue.hpp>
#include <coproc/jobs/make_server.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/gnu_make.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

const char* const example = COPROC_TEST_EXAMPLES "/make_guest";

// One of children/job_log.cpp as a word of a recipe: it is at work until so many are.
std::string logged_job(const std::string& log, int count) {
    return "'" + child("job_log") + " " + log + " " + std::to_string(count) + "'";
}

// What a make says at its end when tokens are missing: `make: INTERNAL: Exiting with 1 jobserver tokens available; …`.
bool misses_tokens(const result& r) { return r.err.find("INTERNAL") != std::string::npos; }

} // namespace

TEST_CASE("a queue keeps within the slots that it is given", "[make][process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string log = directory / "log";
    make_server server(3);
    {
        command_queue q(8);
        q.slots_from(server);
        for (int i = 0; i < 12; ++i) q.queue(command(child("job_log"), log, "3"));
        const auto all = run_in_time(q.execute_all());
        CHECK(all.size() == 12);
        for (const job_result& r : all) CHECK(r);
    }
    CHECK(most_at_once(content_of(log)) == 3);
    CHECK(server.restore() == 0);
}

TEST_CASE("a queue gives its slots back when it is cancelled and when its jobs fail", "[make][process]") {
    const nothing_leaks check;
    make_server server(3);
    {
        command_queue q(8);
        q.slots_from(server);
        for (int i = 0; i < 6; ++i) q.queue(command(child("wait_for_signal")));
        CHECK_FALSE(run(with_timeout(q.execute_all(), 50ms)));
    }
    CHECK(server.held() == 0);
    CHECK(server.restore() == 0);
    {
        command_queue q(8);
        q.slots_from(server);
        for (int i = 0; i < 6; ++i) q.queue(command(child("exit_with"), "3"));
        q.queue(command("/no such program"));
        for (const job_result& r : run_in_time(q.execute_all())) CHECK_FALSE(r);
    }
    CHECK(server.held() == 0);
    CHECK(server.restore() == 0);
}

TEST_CASE("two queues share the slots that they are given", "[make][process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string log = directory / "log";
    make_server server(3);
    run_in_time([](make_server& s, const std::string& file) -> task<> {
        command_queue one(8);
        command_queue other(8);
        one.slots_from(s);
        other.slots_from(s);
        for (int i = 0; i < 6; ++i) {
            one.queue(command(child("job_log"), file, "3"));
            other.queue(command(child("job_log"), file, "3"));
        }
        co_await when_all(one.execute_all(), other.execute_all());
    }(server, log));
    CHECK(content_of(log).size() == 24);
    CHECK(most_at_once(content_of(log)) == 3);
    CHECK(server.restore() == 0);
}

TEST_CASE("a guest of a make takes part in its jobs and gives every token back", "[make][process]") {
    const nothing_leaks check;
    const gnu_make make;
    if (!make) return;
    for (const auto& style : make.styles()) {
        const temporary_directory directory;
        const std::string job = logged_job(directory / "log", 3);
        directory.file("Makefile", "all: guest another j1 j2 j3\n"
                                   "guest another:\n\t+@$(GUEST) $(JOB) $(JOB) $(JOB) $(JOB) $(JOB) $(JOB)\n"
                                   "j%:\n\t@eval $(JOB)\n");
        const result r = run_through(make.top()
                                         .args(style)
                                         .arg("-j3")
                                         .arg(std::string("GUEST=") + example)
                                         .arg("JOB=" + job)
                                         .cwd(directory.path().string()));
        INFO(r.err);
        CHECK(r.status.success());
        CHECK(r.err.empty());
        const std::string log = content_of(directory / "log");
        CHECK(log.size() == 2 * 15);
        CHECK(most_at_once(log) == 3);
    }
}

TEST_CASE("a guest whose jobs fail gives every token back to its make", "[make][process]") {
    const nothing_leaks check;
    const gnu_make make;
    if (!make) return;
    for (const auto& style : make.styles()) {
        const temporary_directory directory;
        directory.file("Makefile", "all:\n\t+@$(GUEST) 'no/such/program' '$(FAIL) 3' '$(FAIL) 4' '$(FAIL) 0'\n");
        const result r = run_through(make.top()
                                         .args(style)
                                         .arg("-j3")
                                         .arg(std::string("GUEST=") + example)
                                         .arg("FAIL=" + child("exit_with"))
                                         .cwd(directory.path().string()));
        INFO(r.err);
        CHECK(r.status.code() == 2);
        CHECK(r.err.find("exit_with 4") != std::string::npos);
        CHECK_FALSE(misses_tokens(r));
    }
}

TEST_CASE("a make that is a job of its guest has its slots from the first make", "[make][process]") {
    const nothing_leaks check;
    const gnu_make make;
    if (!make) return;
    for (const auto& style : make.styles()) {
        const temporary_directory directory;
        const std::string job = logged_job(directory / "log", 4);
        directory.file("Makefile", "all:\n\t+@$(GUEST) '$(MAKE) a' '$(MAKE) b'\n"
                                   "a: j1 j2 j3\nb: j4 j5 j6\nj%:\n\t@eval $(JOB)\n");
        const result r = run_through(make.top()
                                         .args(style)
                                         .arg("-j4")
                                         .arg(std::string("GUEST=") + example)
                                         .arg("JOB=" + job)
                                         .cwd(directory.path().string()));
        INFO(r.err);
        CHECK(r.status.success());
        CHECK(r.err.empty());
        const std::string log = content_of(directory / "log");
        CHECK(log.size() == 2 * 6);
        CHECK(most_at_once(log) == 4);
    }
}

TEST_CASE("a guest to whom a make has lent nothing runs one job at a time and warns", "[make][process]") {
    const nothing_leaks check;
    const gnu_make make;
    if (!make) return;
    const temporary_directory directory;
    const std::string job = logged_job(directory / "log", 1);
    directory.file("Makefile", "all:\n\t@$(GUEST) $(JOB) $(JOB) $(JOB)\n");
    command c = make.top();
    if (make.has_fifo) c.arg("--jobserver-style=pipe"); // a fifo needs no +
    const result r =
        run_through(c.arg("-j3").arg(std::string("GUEST=") + example).arg("JOB=" + job).cwd(directory.path().string()));
    INFO(r.err);
    CHECK(r.status.success());
    CHECK(r.err.find("make_guest: cannot use make's job server") == 0);
    CHECK(r.err.find("lacks a +; one job at a time") != std::string::npos);
    CHECK(content_of(directory / "log") == "+-+-+-");
}

TEST_CASE("a guest of a make that only shows what it would do shows it", "[make][process]") {
    const gnu_make make;
    if (!make) return;
    const temporary_directory directory;
    directory.file("Makefile", "all:\n\t+@$(GUEST) 'touch made'\n");
    const result r = run_through(
        make.top().arg("-n").arg("-j2").arg(std::string("GUEST=") + example).cwd(directory.path().string()));
    CHECK(r.out.find("\ntouch made\n") != std::string::npos);
    CHECK(content_of(directory / "made").empty());
}

TEST_CASE("a make notices a guest that loses its tokens", "[make][process]") {
    const nothing_leaks check;
    const gnu_make make; // so silence means something in the tests above
    if (!make) return;
    for (const auto& style : make.styles()) {
        const temporary_directory directory;
        directory.file("Makefile", "all:\n\t+@$(LOSER) take 1\n");
        const result r = run_through(
            make.top().args(style).arg("-j3").arg("LOSER=" + child("make_token")).cwd(directory.path().string()));
        CHECK(misses_tokens(r));
    }
}
