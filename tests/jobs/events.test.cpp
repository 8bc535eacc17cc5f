// SPDX-License-Identifier: BSL-1.0
//
// events: all that becomes of a command, one thing after the other.
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

struct seen_event {
    process_event e;
    std::string text;
};

task<std::vector<seen_event>> all_events(command_events from) {
    std::vector<seen_event> all;
    while (const process_event* e = co_await from.next()) all.push_back({*e, std::string(e->text)});
    const process_event* const after_the_end = co_await from.next();
    CHECK(after_the_end == nullptr);
    co_return all;
}

// The lines of one of the outputs.
std::vector<std::string> texts(const std::vector<seen_event>& all, process_event::what kind) {
    std::vector<std::string> found;
    for (const seen_event& each : all) {
        if (each.e.kind == kind) found.push_back(each.text);
    }
    return found;
}

} // namespace

TEST_CASE("the events of a command are its start and its lines and its end", "[process]") {
    const nothing_leaks check;
    const auto before = std::chrono::system_clock::now();
    const auto all = run_in_time(all_events(events(command(child("shout")))));
    const auto after = std::chrono::system_clock::now();
    REQUIRE(all.size() == 4);
    CHECK(all.front().e.kind == process_event::started);
    CHECK(all.front().e.pid > 0);
    CHECK(texts(all, process_event::out_line) == std::vector<std::string>{"out"});
    CHECK(texts(all, process_event::err_line) == std::vector<std::string>{"err"});
    const process_event& last = all.back().e;
    CHECK(last.kind == process_event::exited);
    CHECK(last.pid == all.front().e.pid);
    CHECK(last.status.success());
    CHECK(last.accepted);
    CHECK_FALSE(last.timed_out);
    CHECK(last.usage.peak_rss > 0);
    for (const seen_event& each : all) {
        CHECK(each.e.when >= before);
        CHECK(each.e.when <= after);
        CHECK(each.e.elapsed <= last.elapsed);
        CHECK(each.e.is_line() == !each.text.empty());
    }
}

