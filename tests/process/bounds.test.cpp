// SPDX-License-Identifier: BSL-1.0
//
// How far a run may go: timeouts, grace, pipes that others hold, and what counts as a success.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// The error that a run ends with.
template <class Error>
Error error_of_run(const command& c) {
    std::optional<Error> error;
    const auto run = [&]() -> task<> {
        async_process p(c);
        try {
            const result r = co_await p.communicate();
        } catch (const Error& e) {
            error = e;
        }
        CHECK_FALSE(p.running()); // whatever it was, it has been reaped
    };
    run_in_time(run());
    if (!error) throw std::runtime_error("the run has ended well");
    return *error;
}

result result_of_run(const command& c) {
    const auto run = [&]() -> task<result> {
        async_process p(c);
        co_return co_await p.communicate();
    };
    return run_in_time(run());
}

} // namespace

TEST_CASE("a run that takes too long is stopped and its error has what it wrote", "[process]") {
    const nothing_leaks check;
    const auto e = error_of_run<timeout_error>(command(child("talk_of_death")).timeout(300ms));
    const result& r = e.result();
    CHECK(r.out == "alive\ndying\n"); // also what it said when it was told to go
    CHECK(r.status == exit_status::exited(7));
    CHECK(r.timed_out);
    CHECK(r.stopped);
    CHECK_FALSE(r.killed);
    CHECK_FALSE(r.pipes_abandoned);
    CHECK(r.elapsed >= 300ms);
    CHECK(e.limit() == 300ms);
    CHECK_FALSE(e.idle());
    CHECK(e.code() == errc::timed_out);
    CHECK(e.code() == std::errc::timed_out);
    CHECK(std::string(e.what()).find(": not done after 300 ms, exited with code 7: timed out") != std::string::npos);
}

TEST_CASE("who does not listen is killed when the grace is over", "[process]") {
    const nothing_leaks check;
    const auto e = error_of_run<timeout_error>(command(child("ignore_term")).timeout(200ms).grace(50ms));
    CHECK(e.result().killed);
    CHECK(e.result().status.signal() == SIGKILL);
    CHECK(e.result().out == "ready\n");
    CHECK(e.result().elapsed >= 250ms);
}

TEST_CASE("a stop has the grace of the command", "[process]") {
    const nothing_leaks check;
    const auto stop = [](platform::clock::duration grace) -> task<platform::clock::duration> {
        async_process p(command(child("ignore_term")).grace(grace));
        co_await p.read_line();
        const auto began = platform::clock::now();
        const exit_status s = co_await p.stop();
        CHECK(s.signal() == SIGKILL);
        co_return platform::clock::now() - began;
    };
    CHECK(run_in_time(stop(0ms)) < 4s);
    CHECK(run_in_time(stop(100ms)) >= 100ms);
}

TEST_CASE("a run that leaves survivors says how many", "[process]") {
    result r;
    r.status = exit_status::exited(1);
    r.survivors = 2;
    r.command_line = "x";
    std::string words;
    try {
        r.check();
    } catch (const exit_error& e) {
        words = e.what();
    }
    CHECK(words == "cannot run \"x\": exited with code 1, with 2 left running: not a success");
}

TEST_CASE("a run that is done in time is not touched by its bounds", "[process]") {
    const nothing_leaks check;
    const result r = result_of_run(command(child("exit_with"), "3").timeout(30s).idle_timeout(30s));
    CHECK(r.status == exit_status::exited(3));
    CHECK_FALSE((r.timed_out || r.stopped || r.killed || r.pipes_abandoned || r.out_truncated || r.err_truncated));
}

TEST_CASE("silence is an end of its own", "[process]") {
    const nothing_leaks check;
    const auto e = error_of_run<timeout_error>(command(child("deaf")).idle_timeout(200ms).timeout(30s));
    CHECK(e.idle());
    CHECK(e.limit() == 200ms);
    CHECK(e.result().timed_out);
    CHECK(e.result().out == "ready\n");
    CHECK(std::string(e.what()).find("no output for 200 ms, killed by SIGTERM") != std::string::npos);
}

TEST_CASE("whoever goes on writing is not silent", "[process]") {
    const nothing_leaks check;
    const auto began = std::chrono::steady_clock::now();
    const auto e = error_of_run<timeout_error>(
        command(child("endless")).idle_timeout(200ms).timeout(500ms).capture(capture::tail(4)));
    CHECK_FALSE(e.idle());
    CHECK(std::chrono::steady_clock::now() - began >= 500ms);
    CHECK(e.result().out == "y\ny\n");
}

TEST_CASE("the time of a command counts from the start and that of execute from the call", "[process]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        const command c = command(child("deaf")).timeout(300ms);
        async_process late(c);
        co_await sleep_for(320ms);
        const auto began = std::chrono::steady_clock::now();
        bool timed_out = false;
        try {
            const result r = co_await late.communicate();
        } catch (const timeout_error&) {
            timed_out = true;
        }
        CHECK(timed_out);
        async_process other(c);
        try {
            const result r = co_await other.execute(400ms);
        } catch (const timeout_error& e) {
            CHECK(e.limit() == 400ms); // the call's own, not the command's
        }
        CHECK(std::chrono::steady_clock::now() - began >= 400ms);
    };
    run_in_time(run());
}

