// SPDX-License-Identifier: BSL-1.0
//
// lines: what a command writes, as it comes, and how that ends.
#include <signal.h>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/failing_allocations.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

task<std::vector<std::string>> all_of(command_lines from) {
    std::vector<std::string> all;
    while (const auto line = co_await from.next()) all.emplace_back(*line);
    const auto after_the_end = co_await from.next();
    CHECK_FALSE(after_the_end);
    co_return all;
}

task<> look_at_all(command_lines& from) {
    while (const auto line = co_await from.next()) {
    }
}

} // namespace

TEST_CASE("the lines of a command come as views and end with it", "[process]") {
    const nothing_leaks check;
    const auto all = run_in_time(all_of(lines(command(child("lines"), "3"))));
    CHECK(all == std::vector<std::string>{"line 0", "line 1", "line 2"});
    CHECK(run_in_time(all_of(lines(command(child("exit_with"), "0")))).empty());
    const auto last = run_in_time(all_of(lines(command(child("cat")).in(stdio::text("a\r\n\nb")))));
    CHECK(last == std::vector<std::string>{"a", "", "b"});
}

TEST_CASE("many lines allocate nothing each", "[process]") {
    const nothing_leaks check;
    std::size_t count = 0;
    long made = 0;
    run_in_time([](std::size_t& n, long& allocations) -> task<> {
        auto all = lines(command(child("lines"), "100000"));
        co_await all.next();
        const long before = failing_allocations::made;
        for (n = 1; co_await all.next();) ++n;
        allocations = failing_allocations::made - before;
    }(count, made));
    CHECK(count == 100'000);
    CHECK(made < 100); // buffers that grow, and the end
}

TEST_CASE("nothing runs before the first line is asked for", "[process]") {
    const nothing_leaks check;
    auto never = lines(command("/no/such/program"));
    CHECK_FALSE(never.pid());
    CHECK(no_children());
    auto moved = std::move(never);
    CHECK_THROWS_AS(never.next(), usage_error); // NOLINT(bugprone-use-after-move)
    CHECK_THROWS_AS(run_in_time(all_of(std::move(moved))), spawn_error);
}

TEST_CASE("a failed start is told once and then there are no lines", "[process]") {
    const nothing_leaks check;
    auto none = lines(command("/no/such/program"));
    run_in_time([](command_lines& from) -> task<> {
        bool thrown = false;
        try {
            co_await from.next();
        } catch (const spawn_error&) {
            thrown = true;
        }
        CHECK(thrown);
        const auto line = co_await from.next();
        CHECK_FALSE(line);
    }(none));
}

TEST_CASE("a bad exit throws where the lines end and quotes stderr", "[process]") {
    const nothing_leaks check;
    auto all = lines(command(child("trade"), "oei", "26"));
    run_in_time([](command_lines& from) -> task<> {
        const auto line = co_await from.next();
        CHECK(line == "abcdefghijklmnopqrstuvwxyz");
        CHECK(from.result() == nullptr);
        std::string what;
        try {
            co_await from.next();
        } catch (const exit_error& e) {
            what = e.what();
            CHECK(e.result().status.code() == 3);
        }
        CHECK(what.find("stderr \"abc") != std::string::npos);
        REQUIRE(from.result() != nullptr);
        CHECK(from.result()->status.code() == 3);
        CHECK_FALSE(from.pid());
    }(all));
    CHECK(run_in_time(all_of(lines(command(child("exit_with"), "3").ok_codes(3)))).empty());
}

TEST_CASE("a flood of stderr neither blocks the lines nor takes more than its share", "[process]") {
    const nothing_leaks check;
    auto all = lines(command(child("flood"), "2:1000000", "1:5", "1:=", "2:1000000", "1:5"));
    run_in_time([](command_lines& from) -> task<> {
        for (int i = 0; i < 2; ++i) {
            const auto line = co_await from.next();
            CHECK(line == "abcde");
        }
        const auto end = co_await from.next();
        CHECK_FALSE(end);
        REQUIRE(from.result() != nullptr);
        CHECK(from.result()->err_bytes == 2'000'000);
        CHECK(from.result()->err_truncated);
        CHECK(from.result()->err.size() == std::size_t{64} << 10);
    }(all));
    command limited(child("flood"), "2:100000", "1:=");
    CHECK_THROWS_AS(run_in_time(all_of(lines(limited.capture_err(capture::all(1000))))), output_limit_error);
}

TEST_CASE("lines within a timeout or an error", "[process]") {
    const nothing_leaks check;
    CHECK_THROWS_AS(run_in_time(all_of(lines(command(child("deaf")).timeout(100ms)))), timeout_error);
    CHECK_THROWS_AS(run_in_time(all_of(lines(command(child("deaf")).idle_timeout(100ms)))), timeout_error);
    CHECK_THROWS_AS(run_in_time(all_of(lines(command(child("hush")).timeout(100ms)))), timeout_error);
    CHECK_THROWS_AS(run_in_time(all_of(lines(command(child("hush")).idle_timeout(100ms)))), timeout_error);
    std::size_t count = 0; // also if there always is a line
    auto flood = lines(command(child("endless")).timeout(100ms));
    CHECK_THROWS_AS(run_in_time([](command_lines& from, std::size_t& n) -> task<> {
                        while (co_await from.next()) ++n;
                    }(flood, count)),
                    timeout_error);
    CHECK(count > 0);
}

TEST_CASE("how a child ended that has passed a bound is known once its lines have", "[process]") {
    const nothing_leaks check;
    auto late = lines(command(child("talk_of_death")).timeout(100ms));
    CHECK_THROWS_AS(run_in_time(look_at_all(late)), timeout_error);
    REQUIRE(late.result() != nullptr);
    CHECK(late.result()->timed_out);
    command c(child("flood"), "2:100000", "1:=");
    auto too_much = lines(c.capture_err(capture::all(1000)));
    CHECK_THROWS_AS(run_in_time(look_at_all(too_much)), output_limit_error);
    REQUIRE(too_much.result() != nullptr);
    CHECK(too_much.result()->err.size() == 1000);
    CHECK(too_much.result()->err_truncated);
}

TEST_CASE("a slow reader is no silence of the child", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    auto all = lines(command(child("hold")).in(stdio::fd(pipe.read.get())).idle_timeout(100ms));
    {
        const driven first = drive(all.next());
        while (!first.done() && !all.pid()) loop.run_once(1ms);
    }
    loop.run([](command_lines& from) -> task<> {
        co_await sleep_for(100ms); // of silence, but nobody listens
        const auto begin = platform::clock::now();
        bool silent = false;
        try {
            co_await from.next();
        } catch (const timeout_error&) {
            silent = true;
        }
        CHECK(silent);
        CHECK(platform::clock::now() - begin >= 100ms); // it has had all its time, however slow this machine is
    }(all));
}

TEST_CASE("an heir that holds stdout does not hold up the end of the lines for ever", "[process]") {
    const nothing_leaks check;
    platform::pipe_ends pipe = platform::make_pipe();
    command c(child("leave_heir"));
    c.in(stdio::fd(pipe.read.get())).drain(50ms).ok_codes(5);
    auto all = lines(c);
    run_in_time([](command_lines& from) -> task<> {
        const auto line = co_await from.next();
        CHECK(line == "early");
        const auto end = co_await from.next();
        CHECK_FALSE(end);
        REQUIRE(from.result() != nullptr);
        CHECK(from.result()->pipes_abandoned);
    }(all));
}

TEST_CASE("what there is of a line that an heir has not ended is the last one", "[process]") {
    const nothing_leaks check;
    platform::pipe_ends pipe = platform::make_pipe();
    command c(child("brood"), "(e)hx");
    CHECK(run_in_time(all_of(lines(c.in(stdio::fd(pipe.read.get())).drain(50ms)))) == std::vector<std::string>{"half"});
}

TEST_CASE("what an heir says within the drain is among the lines", "[process]") {
    const nothing_leaks check;
    command c(child("leave_heir"));
    c.in(stdio::null).drain(20s).ok_codes(5);
    CHECK(run_in_time(all_of(lines(c))) == std::vector<std::string>{"early", "late"});
}

TEST_CASE("leaving the lines early ends the child", "[process]") {
    const nothing_leaks check;
    run_in_time([]() -> task<> {
        auto all = lines(command(child("endless")));
        const auto line = co_await all.next();
        CHECK(line == "y");
        CHECK(all.pid());
    }());
}

TEST_CASE("cancelling a wait for a line at any moment loses nothing and starts nothing twice", "[process]") {
    for (int turns = 0; turns < 8; ++turns) {
        INFO(turns);
        const nothing_leaks check;
        event_loop loop;
        auto all = lines(command(child("lines"), "2").timeout(20s));
        {
            const driven first = drive(all.next());
            for (int i = 0; i < turns; ++i) loop.run_once(1ms);
        }
        std::vector<std::string> seen;
        loop.run([](command_lines& from, std::vector<std::string>& into) -> task<> {
            while (const auto line = co_await from.next()) into.emplace_back(*line);
        }(all, seen));
        // One that came before it was cancelled was handed over; driven drops it.
        REQUIRE_FALSE(seen.empty());
        CHECK(seen.back() == "line 1");
        CHECK(seen.size() <= 2);
    }
}

TEST_CASE("cancelling a wait for lines that do not come leaves the child alone", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    auto all = lines(command(child("talk_of_death")).ok_codes(7));
    loop.run([](command_lines& from) -> task<> {
        const auto line = co_await from.next();
        CHECK(line == "alive");
        for (int i = 0; i < 3; ++i) {
            const auto none = co_await with_timeout(from.next(), 2ms);
            CHECK_FALSE(none);
        }
        REQUIRE(from.pid());
        ::kill(*from.pid(), SIGTERM);
        const auto last = co_await from.next();
        CHECK(last == "dying");
        const auto end = co_await from.next();
        CHECK_FALSE(end);
    }(all));
}

TEST_CASE("a stop for a timeout that was cancelled is still a timeout", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    auto all = lines(command(child("ignore_term")).timeout(100ms).grace(200ms));
    loop.run([](command_lines& from) -> task<> {
        const auto line = co_await from.next();
        CHECK(line == "ready");
        const auto none = co_await with_timeout(from.next(), 150ms);
        CHECK_FALSE(none);
        bool late = false;
        try {
            co_await from.next();
        } catch (const timeout_error&) {
            late = true;
        }
        CHECK(late);
    }(all));
}

TEST_CASE("a second wait for a line while the first one waits is refused", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    auto all = lines(command(child("hold")).in(stdio::inherit));
    const driven first = drive(all.next());
    const driven second = drive(all.next());
    CHECK_THROWS_AS(second.done(), usage_error);
}

TEST_CASE("a line that is too long is told and the next ones come", "[process]") {
    const nothing_leaks check;
    auto all = lines(command(child("cat")).in(stdio::text("aaaaaa\nbb\ncccccc\n")));
    all.line_limit(3);
    int errors = 0;
    std::vector<std::string> seen;
    run_in_time([](command_lines& from, int& n, std::vector<std::string>& into) -> task<> {
        for (;;) {
            try {
                const auto line = co_await from.next();
                if (!line) break;
                into.emplace_back(*line);
            } catch (const line_too_long&) {
                ++n;
            }
        }
    }(all, errors, seen));
    CHECK(errors == 2);
    CHECK(seen == std::vector<std::string>{"bb"});
    CHECK(run_in_time(all_of(
              std::move(lines(command(child("cat")).in(stdio::text("b\naaaaaa\n"))).line_limit(3, long_line::skip)))) ==
          std::vector<std::string>{"b"});
    CHECK_THROWS_AS(all.line_limit(0), std::invalid_argument);
}

TEST_CASE("what a sink throws ends the lines whether it was there already or waited for", "[process]") {
    for (const bool waits : {false, true}) {
        INFO(waits);
        const nothing_leaks check;
        event_loop loop;
        platform::pipe_ends pipe = platform::make_pipe();
        int chunks = 0;
        command c(child("pass_on"), "0:1");
        c.in(stdio::fd(pipe.read.get())).out(stdio::sink([&chunks](std::string_view) {
            if (++chunks == 2) throw std::runtime_error("the sink");
        }));
        auto all = lines(c);
        put_into(pipe.write, "one\n");
        loop.run(all.next());
        const auto go_on = [&] {
            put_into(pipe.write, "two\n");
            while (chunks < 2) loop.run_once(1ms);
        };
        if (!waits) go_on();
        const driven next = drive(all.next());
        if (waits) go_on();
        const auto await_next = [&] {
            while (!next.done()) loop.run_once(1ms);
        };
        CHECK_THROWS_AS(await_next(), std::runtime_error);
        loop.run([](command_lines& from) -> task<> {
            const auto after_the_end = co_await from.next();
            CHECK_FALSE(after_the_end);
        }(all));
    }
}

TEST_CASE("lines of a stdout that goes elsewhere are refused before anything runs", "[process]") {
    const nothing_leaks check;
    CHECK_THROWS_AS(run_in_time(all_of(lines(command(child("shout")).out(stdio::null)))), usage_error);
    for (const stdio& elsewhere : {stdio(stdio::null), stdio(stdio::to_err), stdio::tee(stdio::null)}) {
        command c("/no/such/program"); // whose start would be a spawn_error
        CHECK_THROWS_AS(run_in_time(all_of(lines(c.out(elsewhere)))), usage_error);
    }
}

TEST_CASE("lines outlive nothing but their loop", "[process]") {
    const nothing_leaks check;
    auto all = lines(command(child("endless")));
    {
        event_loop loop;
        loop.run([](command_lines& from) -> task<> { co_await from.next(); }(all));
    } // kills and reaps
    CHECK(no_children());
}
