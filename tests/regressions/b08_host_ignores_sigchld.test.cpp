// SPDX-License-Identifier: BSL-1.0
//
// A host that ignores SIGCHLD.
//
// What users saw: a wait that hung, or status 0 invented for a child that had failed.
// Root cause: with SIGCHLD ignored, or SA_NOCLDWAIT, the kernel reaps by itself, and waitpid says ECHILD; that was
// taken for "try again" or for "exit 0". The same where somebody else in the process reaps everything. Reports: cpython
// #76296 (a wait of asyncio hangs), and the test families of most libraries. Why not here: ECHILD is an end
// (child::reaped_elsewhere). Its status is what the kernel remembers of the pidfd (remembered_status: PIDFD_GET_INFO
// with PIDFD_INFO_EXIT, Linux 6.15; tried on 6.18), and unknown where it does not; never a success that nobody has
// seen. The pidfd is from before the reaping: the clone itself has made it.
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/exit_memory.hpp"
#include "support/forked.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

// 0 if children that fail end with the truth, or with "unknown" where that is the truth.
task<int> statuses_are_true(bool remembered) {
    for (int i = 0; i < 20; ++i) {
        async_process p(child("end_by"), "code", "7");
        p.close_stdin();
        const exit_status s = co_await p.wait();
        if (s.success()) co_return 1; // invented
        if (s.known() && s != exit_status::exited(7)) co_return 2;
        if (remembered && !s.known()) co_return 3;

        async_process killed(child("hold"));
        killed.kill();
        const exit_status k = co_await killed.wait();
        if (k.known() && k != exit_status::signaled(SIGKILL)) co_return 4;
        if (remembered && !k.known()) co_return 5;
    }
    co_return 0;
}

bool remembers() {
    const char* const way = std::getenv("COPROC_SPAWN"); // with posix_spawn the pidfd may be too late
    return way == nullptr && kernel_remembers_exits();
}

} // namespace

// Seen to fail: child::reap_with taking ECHILD for a success, 1 == 0; and for "not yet": hung, ended by the time limit.
TEST_CASE("a host that ignores SIGCHLD learns how its children have ended", "[regression][process][reaped_elsewhere]") {
    const bool remembered = remembers();
    const int code = in_a_fork([&] {
        ::signal(SIGCHLD, SIG_IGN);
        return run(statuses_are_true(remembered));
    });
    CHECK(code == 0);
}

TEST_CASE("a host that wants no zombies learns how its children have ended",
          "[regression][process][reaped_elsewhere]") {
    const bool remembered = remembers();
    const int code = in_a_fork([&] {
        struct sigaction action {};
        action.sa_handler = SIG_DFL;
        action.sa_flags = SA_NOCLDWAIT;
        ::sigaction(SIGCHLD, &action, nullptr);
        return run(statuses_are_true(remembered));
    });
    CHECK(code == 0);
}

// As an old framework does it, and as PID 1 must.
TEST_CASE("a host whose handler reaps whatever it finds hangs nobody", "[regression][process][reaped_elsewhere]") {
    const bool remembered = remembers();
    const int code = in_a_fork([&] {
        struct sigaction action {};
        action.sa_flags = SA_RESTART;
        action.sa_handler = [](int) {
            const int before = errno;
            while (::waitpid(-1, nullptr, WNOHANG) > 0) {
            }
            errno = before;
        };
        ::sigaction(SIGCHLD, &action, nullptr);
        return run(statuses_are_true(remembered));
    });
    CHECK(code == 0);
}