// Deadline + grace + drain: 200 + 100 + 100 ms. The heir holds all pipes until this test lets it go.
TEST_CASE("a run is over in time whatever its child does", "[process]") {
    const nothing_leaks check;
    platform::pipe_ends leash = platform::make_pipe();
    const auto run = [&]() -> task<> {
        command c(child("stubborn"));
        c.pass_fd(3, leash.read.get()).grace(100ms).drain(100ms).capture(capture::head_tail(1000, 2000));
        async_process p(c);
        const auto began = std::chrono::steady_clock::now();
        std::optional<timeout_error> error;
        try {
            const result r = co_await p.execute(200ms, std::string(std::size_t{1} << 20, 'i')); // which it never reads
        } catch (const timeout_error& e) {
            error = e;
        }
        const auto took = std::chrono::steady_clock::now() - began;
        CHECK(took >= 400ms);
        CHECK(took < 10s);
        REQUIRE(error);
        const result& r = error->result();
        CHECK((r.timed_out && r.stopped && r.killed && r.pipes_abandoned && r.out_truncated && r.err_truncated));
        CHECK(r.status.signal() == SIGKILL);
        CHECK(r.out == std::string(3000, 'x'));
        CHECK(r.err == std::string(3000, 'x'));
        CHECK(r.out_bytes > 100000);
        CHECK(r.err_bytes > 100000);
        CHECK(r.usage.user_time + r.usage.system_time > 0ms);
        CHECK(p.out().at_eof()); // nobody listens to the heir any more
    };
    run_in_time(run());
    leash.write.reset();
}

TEST_CASE("pipes that an heir holds are given up when the drain is over", "[process]") {
    const nothing_leaks check;
    platform::pipe_ends leash = platform::make_pipe();
    const auto run = [&]() -> task<> {
        command c(child("leave_heir"));
        c.in(stdio::fd(leash.read.get())).drain(50ms);
        async_process p(c);
        const result r = co_await p.communicate();
        CHECK(r.status == exit_status::exited(5));
        CHECK(r.pipes_abandoned);
        CHECK(r.out == "early\n");
        CHECK_FALSE((r.timed_out || r.stopped));
    };
    run_in_time(run());
    leash.write.reset();
}

TEST_CASE("an heir that lets go in time is heard out", "[process]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        async_process p(command(child("leave_heir"), "100000").drain(30s));
        const result r = co_await p.communicate("for the heir");
        CHECK_FALSE(r.pipes_abandoned);
        CHECK(r.out.size() == 11 + 100000);
    };
    run_in_time(run());
}

TEST_CASE("an heir that floods while it is heard out takes no memory beyond what is kept", "[process]") {
    const nothing_leaks check;
    std::size_t most = 0;
    const auto look = [&](async_process& p) -> task<> {
        for (;;) {
            most = std::max(most, p.out().buffered());
            co_await yield();
        }
    };
    const auto run = [&]() -> task<> {
        async_process p(command(child("leave_heir"), "50000000").drain(30s).capture(capture::tail(100)));
        auto either = when_any(p.communicate(), look(p));
        const auto first = co_await std::move(either);
        REQUIRE(first.index == 0);
        const result& r = std::get<0>(first.value);
        CHECK(r.out.size() == 100);
        CHECK(r.out_bytes == 11 + 50000000);
        CHECK_FALSE(r.pipes_abandoned);
    };
    run_in_time(run());
    CHECK(most < (std::size_t{4} << 20));
}

TEST_CASE("a run that is cancelled leaves its child and its streams as they were", "[process]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        async_process p(command(child("answer"), "0").capture(capture::head(1)).timeout(30s));
        p.out().unread_limit(1234);
        co_await p.write_stdin("first\n");
        const auto line = co_await p.read_line();
        CHECK(line == "first");
        {
            async_process q(command(child("deaf")).timeout(30s));
            const bool done = (co_await with_timeout(q.communicate(), 50ms)).has_value();
            CHECK_FALSE(done);
            CHECK(q.running());
            const auto ready = co_await q.read_line(); // nothing of it is lost
            CHECK(ready == "ready");
        }
        const result r = co_await p.communicate("abc");
        CHECK(r.out == "a");
        CHECK(p.out().unread_limit() == 1234);
    };
    run_in_time(run());
}

TEST_CASE("what counts as a success is for the command to say", "[process]") {
    const nothing_leaks check;
    const auto ends = [](int code) { return command(child("exit_with"), std::to_string(code)); };
    CHECK_THROWS_AS(result_of_run(ends(1)).check(), exit_error);
    CHECK_NOTHROW(result_of_run(ends(1).ok_codes(0, 1)).check());
    CHECK_NOTHROW(result_of_run(ends(0).ok_codes(0, 1)).check());
    CHECK_THROWS_AS(result_of_run(ends(0).ok_codes(1)).check(), exit_error);
    CHECK_THROWS_AS(result_of_run(ends(2).ok_codes(0, 1)).check(), exit_error);
    CHECK_NOTHROW(result_of_run(ends(255).unchecked()).check());
    const result killed = result_of_run(command(child("end_by"), "TERM").ok_codes(15, 143));
    CHECK_THROWS_AS(killed.check(), exit_error); // no code is a signal
}

