// SPDX-License-Identifier: BSL-1.0
//
// Signals that must not be sent, since their number may be somebody else's by now, and those that must not be handled.
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/system_call_filter.hpp"

using namespace coproc;
using namespace std::chrono_literals;

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER)

namespace {
bool sending_is_deadly() {
    constexpr long send_by_pidfd = 424; // SYS_pidfd_send_signal, the same everywhere
    return filter_system_calls(
        {{SYS_kill, deadly}, {SYS_tkill, deadly}, {SYS_tgkill, deadly}, {send_by_pidfd, deadly}});
}
} // namespace

TEST_CASE("no system call is made to signal a child that was reaped", "[process]") {
    const auto attempt = [](bool reaped) {
        return in_a_fork([reaped] {
            const auto talk = [](bool wait_first) -> task<int> {
                async_process p(child("exit_with"), "3");
                if (wait_first) co_await p.wait();
                if (!sending_is_deadly()) co_return 9;
                const bool sent = p.send_signal(0) || p.interrupt() || p.terminate() || p.kill();
                const exit_status s = co_await p.stop();
                co_return !sent && s == exit_status::exited(3) ? 0 : 1;
            };
            return run(talk(reaped));
        });
    };
    CHECK(attempt(true) == 0);
    CHECK(attempt(false) == -SIGSYS); // so we would have seen it
}

#endif

TEST_CASE("a signal to a child that somebody else has just reaped reaches nobody", "[process][reaped_elsewhere]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("exit_with"), "3");
        const int pid = *p.pid();
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        CHECK_FALSE(p.send_signal(SIGTERM)); // it does not know yet
        CHECK_FALSE(p.kill());
        const exit_status s = co_await p.wait();
        CHECK((!s.known() || s == exit_status::exited(3)));
    };
    run_in_time(talk());
}

namespace {
std::atomic<int> handled_by_us{0};
std::atomic<int> handled_by_others{0};
pid_t us = 0;
void count_whose(int) { ++(::getpid() == us ? handled_by_us : handled_by_others); }
} // namespace

TEST_CASE("no handler of the host runs in a child that is being started", "[process]") {
    const int code = in_a_fork([] {
        us = ::getpid();
        ::setpgid(0, 0);
        struct sigaction action {};
        action.sa_handler = count_whose;
        action.sa_flags = SA_RESTART;
        ::sigaction(SIGUSR1, &action, nullptr);
        std::atomic<bool> done{false};
        std::thread other([&] { // to all of us, at whatever moment of a start
            while (!done) {
                ::kill(0, SIGUSR1);
                std::this_thread::yield();
            }
        });
        const auto talk = []() -> task<int> {
            for (int i = 0; i < 200; ++i) {
                async_process p(child("exit_with"), "0");
                const exit_status s = co_await p.wait();
                if (!s.success() && s.signal() != SIGUSR1) co_return 1; // it has no handler, and may die of it
            }
            co_return 0;
        };
        const int wrong = run(talk());
        done = true;
        other.join();
        if (wrong != 0) return wrong;
        if (handled_by_others != 0) return 2; // in memory that is ours
        return handled_by_us > 0 ? 0 : 3;
    });
    CHECK(code == 0);
}
