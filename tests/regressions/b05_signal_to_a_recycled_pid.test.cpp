// SPDX-License-Identifier: BSL-1.0
//
// A signal for a child that hits a stranger.
//
// What users saw: kill() after the child had been reaped could end a process that had nothing to do with it; later, in
// Go, a pidfd was used after it had been closed.
// Root cause: reaping frees the number; a flag was looked at outside of what protects the reaping, by another thread.
// Reports: cpython bpo-38630 (#82811), bpo-40550, #86724, #87744 (PR #121126), #127049, #127050; golang/go #9382,
// #13987, #16028, #67641; the design notes of duct and shared_child. Why not here: child_watch::send_signal makes no
// system call once the child is reaped, on the one thread that reaps; and where somebody else reaps behind our back,
// child::send_signal names the child by its pidfd, never by its number.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/recycled.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/system_call_filter.hpp"

using namespace coproc;

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER)

// Seen to fail: child_watch::send_signal without its look at reaped(); ended by SIGSYS, "-31 == 0".
TEST_CASE("after the reaping no signal is even tried", "[regression][process]") {
    const int code = in_a_fork([] {
        const auto talk = []() -> task<int> {
            async_process p(child("exit_with"), "3");
            co_await p.wait();
            // From here on, trying is the end of us.
            const std::vector<failing_call> deadly_calls{
                {SYS_kill, deadly}, {SYS_tgkill, deadly}, {424 /* pidfd_send_signal */, deadly}};
            if (!filter_system_calls(deadly_calls)) co_return 1;
            if (p.kill() || p.terminate() || p.interrupt() || p.send_signal(SIGKILL)) co_return 2;
            const exit_status s = co_await p.stop();
            co_return s == exit_status::exited(3) ? 0 : 3;
        };
        return run(talk());
    });
    CHECK(code == 0);
}

// Seen to fail: child::send_signal using kill(2) with the pid; "2 == 0", the kill went out, to the stranger.
TEST_CASE("a stranger that has got the number of our child is left in peace", "[regression][process]") {
    const int code = in_a_fork([] {
        const auto talk = []() -> task<int> {
            async_process p(child("hold"));
            const int pid = *p.pid();
            p.close_stdin();
            while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) { // somebody reaps behind our back
            }
            const recycled stranger(pid);
            if (!stranger.there()) co_return 100; // not allowed here
            if (p.pid() != pid) co_return 1;      // we do not know yet
            if (p.kill() || p.terminate()) co_return 2;
            if (!stranger.alive()) co_return 3;
            { const async_process gone = std::move(p); }
            co_return stranger.alive() ? 0 : 4;
        };
        return run(talk());
    });
    if (code == 100) WARN("the number of a process cannot be chosen here");
    else CHECK(code == 0);
}

#endif

TEST_CASE("a signal to a child that has ended but is not reaped is no mistake", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("exit_with"), "3");
        co_await p.out().wait_eof();
        siginfo_t info{};
        while (::waitid(P_PID, static_cast<id_t>(*p.pid()), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
        }
        CHECK(p.kill()); // a zombie takes it and nothing comes of it
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(3));
        CHECK_FALSE(p.kill());
    };
    run_in_time(talk());
}
