// SPDX-License-Identifier: BSL-1.0
//
// Rule 2: exit is not the end of the streams, nor the other way round.
//
// The plain cases stand with the verbs: "a grandchild that holds the pipes delays readers but not wait" and "what a
// child wrote stays readable after it has gone" in tests/process/async_process_reading.test.cpp, "exit and end of
// output are told in whatever order they come" in async_process_waiting.test.cpp.
#include <sys/wait.h>

#include <cerrno>
#include <string>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: with a child_watch that closes the streams when it has reaped.
TEST_CASE("what nobody awaited until the child had gone is all there", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), "1:10000", "1:=", "2:5000", "1:7");
        while (p.running()) co_await yield(); // looks, and reads nothing
        CHECK(p.out().buffered() == 0);
        const auto line = co_await p.read_line();
        CHECK(line == alphabet(10000));
        const std::string rest = co_await p.read_stdout();
        CHECK(rest == alphabet(7));
        const std::string err = co_await p.read_stderr();
        CHECK(err == alphabet(5000));
    };
    run_in_time(talk());
}

// Seen to fail: with a child_watch that closes the streams when it has reaped, the heir's words are lost.
TEST_CASE("everything is known of a child whose heir holds the pipes", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("leave_heir"));
        const auto s = co_await p.wait(30s);
        CHECK(s == exit_status::exited(5));
        CHECK(p.status() == s);
        CHECK_FALSE(p.running());
        CHECK_FALSE(p.pid());
        CHECK(p.usage());
        CHECK_FALSE(p.kill()); // the heir is none of ours
        const exit_status again = co_await p.stop();
        CHECK(again == s);
        CHECK_FALSE(p.out().at_eof());
        p.close_stdin();
        const std::string out = co_await p.read_stdout();
        CHECK(out == "early\nlate\n");
    };
    run_in_time(talk());
}

// Seen to fail: with a child_watch that feeds both streams their end when it has reaped, the reader is told nullopt.
TEST_CASE("a reader that waits is not woken by the exit while an heir may still write", "[process]") {
    const nothing_leaks check;
    const auto wait = [](async_process& p, bool& done) -> task<> {
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(5));
        for (int i = 0; i < 10; ++i) co_await sleep_for(1ms);
        CHECK_FALSE(done);
        p.close_stdin();
    };
    const auto read = [](async_process& p, bool& done) -> task<> {
        const auto early = co_await p.read_line();
        CHECK(early == "early");
        const auto late = co_await p.read_line();
        done = true;
        CHECK(late == "late");
        const auto none = co_await p.read_line();
        CHECK_FALSE(none);
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("leave_heir"));
        bool done = false;
        co_await when_all(read(p, done), wait(p, done));
    };
    run_in_time(talk());
}

// Seen to fail: with a stream_group that is left for good when the child has been reaped, reading stderr first hangs.
TEST_CASE("an heir that floods is taken in as the child was", "[process]") {
    const nothing_leaks check;
    constexpr std::size_t flood = std::size_t{1} << 20;
    const auto talk = []() -> task<> {
        async_process p(child("leave_heir"), std::to_string(flood));
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(5));
        p.close_stdin();
        const std::string err = co_await p.read_stderr(); // ends with the heir, who writes to stdout before
        CHECK(err.empty());
        const std::string out = co_await p.read_stdout();
        CHECK((out == "early\nlate\n" + alphabet(flood)));
    };
    run_in_time(talk());
}

// Seen to fail: with a communicate that waits for the process and takes only what has come by then.
TEST_CASE("communicate hears the heir out and tells the status of the child", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("leave_heir"), "100000");
        co_return co_await p.communicate("to whom it may concern");
    };
    const result r = run_in_time(talk());
    CHECK(r.status == exit_status::exited(5));
    CHECK((r.out == "early\nlate\n" + alphabet(100000)));
}

// Seen to fail: with a running() that takes the end of stdout for the end of the child.
TEST_CASE("a child that has closed its outputs has not ended", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("mute"));
        const std::string out = co_await p.read_stdout();
        const std::string err = co_await p.read_stderr();
        CHECK(out.empty());
        CHECK(err.empty());
        CHECK(p.running());
        CHECK_FALSE(p.status());
        const auto none = co_await p.wait(5ms);
        CHECK_FALSE(none);
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

// Seen to fail: with an abandon() that does not ask to be told of the end.
TEST_CASE("an heir does not keep a child that was let go of from being reaped", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        {
            async_process p(child("leave_heir"));
            const int pid = *p.pid();
            siginfo_t info{}; // it has gone, and nobody has reaped it
            while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
            }
        }
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk());
}
