// SPDX-License-Identifier: BSL-1.0
//
// Somebody traces us, or our children: the kernel then speaks of stops and of deaths to the tracer first, and nobody
// may take that for an exit.
#include <signal.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/sanitizers.hpp"

using namespace coproc;
using namespace std::chrono_literals;

// What the next test runs under strace.
TEST_CASE("children of every kind whether somebody traces us or not", "[process][endurance]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process echo(child("answer"), "3");
        const result r = co_await echo.communicate("through");
        CHECK(r.out == "through");
        CHECK(r.status == exit_status::exited(3));
        async_process stays(child("hold"));
        const auto none = co_await stays.wait(10ms);
        CHECK_FALSE(none);
        CHECK(stays.running());
        stays.send_signal(SIGSTOP);
        stays.send_signal(SIGCONT);
        const auto still_none = co_await stays.wait(10ms);
        CHECK_FALSE(still_none);
        const exit_status stopped = co_await stays.stop();
        CHECK(stopped == exit_status::signaled(SIGTERM));
        CHECK_THROWS_AS(async_process("/no/such/program"), spawn_error);
        { async_process let_go_of(child("ignore_term")); }
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk());
}

#if defined(__linux__)

namespace {

// Runs it under strace: its status, and what was said on stderr or stdout.
result traced(const command& what) {
    command c("/usr/bin/strace", "-f", "-qq", "-o", "/dev/null", what.program());
    c.args(what.args());
    c.env("ASAN_OPTIONS", "detect_leaks=0"); // its search for leaks traces, too, and there can be only one
    const auto talk = [&]() -> task<result> {
        async_process p(c);
        co_return co_await p.communicate();
    };
    return run_in_time(talk(), 100s);
}

} // namespace

TEST_CASE("strace sees no exit that is none", "[process][endurance]") {
    if (!std::filesystem::exists("/usr/bin/strace")) {
        WARN("not tried: there is no /usr/bin/strace");
        return;
    }
    if (const result r = traced(command(child("exit_with"), "0")); !r.status.success()) {
        WARN("not tried: strace may not trace here: " << r.err);
        return;
    }
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
    for (int i = 0; i < rounds(20); ++i) {
        const result r = traced(command(self, "children of every kind whether somebody traces us or not"));
        INFO(r.out << r.err);
        CHECK(r.status == exit_status::exited(0));
        CHECK(r.out.find("All tests passed") != std::string::npos);
    }
}

// Seen to fail: with a child_watch that takes an event for an end when there is nothing to reap yet; with a child that
// asks for stops, too. Under strace the same moment passes too quickly to be seen: here it is held.
TEST_CASE("a child that is traced ends when its tracer has let it go and not before",
          "[process][endurance][held_by_tracer]") {
    const nothing_leaks check;
    std::optional<std::string> refused;
    const auto talk = [&](bool killed) -> task<> {
        async_process p(child("tracer"));
        const auto ready = co_await p.read_line();
        REQUIRE(ready == "ready");
        async_process tracer(child("tracer"), std::to_string(*p.pid()));
        const auto begun = co_await tracer.read_line();
        if (begun != "seized") {
            refused = begun;
            co_return;
        }
        for (const int number : {SIGWINCH, SIGURG, SIGSTOP, SIGCONT, SIGWINCH}) {
            p.send_signal(number);
            const std::string wanted = "stop " + std::to_string(number);
            auto seen = co_await tracer.read_line();
            while (seen && *seen != wanted) seen = co_await tracer.read_line();
            CHECK(seen == wanted);
            const auto none = co_await p.wait(2ms);
            CHECK_FALSE(none);
            CHECK(p.running());
        }
        if (killed) p.kill();
        else p.close_stdin();
        auto seen = co_await tracer.read_line();
        while (seen && *seen != "dead") seen = co_await tracer.read_line();
        CHECK(seen == "dead");
        // It is a zombie now, and not ours yet.
        const auto none = co_await p.wait(30ms);
        CHECK_FALSE(none);
        CHECK(p.running());
        CHECK_FALSE(p.status());
        CHECK(p.pid());
        co_await tracer.write_stdin("\n");
        const exit_status s = co_await p.wait();
        CHECK(s == (killed ? exit_status::signaled(SIGKILL) : exit_status::exited(7)));
        const exit_status t = co_await tracer.wait();
        CHECK(t.success());
    };
    for (const bool killed : {false, true}) run_in_time(talk(killed));
    if (refused) WARN("not tried: the system lets nobody trace: " << *refused);
}

// Seen to fail: with a child_watch that destroys itself at the first event after it was abandoned, the child stays a
// zombie.
TEST_CASE("a traced child that was let go of is reaped when its tracer has let it go",
          "[process][endurance][held_by_tracer]") {
    const nothing_leaks check;
    std::optional<std::string> refused;
    const auto talk = [&]() -> task<> {
        std::optional<async_process> p(std::in_place, child("tracer"));
        const auto ready = co_await p->read_line();
        REQUIRE(ready == "ready");
        const int pid = *p->pid();
        async_process tracer(child("tracer"), std::to_string(pid));
        const auto begun = co_await tracer.read_line();
        if (begun != "seized") {
            refused = begun;
            co_return;
        }
        p.reset(); // kills it
        const auto dead = co_await tracer.read_line();
        CHECK(dead == "dead");
        for (int i = 0; i < 5; ++i) co_await sleep_for(1ms);
        CHECK(::kill(pid, 0) == 0); // a zombie, which the loop cannot have
        co_await tracer.write_stdin("\n");
        const exit_status t = co_await tracer.wait();
        CHECK(t.success());
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk());
    if (refused) WARN("not tried: the system lets nobody trace: " << *refused);
}

// Seen to fail: with a stop that waits for the child however long that takes, it waits for the tracer.
TEST_CASE("stopping does not wait for ever for a child that SIGKILL does not end",
          "[process][endurance][held_by_tracer]") {
    const nothing_leaks check;
    std::optional<std::string> refused;
    const auto talk = [&]() -> task<> {
        const command c(child("tracer"));
        const detail::process_owner p(new detail::process_state(c, streams(), event_loop::current()));
        detail::preparation all(c, stdio::pipe);
        p->start(detail::spawn(all.plan(), p->program()));
        p->connect(all.fds());
        const auto ready = co_await p->all_streams().out.read_line();
        REQUIRE(ready == "ready");
        const int pid = p->pid();
        async_process tracer(child("tracer"), std::to_string(pid));
        const auto begun = co_await tracer.read_line();
        if (begun != "seized") {
            refused = begun;
            co_return;
        }
        const exit_status s = co_await detail::stop(*p, p->group, stop_sequence(), {.with_child = 20ms});
        CHECK_FALSE(s.known());
        CHECK(p->reaped()); // as far as we are concerned
        CHECK(p->survivors() == 1);
        CHECK_FALSE(p->signal_all(SIGKILL));
        CHECK(::kill(pid, 0) == 0);
        const auto dead = co_await tracer.read_line();
        CHECK(dead == "dead");
        co_await tracer.write_stdin("\n");
        const exit_status t = co_await tracer.wait();
        CHECK(t.success());
        while (!no_children()) co_await sleep_for(100us); // the loop reaps it
    };
    run_in_time(talk());
    if (refused) WARN("not tried: the system lets nobody trace: " << *refused);
}

#endif
