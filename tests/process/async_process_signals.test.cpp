// SPDX-License-Identifier: BSL-1.0
//
// Signals to a child, and the polite way to end one.
#include <csignal>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("a signal that is sent arrives", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) {
            async_process p(child("wait_for_signal"));
            const auto ready = co_await p.read_line();
            CHECK(ready == "ready");
            CHECK(p.send_signal(number));
            const auto got = co_await p.read_line();
            CHECK(got == std::to_string(number));
            const exit_status s = co_await p.wait();
            CHECK(s.code() == number);
        }
    };
    run_in_time(talk());
}

TEST_CASE("interrupt and terminate and kill send what they are called after", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process interrupted(child("hold"));
        async_process terminated(child("hold"));
        async_process killed(child("hold"));
        CHECK(interrupted.interrupt());
        CHECK(terminated.terminate());
        CHECK(killed.kill());
        const exit_status i = co_await interrupted.wait();
        const exit_status t = co_await terminated.wait();
        const exit_status k = co_await killed.wait();
        CHECK(i == exit_status::signaled(SIGINT));
        CHECK(t == exit_status::signaled(SIGTERM));
        CHECK(k == exit_status::signaled(SIGKILL));
    };
    run_in_time(talk());
}

TEST_CASE("sending a signal can be awaited and need not be", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("ignore_term"));
        co_await p.read_line();
        const bool sent = co_await p.terminate();
        CHECK(sent);
        p.terminate();
        CHECK(p.running());
        const bool killed = co_await p.kill();
        CHECK(killed);
        co_await p.wait();
        const bool again = co_await p.kill();
        CHECK_FALSE(again);
    };
    run_in_time(talk());
}

TEST_CASE("signal zero asks and does nothing", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        CHECK(p.send_signal(0));
        CHECK(p.running());
        p.close_stdin();
        co_await p.wait();
        CHECK_FALSE(p.send_signal(0));
    };
    run_in_time(talk());
}

TEST_CASE("a signal that there is none of is not sent", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        CHECK_FALSE(p.send_signal(100000));
        CHECK_FALSE(p.send_signal(-1));
        CHECK(p.running());
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("no signal is sent to a child that was reaped", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("exit_with"), "3");
        co_await p.wait();
        CHECK_FALSE(p.interrupt());
        CHECK_FALSE(p.terminate());
        CHECK_FALSE(p.kill());
        CHECK_FALSE(p.send_signal(SIGUSR1));
        CHECK(p.status() == exit_status::exited(3));
    };
    run_in_time(talk());
}

TEST_CASE("a signal right at the start ends the child by that signal", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 50; ++i) {
            async_process p(child("hold"));
            CHECK(p.send_signal(SIGUSR1));
            const exit_status s = co_await p.wait();
            CHECK(s == exit_status::signaled(SIGUSR1));
        }
    };
    run_in_time(talk());
}

TEST_CASE("stopping and going on neither loses nor moves any output", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("lines"), "20000");
        for (int i = 0; i < 20000; ++i) {
            if (i % 1000 == 0) p.send_signal(SIGSTOP);
            if (i % 1000 == 1) p.send_signal(SIGCONT);
            if (i % 1000 == 0) p.send_signal(SIGCONT);
            const auto line = co_await p.read_line();
            REQUIRE(line == "line " + std::to_string(i));
        }
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

// ---- stop ----

TEST_CASE("stop ends a willing child by its own way out", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("talk_of_death"));
        const auto alive = co_await p.read_line();
        CHECK(alive == "alive");
        const exit_status s = co_await p.stop(1h); // which it does not wait for
        CHECK(s == exit_status::exited(7));
        CHECK_FALSE(p.pid());
        const auto dying = co_await p.read_line();
        CHECK(dying == "dying");
    };
    run_in_time(talk());
}

TEST_CASE("stop kills a child that does not listen", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("ignore_term"));
        co_await p.read_line();
        const auto begin = event_loop::clock::now();
        const exit_status s = co_await p.stop(20ms);
        CHECK(event_loop::clock::now() - begin >= 20ms);
        CHECK(s == exit_status::signaled(SIGKILL));
    };
    run_in_time(talk());
}

TEST_CASE("stop without a grace kills at once", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const auto grace : {0s, -1s}) {
            async_process p(child("ignore_term"));
            co_await p.read_line();
            const exit_status s = co_await p.stop(grace);
            CHECK(s == exit_status::signaled(SIGKILL));
        }
    };
    run_in_time(talk());
}

TEST_CASE("stop of a child that has gone tells how it went", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process reaped(child("exit_with"), "3");
        co_await reaped.wait();
        const exit_status s = co_await reaped.stop();
        CHECK(s == exit_status::exited(3));
        async_process not_reaped(child("exit_with"), "4");
        co_await not_reaped.read_stdout();
        co_await sleep_for(5ms); // it has ended by now, and nobody has looked
        const exit_status t = co_await not_reaped.stop();
        CHECK((t == exit_status::exited(4) || t == exit_status::signaled(SIGTERM)));
        const exit_status again = co_await not_reaped.stop();
        CHECK(again == t);
    };
    run_in_time(talk());
}

TEST_CASE("stop gets through to a child that is stopped", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        p.send_signal(SIGSTOP);
        const exit_status s = co_await p.stop(10ms);
        CHECK(s.signal());
    };
    run_in_time(talk());
}

TEST_CASE("stop takes in what a child has to say before it goes", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("endless")); // whose pipe is full
        const exit_status s = co_await p.stop(10s);
        CHECK(s == exit_status::signaled(SIGTERM));
    };
    run_in_time(talk());
}

TEST_CASE("a stop that is cancelled leaves the child to its owner", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("ignore_term"));
        co_await p.read_line();
        auto first = co_await when_any(p.stop(1h), yield());
        CHECK(first.index == 1);
        CHECK(p.running());
        const exit_status s = co_await p.stop(0s);
        CHECK(s == exit_status::signaled(SIGKILL));
    };
    run_in_time(talk());
}

TEST_CASE("several coroutines can stop one child", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("ignore_term"));
        co_await p.read_line();
        auto all = co_await when_all(p.stop(1h), p.stop(5ms), p.wait());
        CHECK(std::get<0>(all) == exit_status::signaled(SIGKILL));
        CHECK(std::get<1>(all) == std::get<0>(all));
        CHECK(std::get<2>(all) == std::get<0>(all));
    };
    run_in_time(talk());
}
