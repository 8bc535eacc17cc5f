// SPDX-License-Identifier: BSL-1.0
//
// Waiting for a child: any number of times, for so long at the most, and what is known afterwards.
#include <sys/wait.h>

#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("every exit code is exact", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int code = 0; code < 256; ++code) {
            async_process p(child("exit_with"), std::to_string(code));
            const exit_status s = co_await p.wait();
            CHECK(s == exit_status::exited(code));
        }
    };
    run_in_time(talk());
}

TEST_CASE("the signal that ended a child is exact and no code", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const int number : {SIGHUP, SIGKILL, SIGTERM, SIGUSR1, SIGABRT, SIGSEGV, SIGPIPE}) {
            async_process p(child("kill_self"), std::to_string(number));
            const exit_status s = co_await p.wait();
            CHECK(s.signal() == number);
            CHECK_FALSE(s.code());
        }
    };
    run_in_time(talk());
}

TEST_CASE("waiting again gives the same status", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("exit_with"), "3");
        for (int i = 0; i < 3; ++i) {
            const exit_status s = co_await p.wait();
            CHECK(s == exit_status::exited(3));
            const auto t = co_await p.wait(1s);
            CHECK(t == s);
            CHECK(p.status() == s);
        }
    };
    run_in_time(talk());
}

TEST_CASE("any number of coroutines can wait for one child", "[process]") {
    const nothing_leaks check;
    const auto wait = [](async_process& p) -> task<std::optional<exit_status>> { co_return co_await p.wait(30s); };
    const auto talk = [&]() -> task<> {
        async_process p(child("hold"));
        std::vector<wait_awaiter> some;
        std::vector<task<std::optional<exit_status>>> others;
        for (int i = 0; i < 10; ++i) {
            some.push_back(p.wait());
            others.push_back(wait(p));
        }
        const auto end = [](async_process& q) -> task<> {
            co_await yield();
            q.close_stdin();
        };
        auto all = co_await when_all(when_all(std::move(some)), when_all(std::move(others)), end(p));
        for (const exit_status& s : std::get<0>(all)) CHECK(s.success());
        for (const auto& s : std::get<1>(all)) CHECK(s == exit_status::exited(0));
    };
    run_in_time(talk());
}

TEST_CASE("some waiters are cancelled and the others go on", "[process]") {
    const nothing_leaks check;
    const auto cancelled = [](async_process& p) -> task<> {
        auto first = co_await when_any(p.wait(), yield());
        CHECK(first.index == 1);
        auto second = co_await when_any(p.wait(10s), yield());
        CHECK(second.index == 1);
        p.close_stdin();
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("hold"));
        auto all = co_await when_all(p.wait(), cancelled(p), p.wait());
        CHECK(std::get<0>(all).success());
        CHECK(std::get<2>(all).success());
    };
    run_in_time(talk());
}

TEST_CASE("a child that had gone before anybody waited is there at once", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("exit_with"), "4");
        while (p.running()) co_await yield();
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(4));
        async_process q(child("exit_with"), "5");
        co_await q.read_stdout(); // it has gone, or is about to
        const exit_status t = co_await q.wait();
        CHECK(t == exit_status::exited(5));
    };
    run_in_time(talk());
}

// ---- for so long at the most ----

TEST_CASE("a wait that times out says so and is never early", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        const auto begin = event_loop::clock::now();
        const auto none = co_await p.wait(20ms);
        CHECK(event_loop::clock::now() - begin >= 20ms);
        CHECK_FALSE(none);
        CHECK(p.running());
        p.close_stdin();
        const auto s = co_await p.wait(30s);
        CHECK(s == exit_status::exited(0));
    };
    run_in_time(talk());
}

TEST_CASE("a wait that times out loses nothing of what the child writes", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        co_await p.write_stdin("first\n");
        for (int i = 0; i < 5; ++i) {
            const auto none = co_await p.wait(1ms);
            CHECK_FALSE(none);
        }
        co_await p.write_stdin("second\n");
        p.close_stdin();
        const auto s = co_await p.wait(30s);
        CHECK(s == exit_status::exited(0));
        const std::string out = co_await p.read_stdout();
        CHECK(out == "first\nsecond\n");
    };
    run_in_time(talk());
}

TEST_CASE("waiting for no time at all looks once", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        for (const auto none : {0ms, -1ms, -1000000ms}) {
            const auto s = co_await p.wait(none);
            CHECK_FALSE(s);
        }
        const auto least = co_await p.wait(std::chrono::hours::min());
        CHECK_FALSE(least);
        p.close_stdin();
        auto s = co_await p.wait(0ms);
        while (!s) {
            co_await yield();
            s = co_await p.wait(-1s);
        }
        CHECK(s == exit_status::exited(0));
    };
    run_in_time(talk());
}

TEST_CASE("waiting for no time at all does not wait", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    async_process p(child("hold"));
    auto now = p.wait(0s);
    CHECK(now.await_ready());
    CHECK_FALSE(now.await_resume());
}

