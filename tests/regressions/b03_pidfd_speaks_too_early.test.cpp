// SPDX-License-Identifier: BSL-1.0
//
// A pidfd that polls readable is no promise that waitpid will not block.
//
// What users saw: under strace, gdb or LeakSanitizer the watcher woke early: a panic (tokio), or the thread of the loop
// stuck in waitpid (Boost.Process).
// Root cause: the kernel wakes the pollers of a pidfd for the tracer's sake, too; while somebody traces a child that
// has ended, its parent cannot reap it yet. The code trusted the readiness. Reports: tokio #7144 (PR #7494);
// boostorg/process #564, #567; moonbitlang/async #594. Why not here: what counts is the reaping. child_watch::look asks
// with WNOHANG and, told "nothing yet", looks again from 0.1 ms on up to 50 ms; no call that blocks is made on the
// loop's thread while the child runs.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/readable.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

#if defined(__linux__)

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: child_watch::look reaping with the call that blocks (child_.reap()); hung, ended by a time limit.
TEST_CASE("a debugger that holds a child which has ended holds up nobody else", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("end_by"), "code", "7");
        async_process debugger(command(child("trace"), std::to_string(*p.pid())));
        const std::optional<std::string> said = co_await debugger.read_line();
        if (said != "holding") {
            WARN("no process may trace another one here");
            co_return;
        }
        p.close_stdin();
        co_await p.out().wait_eof(); // it has ended, and the kernel has told whoever polls

        event_loop& loop = event_loop::current();
        const std::uint64_t before = loop.turn_number();
        const std::optional<exit_status> none = co_await p.wait(300ms);
        CHECK_FALSE(none);
        CHECK(p.running());
        CHECK(loop.turn_number() - before < 100); // and it is not asked all the time either

        debugger.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(7));
        co_await debugger.wait();
    };
    run_in_time(talk());
}

TEST_CASE("a loop that ends leaves nothing of a child that somebody traces", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        async_process debugger(command(child("trace"), std::to_string(*p.pid())));
        co_await debugger.read_line();
        { const async_process gone = std::move(p); } // killed, and reaped by the loop when the debugger lets go
        co_await sleep_for(20ms);
        debugger.close_stdin();
        co_await debugger.wait();
    };
    run_in_time(talk());
}

#endif
