// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/with_process.hpp>

#include <csignal>
#include <stdexcept>
#include <string>

#include <coproc/coro/when_any.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/with_timeout.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("when the body ends stdin is closed and the child awaited", "[process]") {
    const nothing_leaks check;
    std::string echo;
    const auto talk = [&]() -> task<> {
        const exit_status s = co_await with_process(command(child("cat")), [&](async_process& p) -> task<> {
            co_await p.write_stdin("hello\n");
            const auto line = co_await p.read_line();
            echo = line.value_or("<end>");
        });
        CHECK(s.success());
        CHECK(no_children());
    };
    run_in_time(talk());
    CHECK(echo == "hello");
}

TEST_CASE("the status of the child is handed on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<exit_status> {
        co_return co_await with_process(command(child("exit_with"), "3"), [](async_process&) -> task<> { co_return; });
    };
    CHECK(run_in_time(talk()) == exit_status::exited(3));
}

TEST_CASE("a child may go on writing when the body has ended", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<exit_status> {
        co_return co_await with_process(command(child("flood"), "1:3000000", "2:3000000"),
                                        [](async_process&) -> task<> { co_return; });
    };
    CHECK(run_in_time(talk()).success());
}

TEST_CASE("a child whose stdin is not piped is awaited as well", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<exit_status> {
        co_return co_await with_process(command(child("cat")).in(stdio::null),
                                        [](async_process&) -> task<> { co_return; });
    };
    CHECK(run_in_time(talk()).success());
}

TEST_CASE("a body that throws stops the child before the exception is seen", "[process]") {
    const nothing_leaks check;
    int pid = 0;
    const auto talk = [&]() -> task<std::string> {
        try {
            co_await with_process(command(child("talk_of_death")), [&](async_process& p) -> task<> {
                co_await p.read_line();
                pid = *p.pid();
                throw std::runtime_error("enough");
            });
        } catch (const std::runtime_error& e) {
            CHECK(no_children());
            co_return e.what();
        }
        co_return "nothing thrown";
    };
    CHECK(run_in_time(talk()) == "enough");
    CHECK(pid > 0);
}

TEST_CASE("a body that throws at a child that has gone loses no exception", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        co_await with_process(command(child("exit_with"), "0"), [](async_process& p) -> task<> {
            co_await p.wait();
            throw std::runtime_error("late");
        });
    };
    CHECK_THROWS_AS(run_in_time(talk()), std::runtime_error);
}

TEST_CASE("when it is cancelled the child is terminated and reaped", "[process]") {
    const nothing_leaks check;
    bool entered = false;
    const auto work = [&]() -> task<> {
        co_await with_process(command(child("hold")), [&](async_process& p) -> task<> {
            entered = true;
            co_await p.wait();
        });
    };
    const auto until_entered = [&]() -> task<> {
        while (!entered) co_await yield();
    };
    const auto talk = [&]() -> task<> {
        const auto first = co_await when_any(work(), until_entered());
        CHECK(first.index == 1);
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk());
}

TEST_CASE("when it is cancelled while it waits the child is terminated and reaped", "[process]") {
    const nothing_leaks check;
    const auto work = []() -> task<> {
        co_await with_process(command(child("talk_of_death")), [](async_process& p) -> task<> {
            co_await p.read_line(); // it will not heed the end of its stdin
        });
    };
    const auto talk = [&]() -> task<> {
        const bool done = co_await with_timeout(work(), 20ms);
        CHECK_FALSE(done);
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk());
}

TEST_CASE("a program that cannot be started is told where it is awaited", "[process]") {
    const nothing_leaks check;
    bool entered = false;
    const auto talk = [&]() -> task<> {
        co_await with_process(command("/no/such/program"), [&](async_process&) -> task<> {
            entered = true;
            co_return;
        });
    };
    CHECK_THROWS_AS(run_in_time(talk()), spawn_error);
    CHECK_FALSE(entered);
}

TEST_CASE("a body may be any function that gives something to await", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const exit_status s = co_await with_process(command(child("hold")), [](async_process& p) {
            return p.wait(1ms); // no coroutine at all
        });
        CHECK(s.success());
    };
    run_in_time(talk());
}
