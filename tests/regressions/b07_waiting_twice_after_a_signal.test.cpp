// SPDX-License-Identifier: BSL-1.0
//
// A child that was waited for twice.
//
// What users saw: a loop around waitpid, meant for EINTR, reaped a *different* process, which had been given the number
// in the meantime.
// Root cause: the call had succeeded, and the condition of the loop looked at an errno that was old.
// Reports: swift-subprocess PR #282.
// Why not here: child::reap_with and reap_by_pid repeat only what has returned a failure (`result < 0 && errno ==
// EINTR`), and by pidfd a second wait could not find another process anyway.
#include <signal.h>
#include <sys/time.h>

#include <cerrno>
#include <thread>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/started_child.hpp"

using namespace coproc;

// Seen to fail: the condition in child::reap_with without `result < 0`; the status was unknown.
TEST_CASE("an errno from long ago does not make us wait twice", "[regression][process]") {
    const nothing_leaks check;
    started_child first("code", 7);
    first.wait_until_ended();
    errno = EINTR;
    CHECK(first.reap().status == exit_status::exited(7));

    started_child second("code", 8);
    second.wait_until_ended();
    errno = EINTR;
    const auto now = second.process.try_reap();
    second.reaped = true;
    REQUIRE(now);
    CHECK(now->status == exit_status::exited(8));
}

// Seen to fail: the condition in reap_by_pid without `got < 0`; as above.
TEST_CASE("nor does it by the number alone", "[regression][process]") {
    const nothing_leaks check;
    started_child ended("code", 9);
    ended.wait_until_ended();
    ended.reaped = true;
    errno = EINTR;
    const auto now = platform::reap_by_pid(ended.process.pid(), 0);
    REQUIRE(now);
    CHECK(now->status == exit_status::exited(9));
}

// Seen to fail: child::reap_with without its loop; the status was unknown, 1 == 0.
TEST_CASE("a wait that signals interrupt all the time goes on until the end", "[regression][process]") {
    const int code = in_a_fork([] {
        started_child runs("code", 7);
        struct sigaction action {};
        action.sa_handler = [](int) {};
        ::sigaction(SIGALRM, &action, nullptr); // and no SA_RESTART
        const itimerval often{{0, 500}, {0, 500}};
        ::setitimer(ITIMER_REAL, &often, nullptr);
        std::thread later([&] {
            ::usleep(30000); // not an event: that nothing happens for so long, but for signals, is the point
            runs.let_it_end();
        });
        const exit_status end = runs.reap().status;
        later.join();
        return end == exit_status::exited(7) ? 0 : 1;
    });
    CHECK(code == 0);
}
