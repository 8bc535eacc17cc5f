// SPDX-License-Identifier: BSL-1.0
//
// Cancelled, timed out or destroyed at a bad moment.
//
// What users saw: hangs, "invalid state", and crashes in the layer above the system calls: a frame that was destroyed
// while the loop still had its address; a timer and a result that both resumed one waiter; a stop that fired while it
// was being registered; a lock held across a wait; thousands of orphans looked through one by one.
// Root cause: more than one place that thinks a waiter is its own.
// Reports: cpython #125502, #145541, #95899; swift-subprocess 81a9a28 (torn down twice), 6b2d2ac and PR #33, #306, #34;
// tokio #3743 (O(n^2) orphans), #3129, #4315; asio #835; corosio #31, #173; capy #233; seastar #3106 (gcc 121961);
// ydb #6239.
// Why not here: a waiter is in exactly one list, that of whom it waits for or that of the ready (event_loop::schedule
// unlinks it first), and its destructor takes it out of that and its timer out of the heap: what is destroyed is known
// to nobody. All of it on one thread, and nobody is resumed while events are translated.
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: event_loop::schedule without its unlink(): the assertion that it is in no other list.
TEST_CASE("the end of a child and a timeout in one turn resume the waiter once", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 20; ++i) {
            async_process p(child("end_by"), "code", "7");
            int resumed = 0;
            const auto waits = [&]() -> task<> {
                static_cast<void>(co_await p.wait(2ms));
                ++resumed;
            };
            const auto both_at_once = [&]() -> task<> {
                co_await yield();
                p.close_stdin();
                siginfo_t info{};
                while (::waitid(P_PID, static_cast<id_t>(*p.pid()), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
                }
                std::this_thread::sleep_for(3ms); // the loop sees neither before both have come
            };
            co_await when_all(waits(), both_at_once());
            co_await yield();
            CHECK(resumed == 1);
            const exit_status s = co_await p.wait();
            CHECK(s == exit_status::exited(7));
        }
    };
    run_in_time(talk());
}

// Seen to fail: ~timed_wait_awaiter leaving its timer in the heap: the assertion of ~timer that it is in none.
TEST_CASE("whatever waits for a child can be destroyed at any moment", "[regression][process]") {
    const nothing_leaks check;
    const std::string much(1'000'000, 'x'); // more than fits
    const auto talk = [&]() -> task<> {
        for (int round = 0; round < 48; ++round) {
            async_process p(child("ignore_term"));
            std::vector<driven> waiting;
            waiting.push_back(drive(p.wait()));
            waiting.push_back(drive(p.wait(1ms)));
            waiting.push_back(drive(p.wait(1h)));
            waiting.push_back(drive(p.read_line()));
            waiting.push_back(drive(p.read_stderr()));
            waiting.push_back(drive(p.write_stdin(much)));
            if (round % 4 >= 1) co_await yield();
            if (round % 4 >= 2) p.kill();
            if (round % 4 == 3) std::this_thread::sleep_for(2ms); // everything is ready, and nobody has been told
            if (round % 8 >= 4) co_await yield();
            for (std::size_t i = 0; i < waiting.size(); ++i)
                waiting[(i + static_cast<std::size_t>(round)) % waiting.size()].cancel();
            co_await sleep_for(1200us); // whoever is still known would be resumed now
            p.kill();
            const exit_status s = co_await p.wait();
            CHECK(s.signal() == SIGKILL);
        }
    };
    run_in_time(talk());
}

TEST_CASE("a hundred runs that are cancelled early leave nothing", "[regression][process]") {
    const nothing_leaks check;
    const auto one = []() -> task<> {
        async_process p(child("cat"));
        const result r = co_await p.communicate(std::string(100000, 'x'));
        CHECK(r.out.size() == 100000);
    };
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) co_await with_timeout(one(), std::chrono::microseconds(20 * i));
        while (!no_children()) co_await sleep_for(100us); // the loop reaps what was let go of
    };
    run_in_time(talk());
}
