// SPDX-License-Identifier: BSL-1.0
//
// Stopping as a value: one signal after the other, each with its time, and SIGKILL.
#include <coproc/process/stop_sequence.hpp>

#include <chrono>
#include <csignal>
#include <limits>
#include <stdexcept>
#include <string>

#include <coproc.hpp>

#include "support/brood.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("a stop sequence is a value and refuses what is no signal", "[process]") {
    stop_sequence s;
    CHECK(s.steps().empty());
    s.then(SIGINT, 1s).then(SIGTERM, 2500us);
    const stop_sequence copy = s;
    REQUIRE(copy.steps().size() == 2);
    CHECK(copy.steps()[0].signal == SIGINT);
    CHECK(copy.steps()[0].time == 1s);
    CHECK(copy.steps()[1].signal == SIGTERM);
    CHECK(copy.steps()[1].time == 2500us);
    for (const int number : {0, -1, platform::highest_signal + 1, 100000, std::numeric_limits<int>::min()}) {
        CHECK_THROWS_AS(s.then(number, 1s), std::invalid_argument);
    }
    CHECK(s.steps().size() == 2);
    try {
        s.then(-3, 1s);
        FAIL("accepted");
    } catch (const std::invalid_argument& e) {
        CHECK(std::string(e.what()) == "-3 is no signal");
    }
}

TEST_CASE("each signal of a sequence is sent in its turn until the child ends", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process at_the_first(child("hold"));
        const exit_status first = co_await at_the_first.stop(stop_sequence().then(SIGUSR1, 1h).then(SIGTERM, 1h));
        CHECK(first == exit_status::signaled(SIGUSR1));

        async_process at_the_last(child("ignore_term")); // and SIGINT
        co_await at_the_last.read_line();
        const auto begin = event_loop::clock::now();
        const exit_status last =
            co_await at_the_last.stop(stop_sequence().then(SIGINT, 5ms).then(SIGTERM, 5ms).then(SIGUSR2, 1h));
        CHECK(last == exit_status::signaled(SIGUSR2));
        CHECK(event_loop::clock::now() - begin >= 10ms);
    };
    run_in_time(talk());
}

TEST_CASE("the last signal of every sequence is SIGKILL", "[process]") {
    const nothing_leaks check;
    const auto talk = [](const stop_sequence& how) -> task<> {
        async_process p(child("ignore_term"));
        co_await p.read_line();
        const exit_status s = co_await p.stop(how);
        CHECK(s == exit_status::signaled(SIGKILL));
        CHECK(p.survivors() == 0);
    };
    run_in_time(talk(stop_sequence()));
    run_in_time(talk(stop_sequence().then(SIGTERM, 1ms)));
    run_in_time(talk(stop_sequence().then(SIGINT, 1ms).then(SIGTERM, 1ms)));
    run_in_time(talk(stop_sequence().then(SIGKILL, 1h)));
}

TEST_CASE("a step without time is sent and the next one follows at once", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process asleep(child("wait_for_signal"));
        const auto ready = co_await asleep.read_line();
        CHECK(ready == "ready");
        asleep.send_signal(SIGSTOP);
        // Woken, it can hear what it is told, and takes the lower of the two numbers first.
        const exit_status s =
            co_await asleep.stop(stop_sequence().then(SIGHUP, 0s).then(SIGUSR1, -1s).then(SIGCONT, 1h));
        CHECK(s == exit_status::exited(SIGHUP));
    };
    run_in_time(talk());
}

TEST_CASE("without a grace nobody is asked", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const auto grace : {0s, -1s}) {
            async_process p(child("talk_of_death"));
            const auto alive = co_await p.read_line();
            CHECK(alive == "alive");
            const exit_status s = co_await p.stop(grace);
            CHECK(s == exit_status::signaled(SIGKILL));
            const auto nothing = co_await p.read_line();
            CHECK_FALSE(nothing);
        }
    };
    run_in_time(talk());
}

TEST_CASE("a sequence goes to all who are within reach", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(r)(ir)r").new_process_group());
        const std::vector<int> all = co_await pids_from(p, 3);
        const exit_status s = co_await p.stop(stop_sequence().then(SIGHUP, 5ms).then(SIGUSR1, 1h));
        CHECK(s == exit_status::signaled(SIGHUP));
        co_await until_the_last_has_ended(p); // the one that ignores SIGHUP was ended by SIGUSR1
        CHECK(p.survivors() == 0);
    };
    run_in_time(talk());
}
