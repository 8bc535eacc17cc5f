// SPDX-License-Identifier: BSL-1.0
//
// Two parties wait for the same child, or somebody waits for all of them.
//
// What users saw: an exit status lost (ECHILD), children of another library reaped, the wrong loop informed.
// Root cause: waitpid(-1), or P_ALL; or several callers within one library, whose result was not stored for the others.
// Reports: joyent/libuv #887 (several loops, waitpid(-1)); swift-subprocess #82 (P_ALL);
// klemens-morgenstern/boost-process #217, #496, #503; the child watchers of asyncio. Why not here: child::reap_with
// names one pidfd, or one pid; child_watch::finish is the only place that reaps, and it stores the status before it
// wakes the first waiter.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

// How many of `count` children ended as this loop had told them to.
int good_ends(int first, int count) {
    const auto one = [](int number) -> task<int> {
        async_process p(child("end_by"), "code", std::to_string(number));
        p.close_stdin();
        const exit_status s = co_await p.wait();
        co_return s == exit_status::exited(number) ? 1 : 0;
    };
    const auto all = [&]() -> task<int> {
        std::vector<task<int>> some;
        for (int i = 0; i < count; ++i) some.push_back(one(first + i));
        const std::vector<int> ends = co_await when_all(std::move(some));
        int good = 0;
        for (const int end : ends) good += end;
        co_return good;
    };
    return run(all());
}

} // namespace

// Seen to fail: child::reap_with using P_ALL in place of P_PIDFD; 52 == 100, the other loop got the rest.
TEST_CASE("two loops and a host reap each its own children", "[regression][process]") {
    const nothing_leaks check;
    std::vector<pid_t> of_the_host;
    for (int i = 0; i < 10; ++i) {
        of_the_host.push_back(::fork());
        if (of_the_host.back() == 0) ::_exit(200 + i);
    }
    int good[2] = {};
    std::thread one([&] {
        for (int round = 0; round < 5; ++round) good[0] += good_ends(10, 20);
    });
    std::thread two([&] {
        for (int round = 0; round < 5; ++round) good[1] += good_ends(50, 20);
    });
    one.join();
    two.join();
    CHECK(good[0] == 100);
    CHECK(good[1] == 100);
    for (int i = 0; i < 10; ++i) {
        int status = 0;
        while (::waitpid(of_the_host[static_cast<std::size_t>(i)], &status, 0) < 0 && errno == EINTR) {
        }
        CHECK(WEXITSTATUS(status) == 200 + i);
    }
}

// Seen to fail: each waiter reaping for itself in await_resume; all but the first were told "unknown".
TEST_CASE("many wait for one child and all are told the same", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("end_by"), "code", "7");
        std::vector<task<exit_status>> waiters;
        const auto wait = [](async_process& q) -> task<exit_status> { co_return co_await q.wait(); };
        for (int i = 0; i < 10; ++i) waiters.push_back(wait(p));
        const auto let_it_end = [](async_process& q) -> task<> {
            q.close_stdin();
            co_return;
        };
        auto both = co_await when_all(when_all(std::move(waiters)), let_it_end(p));
        for (const exit_status& s : std::get<0>(both)) CHECK(s == exit_status::exited(7));
        const exit_status later = co_await p.wait();
        CHECK(later == exit_status::exited(7));
        CHECK(p.status() == exit_status::exited(7));
    };
    run_in_time(talk());
}
