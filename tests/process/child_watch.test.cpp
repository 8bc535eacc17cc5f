// SPDX-License-Identifier: BSL-1.0
//
// Hosts with habits of their own: they ignore SIGCHLD, reap whatever they find, or start children of their own.
#include <coproc/process/child_watch.hpp>

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <coproc/coro/when_all.hpp>
#include <coproc/process/async_process.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/exit_memory.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("a host that ignores SIGCHLD is told the truth or that nobody knows", "[process][reaped_elsewhere]") {
    // posix_spawn(3) gives no pidfd; one that is opened afterwards may come too late.
    const bool truth_is_known = kernel_remembers_exits() && std::getenv("COPROC_SPAWN") == nullptr;
    const int code = in_a_fork([truth_is_known] {
        ::signal(SIGCHLD, SIG_IGN); // then the kernel reaps by itself
        const auto talk = [](bool must_know) -> task<int> {
            async_process p(child("cat"));
            const result r = co_await p.communicate("through");
            if (r.out != "through") co_return 1;
            if (r.status.known() && !r.status.success()) co_return 2;
            async_process three(child("exit_with"), "3");
            const exit_status end = co_await three.wait();
            if (end.known() && end.code() != 3) co_return 6;
            if (must_know && !end.known()) co_return 7;
            async_process q(child("ignore_term"));
            co_await q.read_line();
            const exit_status s = co_await q.stop(1ms);
            if (s.known() && s.signal() != SIGKILL) co_return 3;
            if (q.running() || q.kill()) co_return 4;
            bool thrown = false;
            try {
                async_process bad("/no/such/program");
            } catch (const spawn_error& e) {
                thrown = e.code() == std::errc::no_such_file_or_directory;
            }
            co_return thrown ? 0 : 5;
        };
        if (const int wrong = run(talk(truth_is_known))) return wrong;
        { // the end of a loop does not hang either
            event_loop loop;
            async_process p(child("ignore_term"));
        }
        return 0;
    });
    CHECK(code == 0);
}

TEST_CASE("a child that somebody else has reaped ends with its true status or an unknown one",
          "[process][reaped_elsewhere]") {
    const nothing_leaks check;
    const auto thief = [](async_process& p) -> task<> {
        const int pid = *p.pid();
        p.kill();
        int status = 0;
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        co_return;
    };
    const exit_status expected = kernel_remembers_exits() ? exit_status::signaled(SIGKILL) : exit_status::unknown();
    const auto talk = [&]() -> task<> {
        async_process p(child("hold"));
        auto all = co_await when_all(p.wait(), p.wait(30s), thief(p));
        CHECK(std::get<0>(all) == expected);
        CHECK(std::get<1>(all) == expected);
        CHECK_FALSE(p.running());
        CHECK_FALSE(p.kill()); // its pid may be somebody else's
        CHECK_FALSE(p.pid());
        const exit_status again = co_await p.wait();
        CHECK(again == expected);
        CHECK_FALSE(again.success());
    };
    run_in_time(talk());
}

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

TEST_CASE("children of others are never reaped", "[process]") {
    const pid_t other = ::fork();
    if (other == 0) ::_exit(42);
    const auto talk = []() -> task<> {
        for (int i = 0; i < 20; ++i) {
            async_process p(child("exit_with"), "1");
            co_await p.wait();
        }
        async_process abandoned(child("hold"));
    };
    run_in_time(talk());
    int status = 0;
    CHECK(::waitpid(other, &status, 0) == other);
    CHECK(WEXITSTATUS(status) == 42);
    CHECK(no_children());
}

TEST_CASE("no handler for SIGCHLD is installed and none is disturbed", "[process]") {
    const nothing_leaks check;
    struct sigaction before {};
    ::sigaction(SIGCHLD, nullptr, &before);
    const auto talk = []() -> task<> {
        async_process p(child("exit_with"), "0");
        co_await p.wait();
    };
    run_in_time(talk());
    struct sigaction after {};
    ::sigaction(SIGCHLD, nullptr, &after);
    CHECK(after.sa_handler == before.sa_handler);
}

TEST_CASE("signals that the host handles disturb neither starts nor waits", "[process]") {
    const int code = in_a_fork([] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        ::sigaction(SIGALRM, &action, nullptr); // and no SA_RESTART: every call is interrupted that can be
        ::sigaction(SIGCHLD, &action, nullptr);
        const itimerval often{{0, 200}, {0, 200}};
        ::setitimer(ITIMER_REAL, &often, nullptr);
        const auto talk = []() -> task<int> {
            for (int i = 0; i < 50; ++i) {
                async_process p(child("cat"));
                const result r = co_await p.communicate(std::string(200000, 'x'));
                if (r.out.size() != 200000 || !r.status.success()) co_return 1;
            }
            co_return 0;
        };
        return run(talk());
    });
    CHECK(code == 0);
}

TEST_CASE("loops in several threads have children of their own", "[process]") {
    const nothing_leaks check;
    std::vector<int> good(24);
    const auto talk = [](int number) -> task<int> {
        int seen = 0;
        for (int i = 0; i < 10; ++i) {
            async_process p(child("exit_with"), std::to_string(number));
            const exit_status s = co_await p.wait();
            seen += s.code() == number;
        }
        co_return seen;
    };
    std::vector<std::thread> threads;
    for (std::size_t n = 0; n < good.size(); ++n) {
        threads.emplace_back([&, n] { good[n] = run(talk(static_cast<int>(n))); });
    }
    for (std::thread& each : threads) each.join();
    CHECK(good == std::vector<int>(24, 10));
}