TEST_CASE("bounds that make no sense are refused where they are given", "[process]") {
    command c("x");
    CHECK_THROWS_AS(c.timeout(0s), std::invalid_argument);
    CHECK_THROWS_AS(c.timeout(-1s), std::invalid_argument);
    CHECK_THROWS_AS(c.idle_timeout(0s), std::invalid_argument);
    CHECK_THROWS_AS(c.idle_timeout(-1ns), std::invalid_argument);
    CHECK_THROWS_AS(c.grace(-1ms), std::invalid_argument);
    CHECK_THROWS_AS(c.drain(-1ms), std::invalid_argument);
    CHECK_NOTHROW(c.grace(0s).drain(0s).timeout(std::chrono::hours::max()));
    CHECK(c.rules().timeout == platform::clock::duration::max());
    CHECK_THROWS_AS(c.ok_codes(-1), std::invalid_argument);
    CHECK_THROWS_AS(c.ok_codes(0, 256), std::invalid_argument);
}

TEST_CASE("the bounds of a copy are its own", "[process]") {
    const command original = command("x").timeout(1s);
    command copy = original;
    copy.timeout(2s).capture(capture::head(5)).unchecked();
    CHECK(original.rules().timeout == 1s);
    CHECK(original.rules().out.is_limit());
    CHECK_FALSE(original.rules().accepted.accepts(exit_status::exited(1)));
    CHECK(copy.rules().timeout == 2s);
    CHECK(copy.rules().out.head_bytes() == 5);
    CHECK(copy.rules().grace == 5s);
}

TEST_CASE("a time without end never comes", "[process]") {
    const nothing_leaks check;
    const result r = result_of_run(command(child("echo_args"), "a")
                                       .timeout(std::chrono::hours::max())
                                       .idle_timeout(std::chrono::hours::max())
                                       .grace(std::chrono::hours::max())
                                       .drain(std::chrono::hours::max()));
    CHECK(r.status.success());
}

namespace {

// What a start says against the command as it stands; empty if it begins. In a loop: without one that is the answer.
std::string contradiction_in(const command& c) {
    const auto talk = [&]() -> task<std::string> {
        try {
            async_process p(c);
            co_await p.wait();
        } catch (const usage_error& e) {
            co_return e.what();
        }
        co_return "";
    };
    return run_in_time(talk());
}

constexpr auto nobody_hears = "idle_timeout() takes an output that comes to us: all go elsewhere";

} // namespace

TEST_CASE("silence that nobody could hear is refused before anything runs", "[process]") {
    const nothing_leaks check;
    command c(child("cat"));
    c.idle_timeout(30s).in(stdio::null).out(stdio::null).err(stdio::to_out);
    CHECK(contradiction_in(c) == nobody_hears);
    CHECK_THROWS_AS(dry_run(c), usage_error);
    for (const stdio& heard : {stdio(stdio::pipe), stdio::tee(stdio::null), stdio::sink([](std::string_view) {})}) {
        CHECK(result_of_run(command(c).err(heard)).status.success());
        CHECK(result_of_run(command(c).out(heard)).status.success());
    }
    command on_terminal(child("cat"));
    CHECK(result_of_run(on_terminal.idle_timeout(30s).in(stdio::null).err(stdio::null).pty()).status.success());
}

// Seen to fail: the refusal after the streams were opened, which emptied the file.
TEST_CASE("a command that is refused as it stands leaves the files of its streams alone", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string log = directory.file("log", "of yesterday");
    const command c = command(child("cat")).in(stdio::null).out(stdio::file(log)).err(stdio::null);
    CHECK(contradiction_in(command(c).idle_timeout(30s)) == nobody_hears);
    command nowhere = command(c).reach(reach::group);
    CHECK(contradiction_in(nowhere).starts_with("reach::group takes a group"));
    CHECK(contradiction_in(nowhere.err(stdio::file(directory / "new"))).starts_with("reach::group takes a group"));
    CHECK(content_of(log) == "of yesterday");
    CHECK(::access((directory / "new").c_str(), F_OK) != 0);
}

// Seen to fail: a look at stdout and stderr alone.
TEST_CASE("an output from 3 on can be heard as well as stdout", "[process]") {
    const nothing_leaks check;
    const command c = command(child("cat")).idle_timeout(30s).in(stdio::null).out(stdio::null).err(stdio::null);
    CHECK(result_of_run(command(c).out(3, stdio::pipe)).status.success());
    CHECK(result_of_run(command(c).out(3, stdio::sink([](std::string_view) {}))).status.success());
    CHECK(dry_run(command(c).out(3, stdio::pipe)).argv.size() == 1);
    CHECK(contradiction_in(command(c).in(3, stdio::pipe).out(4, stdio::null)) == nobody_hears);
}