TEST_CASE("no line of either output is missing from the events", "[process]") {
    const nothing_leaks check;
    const auto lines = run_in_time(all_events(events(command(child("lines"), "5000"))));
    REQUIRE(lines.size() == 5002);
    CHECK(lines[1].text == "line 0");
    CHECK(lines[5000].text == "line 4999");
    const auto floods = run_in_time(
        all_events(events(command(child("flood"), "2:200000", "1:200000", "2:=", "1:=", "2:200000", "1:200000"))));
    CHECK(texts(floods, process_event::out_line).size() == 2);
    CHECK(texts(floods, process_event::err_line).size() == 2);
    for (const seen_event& each : floods) CHECK((!each.e.is_line() || each.text.size() == 200'000));
}

TEST_CASE("each line is told as it comes", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    command c(child("talk_of_death"));
    auto all = events(c.ok_codes(7));
    loop.run([](command_events& from) -> task<> {
        co_await from.next();
        const process_event* const line = co_await from.next();
        REQUIRE(line != nullptr);
        CHECK(line->kind == process_event::out_line);
        CHECK(line->text == "alive");
        const auto when = line->when;
        ::kill(*from.pid(), SIGTERM);
        const process_event* const next = co_await from.next();
        REQUIRE(next != nullptr);
        CHECK(next->text == "dying");
        CHECK(next->when >= when);
        const process_event* const last = co_await from.next();
        REQUIRE(last != nullptr);
        CHECK(last->kind == process_event::exited);
        CHECK(last->accepted);
    }(all));
}

#if !defined(COPROC_BACKEND_KQUEUE) // whose list of events has an order of its own
TEST_CASE("of two lines that wait on two outputs the one that was written first is told first", "[process]") {
    for (const bool err_first : {true, false}) {
        INFO(err_first);
        const nothing_leaks check;
        event_loop loop;
        platform::pipe_ends first = platform::make_pipe();
        platform::pipe_ends second = platform::make_pipe();
        command c(child("pass_on"), err_first ? "0:2" : "0:1", err_first ? "3:1" : "3:2");
        c.in(stdio::fd(first.read.get())).pass_fd(3, second.read.get());
        auto all = events(c);
        loop.run(all.next());
        { const driven listens = drive(all.next()); }
        put_into(first.write, "one\n");
        first.write.reset();
        put_into(second.write, "two\n");
        second.write.reset();
        REQUIRE(all.pid());
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(*all.pid()), &info, WEXITED | WNOWAIT);
        std::vector<std::string> seen;
        loop.run([](command_events& from, std::vector<std::string>& into) -> task<> {
            while (const process_event* e = co_await from.next()) {
                if (e->is_line()) into.emplace_back(e->text);
            }
        }(all, seen));
        CHECK(seen == std::vector<std::string>{"one", "two"});
    }
}
#endif

TEST_CASE("a bad end is an event and a failed start an exception", "[process]") {
    const nothing_leaks check;
    const auto bad = run_in_time(all_events(events(command(child("exit_with"), "3"))));
    REQUIRE(bad.size() == 2);
    CHECK(bad.back().e.status.code() == 3);
    CHECK_FALSE(bad.back().e.accepted);
    CHECK_THROWS_AS(run_in_time(all_events(events(command("/no/such/program")))), spawn_error);
}

TEST_CASE("a passed bound stops the child and what it says then still comes", "[process]") {
    const nothing_leaks check;
    const auto late = run_in_time(all_events(events(command(child("talk_of_death")).timeout(300ms))));
    CHECK(texts(late, process_event::out_line) == std::vector<std::string>{"alive", "dying"});
    CHECK(late.back().e.kind == process_event::exited);
    CHECK(late.back().e.status.code() == 7);
    CHECK(late.back().e.timed_out);
    CHECK_FALSE(late.back().e.accepted);
    const auto silent = run_in_time(all_events(events(command(child("deaf")).idle_timeout(100ms))));
    CHECK(silent.back().e.timed_out);
    const auto closed = run_in_time(all_events(events(command(child("hush")).timeout(100ms))));
    CHECK(closed.back().e.status.signal() == SIGTERM);
}

TEST_CASE("an endless stream of events is bound by the timeout", "[process]") {
    const nothing_leaks check;
    auto flood = events(command(child("endless")).timeout(100ms));
    run_in_time([](command_events& from) -> task<> {
        bool late = false;
        while (const process_event* e = co_await from.next()) late = e->timed_out;
        CHECK(late);
    }(flood));
}

TEST_CASE("a child that closes its outputs or floods one of them or does not read is followed to its end",
          "[process]") {
    const nothing_leaks check;
    const auto mute = run_in_time(all_events(events(command(child("mute")))));
    CHECK(mute.size() == 2);
    CHECK(mute.back().e.status.success());
    const auto merged = run_in_time(all_events(events(command(child("shout")).err(stdio::to_out))));
    CHECK(texts(merged, process_event::out_line) == std::vector<std::string>{"out", "err"});
    const auto none = run_in_time(all_events(events(command(child("shout")).out(stdio::null).err(stdio::null))));
    CHECK(none.size() == 2);
}

TEST_CASE("an heir that holds both pipes does not hold up the last event for ever", "[process]") {
    const nothing_leaks check;
    platform::pipe_ends pipe = platform::make_pipe();
    command c(child("leave_heir"));
    const auto all = run_in_time(all_events(events(c.in(stdio::fd(pipe.read.get())).drain(50ms))));
    REQUIRE(all.size() == 3);
    CHECK(all[1].text == "early");
    CHECK(all.back().e.status.code() == 5);
}

TEST_CASE("what there is of a line that an heir has not ended is told before the last event", "[process]") {
    const nothing_leaks check;
    platform::pipe_ends pipe = platform::make_pipe();
    command c(child("brood"), "(e)hx");
    const auto all = run_in_time(all_events(events(c.in(stdio::fd(pipe.read.get())).drain(50ms))));
    REQUIRE(all.size() == 3);
    CHECK(all[1].text == "half");
    CHECK(all.back().e.kind == process_event::exited);
}

TEST_CASE("leaving the events early ends the child", "[process]") {
    const nothing_leaks check;
    run_in_time([]() -> task<> {
        auto all = events(command(child("endless")));
        co_await all.next();
        const process_event* const line = co_await all.next();
        CHECK(line->text == "y");
    }());
}

TEST_CASE("cancelling a wait for an event at any moment loses nothing", "[process]") {
    for (int turns = 0; turns < 8; ++turns) {
        INFO(turns);
        const nothing_leaks check;
        event_loop loop;
        auto all = events(command(child("shout")));
        {
            const driven first = drive(all.next());
            for (int i = 0; i < turns; ++i) loop.run_once(1ms);
        }
        std::size_t lines = 0;
        bool exited = false;
        loop.run([](command_events& from, std::size_t& n, bool& end) -> task<> {
            while (const process_event* e = co_await from.next()) {
                n += e->is_line() ? 1 : 0;
                end = e->kind == process_event::exited;
            }
        }(all, lines, exited));
        CHECK(lines == 2);
        CHECK(exited);
    }
    const nothing_leaks check;
    event_loop loop;
    auto all = events(command(child("deaf")));
    loop.run([](command_events& from) -> task<> {
        co_await from.next();
        co_await from.next();
        for (int i = 0; i < 3; ++i) {
            const auto none = co_await with_timeout(from.next(), 2ms);
            CHECK_FALSE(none);
        }
    }(all));
}

TEST_CASE("a line that is too long is told among the events and the next ones come", "[process]") {
    const nothing_leaks check;
    auto all = events(command(child("cat")).in(stdio::text("aaaaaa\nbb\n")));
    all.line_limit(3);
    int errors = 0;
    int lines = 0;
    run_in_time([](command_events& from, int& n, int& count) -> task<> {
        for (;;) {
            try {
                const process_event* const e = co_await from.next();
                if (e == nullptr) break;
                count += e->is_line() ? 1 : 0;
            } catch (const line_too_long&) {
                ++n;
            }
        }
    }(all, errors, lines));
    CHECK(errors == 1);
    CHECK(lines == 1);
}

TEST_CASE("what a sink throws ends the events whether it was there already or waited for", "[process]") {
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
        auto all = events(c);
        put_into(pipe.write, "one\n");
        loop.run(all.next()); // its start
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
        const process_event* const after_the_end = loop.run(all.next());
        CHECK(after_the_end == nullptr);
    }
}

TEST_CASE("events outlive nothing but their loop", "[process]") {
    const nothing_leaks check;
    auto all = events(command(child("endless")));
    {
        event_loop loop;
        loop.run([](command_events& from) -> task<> {
            co_await from.next();
            co_await from.next();
        }(all));
    } // kills and reaps
    CHECK(no_children());
}