TEST_CASE("waiting for a huge time is waiting for ever", "[process]") {
    const nothing_leaks check;
    const auto end = [](async_process& p) -> task<> {
        co_await sleep_for(5ms);
        p.close_stdin();
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("hold"));
        auto all = co_await when_all(p.wait(std::chrono::hours::max()), p.wait(std::chrono::nanoseconds::max()),
                                     p.wait(std::chrono::duration<double>(1e300)), end(p));
        CHECK(std::get<0>(all) == exit_status::exited(0));
        CHECK(std::get<1>(all) == exit_status::exited(0));
        CHECK(std::get<2>(all) == exit_status::exited(0));
    };
    run_in_time(talk());
}

TEST_CASE("a timed wait that has ended does not ring when its time comes", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("exit_with"), "0");
        auto waiting = p.wait(500ms); // lives on, until the end of this coroutine
        const auto s = co_await waiting;
        CHECK(s == exit_status::exited(0));
        const auto begin = event_loop::clock::now();
        co_await sleep_for(600ms);
        CHECK(event_loop::clock::now() - begin >= 600ms);
    };
    run_in_time(talk());
}

TEST_CASE("with_timeout and when_any do as well as a timed wait", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        const auto none = co_await with_timeout(p.wait(), 5ms);
        CHECK_FALSE(none);
        auto first = co_await when_any(p.wait(), sleep_for(5ms));
        CHECK(first.index == 1);
        p.close_stdin();
        const auto s = co_await with_timeout(p.wait(), 30s);
        CHECK(s == exit_status::exited(0));
    };
    run_in_time(talk());
}

// ---- a stop is no end ----

TEST_CASE("a child that is stopped has not ended", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        CHECK(p.send_signal(SIGSTOP));
        const auto none = co_await p.wait(10ms);
        CHECK_FALSE(none);
        CHECK(p.running());
        co_await p.write_stdin("through\n");
        CHECK(p.send_signal(SIGCONT));
        const auto line = co_await p.read_line();
        CHECK(line == "through");
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

// ---- what is known ----

TEST_CASE("a running child has a pid and one that was reaped has none", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        REQUIRE(p.pid());
        CHECK(::kill(*p.pid(), 0) == 0);
        CHECK(p.running());
        CHECK_FALSE(p.status());
        CHECK_FALSE(p.usage());
        CHECK(p.command_line() == child("hold"));
        const int pid = *p.pid();
        p.close_stdin();
        co_await p.wait();
        CHECK_FALSE(p.pid());
        CHECK_FALSE(p.running());
        CHECK(p.status() == exit_status::exited(0));
        CHECK(p.usage());
        CHECK(::waitpid(pid, nullptr, WNOHANG) < 0); // reaped, and not a zombie
    };
    run_in_time(talk());
}

TEST_CASE("looking whether it runs reaps it", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("exit_with"), "0");
        while (!p.status()) co_await yield();
        CHECK_FALSE(p.pid());
        CHECK(no_children());
    };
    run_in_time(talk());
}

TEST_CASE("whoever waits is woken when somebody else looks first", "[process]") {
    const nothing_leaks check;
    const auto look = [](async_process& p) -> task<> {
        co_await yield();
        p.close_stdin();
        // Without a turn of the loop between: it is this look that reaps.
        while (p.running()) std::this_thread::yield();
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("hold"));
        auto both = co_await when_all(p.wait(), look(p), p.wait(30s));
        CHECK(std::get<0>(both).success());
        CHECK(std::get<2>(both) == exit_status::exited(0));
    };
    run_in_time(talk());
}

TEST_CASE("the time of a child goes on until it is reaped", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        const auto early = p.elapsed();
        CHECK(early >= 0s);
        co_await sleep_for(2ms);
        CHECK(p.elapsed() >= early + 2ms);
        p.close_stdin();
        co_await p.wait();
        const auto end = p.elapsed();
        co_await sleep_for(2ms);
        CHECK(p.elapsed() == end);
    };
    run_in_time(talk());
}

TEST_CASE("what a child has used is told when it is reaped", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("burn"), "40");
        co_await p.wait();
        REQUIRE(p.usage());
        CHECK(p.usage()->cpu_time() >= 35ms); // the kernel counts in its own ticks
        CHECK(p.usage()->cpu_time() <= p.elapsed() + 20ms);
        CHECK(p.usage()->peak_rss > 100000);
    };
    run_in_time(talk());
}

// ---- many ----

TEST_CASE("a hundred children that end at once are all told", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::vector<async_process> all;
        std::vector<wait_awaiter> waits;
        for (int i = 0; i < 100; ++i) all.emplace_back(child("hold"));
        for (async_process& p : all) waits.push_back(p.wait());
        const auto end = [](std::vector<async_process>& which) -> task<> {
            co_await yield();
            for (async_process& p : which) p.close_stdin();
        };
        auto both = co_await when_all(when_all(std::move(waits)), end(all));
        for (const exit_status& s : std::get<0>(both)) CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("exit and end of output are told in whatever order they come", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 50; ++i) {
            async_process p(child("shout"));
            auto all = co_await when_all(p.read_stdout(), p.wait(), p.read_stderr());
            CHECK(std::get<0>(all) == "out\n");
            CHECK(std::get<1>(all).success());
            CHECK(std::get<2>(all) == "err\n");
        }
        async_process p(child("mute")); // ends its output long before itself
        const std::string out = co_await p.read_stdout();
        CHECK(out.empty());
        const auto none = co_await p.wait(0s);
        CHECK_FALSE(none);
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}
