// SPDX-License-Identifier: BSL-1.0
//
// A grandchild holds the pipe, and the caller waits for ever.
//
// What users saw: `wait()`, or "run this and give me its output", never returned although the child was long gone, for
// instance when it had started a daemon. A timeout killed the child and hung all the same.
// Root cause: "it has ended" was defined as "the process has ended and every copy of its pipes is closed"; a descendant
// inherits the writing end and keeps it.
// Reports: golang/go #13155, #20730, #23019, #60309; cpython #119710 (PR #151983); swift-subprocess #256 (PR #272);
// anyio #1174; tinyexec #138.
// Why not here: wait_awaiter waits for child_watch alone, which knows of the process and of no stream; the end of a
// stream is another completion, and whoever waits for that can be cancelled.
#include <chrono>
#include <optional>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: async_process::wait() waiting for out().wait_eof() first; "hangs: nothing came of it in 30 s".
TEST_CASE("wait returns though a grandchild holds every pipe", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("leave_heir"));
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(5));
        CHECK_FALSE(p.running());
        const std::optional<std::string> early = co_await p.read_line();
        CHECK(early == "early");
        // The heir still holds stdout, so a reader waits, for as long as it wants to.
        const bool more = (co_await with_timeout(p.read_line(), 50ms)).has_value();
        CHECK_FALSE(more);
        p.close_stdin();
        const std::optional<std::string> late = co_await p.read_line();
        CHECK(late == "late");
        const std::optional<std::string> end = co_await p.read_line();
        CHECK_FALSE(end);
    };
    run_in_time(talk());
}

TEST_CASE("a wait with a limit and a stop return though a grandchild holds every pipe", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("leave_heir"));
        const std::optional<exit_status> s = co_await p.wait(25s);
        CHECK(s == exit_status::exited(5));
        const exit_status again = co_await p.stop(25s);
        CHECK(again == exit_status::exited(5));
        p.close_stdin();
        const std::string rest = co_await p.read_stdout(); // nobody is left behind for the next test
        CHECK(rest == "early\nlate\n");
    };
    run_in_time(talk());
}

TEST_CASE("a capture that a grandchild holds up can be given up", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("leave_heir"));
        const auto gave_up = [&]() -> task<bool> {
            const auto all = co_await with_timeout(p.read_stdout(), 50ms);
            co_return !all.has_value();
        };
        const exit_status s = co_await p.wait();
        CHECK(s.code() == 5);
        const bool given_up = co_await gave_up();
        CHECK(given_up);
        CHECK(p.out().buffered() == 6); // and what came is there still
        p.close_stdin();
        co_await p.out().wait_eof();
    };
    run_in_time(talk());
}
