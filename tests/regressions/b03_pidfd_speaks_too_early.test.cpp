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
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

#if defined(__linux__)

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: child_watch::look reaping with the call that blocks (child_.reap()); hung, ended by the time limit.
TEST_CASE("a debugger that holds a child which has ended holds up nobody else",
          "[regression][process][held_by_tracer]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p{command(child("tracer"))}; // the one that is traced
        co_await p.read_line();
        async_process debugger(command(child("tracer"), std::to_string(*p.pid())));
        std::optional<std::string> said = co_await debugger.read_line();
        if (said != "seized") {
            WARN("no process may trace another one here");
            co_return;
        }
        p.close_stdin();
        said = co_await debugger.read_line();
        CHECK(said == "dead"); // and kept so; our pidfd is readable from now on

        event_loop& loop = event_loop::current();
        const std::uint64_t before = loop.turn_number();
        const std::optional<exit_status> none = co_await p.wait(300ms);
        CHECK_FALSE(none);
        CHECK(p.running());
        CHECK(loop.turn_number() - before < 100); // and it is not asked all the time either

        co_await debugger.write_stdin("\n");
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(7));
        co_await debugger.wait();
    };
    run_in_time(talk());
}

TEST_CASE("a child that is let go of while somebody traces it is reaped later",
          "[regression][process][held_by_tracer]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process debugger(child("cat")); // to be replaced
        {
            async_process p{command(child("tracer"))};
            co_await p.read_line();
            debugger = async_process(child("tracer"), std::to_string(*p.pid()));
            const std::optional<std::string> said = co_await debugger.read_line();
            if (said != "seized") co_return;
        } // killed; it is the debugger's before it is the loop's
        std::optional<std::string> said = co_await debugger.read_line();
        while (said && said != "dead") said = co_await debugger.read_line();
        co_await debugger.write_stdin("\n");
        co_await debugger.wait();
    };
    run_in_time(talk());
}

#endif
