// SPDX-License-Identifier: BSL-1.0
#include <coproc/platform/platform.hpp>

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <optional>
#include <utility>

#include "support/catch.hpp"
#include "support/exit_memory.hpp"
#include "support/resources.hpp"
#include "support/started_child.hpp"

using coproc::exit_status;
using coproc::platform::reaped;

TEST_CASE("a child that ends with a code is reaped with that code", "[platform][process]") {
    const nothing_leaks check;
    for (const int code : {0, 1, 2, 42, 126, 127, 128, 128 + SIGKILL, 254, 255}) {
        started_child child("code", code);
        child.let_it_end();
        const reaped end = child.reap();
        CHECK(end.status == exit_status::exited(code));
    }
}

TEST_CASE("a child that is ended by a signal is reaped with that signal", "[platform][process]") {
    const nothing_leaks check;
    for (const int signal : {SIGHUP, SIGINT, SIGABRT, SIGKILL, SIGSEGV, SIGPIPE, SIGTERM, SIGUSR1}) {
        started_child child("signal", signal);
        child.let_it_end();
        const reaped end = child.reap();
        CHECK(end.status.signal() == signal);
        CHECK_FALSE(end.status.code());
    }
}

TEST_CASE("trying to reap a child that runs says nothing and returns", "[platform][process]") {
    const nothing_leaks check;
    started_child child("code", 7);
    for (int i = 0; i < 3; ++i) CHECK_FALSE(child.process.try_reap()); // blocking here would be for ever
    child.wait_until_ended();
    const std::optional<reaped> end = child.process.try_reap();
    REQUIRE(end);
    child.reaped = true;
    CHECK(end->status == exit_status::exited(7));
}

TEST_CASE("a signal reaches the child that runs", "[platform][process]") {
    const nothing_leaks check;
    started_child child("code", 0);
    CHECK(child.process.send_signal(0)); // asks only whether there is one
    CHECK(child.process.send_signal(SIGTERM));
    CHECK(child.reap().status == exit_status::signaled(SIGTERM));
}

TEST_CASE("a signal to a child that has ended but is not reaped changes nothing", "[platform][process]") {
    const nothing_leaks check;
    started_child child("code", 5);
    child.wait_until_ended();
    child.process.send_signal(SIGKILL);
    CHECK(child.reap().status == exit_status::exited(5));
}

TEST_CASE("a signal to a child that was reaped is refused", "[platform][process]") {
    const nothing_leaks check;
    started_child child("code", 0);
    child.let_it_end();
    CHECK(child.reap().status.success());
    CHECK_FALSE(child.process.send_signal(SIGTERM));
    CHECK_FALSE(child.process.send_signal(0));
}

TEST_CASE("a child that somebody else has reaped has its true status or an unknown one", "[platform][process]") {
    const nothing_leaks check;
    started_child child("code", 3);
    child.let_it_end();
    int status = 0;
    REQUIRE(::waitpid(child.process.pid(), &status, 0) == child.process.pid());
    child.reaped = true;
    const std::optional<reaped> end = child.process.try_reap(); // and says so rather than nothing: it runs no more
    REQUIRE(end);
    const exit_status expected = kernel_remembers_exits() ? exit_status::exited(3) : exit_status::unknown();
    CHECK(end->status == expected);
    CHECK(child.process.reap().status == expected);
}

TEST_CASE("a child that is moved stays the same child", "[platform][process]") {
    const nothing_leaks check;
    started_child child("code", 9);
    const int pid = child.process.pid();
    CHECK(pid > 0);
    coproc::platform::child moved(std::move(child.process));
    CHECK(moved.pid() == pid);
    child.let_it_end();
    child.reaped = true;
    CHECK(moved.reap().status == exit_status::exited(9));
}

TEST_CASE("what a child has cost is told when it is reaped", "[platform][process]") {
    started_child child("code", 0);
    child.let_it_end();
    const reaped end = child.reap();
    CHECK(end.usage.peak_rss > 0u);
    CHECK(end.usage.minor_faults + end.usage.major_faults > 0u); // no program runs without touching a page
    CHECK(end.usage.cpu_time() < std::chrono::hours(1));         // in microseconds and not something else
}

TEST_CASE("an owner without a child has nobody to signal and nobody to reap", "[platform][process]") {
    const nothing_leaks check;
    started_child other("code", 1);
    other.wait_until_ended();
    coproc::platform::child none;
    CHECK_FALSE(none.send_signal(0)); // -1 would be everybody that we may signal
    const std::optional<reaped> end = none.try_reap();
    CHECK((!end || !end->status.known())); // and here any child of ours
    siginfo_t info{};
    CHECK(::waitid(P_PID, static_cast<id_t>(other.process.pid()), &info, WEXITED | WNOWAIT | WNOHANG) == 0);
    CHECK(other.reap().status == exit_status::exited(1));
}
