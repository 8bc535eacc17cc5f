// SPDX-License-Identifier: BSL-1.0
//
// Processes that somebody else has started.
#include <coproc/process/async_process.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/rights.hpp"
#include "support/run_in_time.hpp"
#include "support/started_child.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

bool is_there(int pid) { return ::kill(pid, 0) == 0; }

} // namespace

TEST_CASE("a child that the host has started by other means is reaped and its status known", "[process][adopt]") {
    const nothing_leaks check;
    const auto talk = [](std::string how, int number, exit_status expected) -> task<> {
        started_child by_hand(how, number);
        async_process p = async_process::adopt(by_hand.process.pid());
        by_hand.reaped = true; // by whom we see
        CHECK(p.pid() == by_hand.process.pid());
        CHECK(p.running());
        CHECK(p.command_line() == "process " + std::to_string(by_hand.process.pid()));
        const auto none = co_await p.wait(1ms);
        CHECK_FALSE(none);
        by_hand.let_it_end();
        const exit_status s = co_await p.wait();
        CHECK(s == expected);
        CHECK(p.usage()->peak_rss > 0);
        CHECK_FALSE(p.pid());
        CHECK_FALSE(p.kill());
        CHECK(::waitpid(by_hand.process.pid(), nullptr, WNOHANG) < 0);
    };
    run_in_time(talk("code", 7, exit_status::exited(7)));
    run_in_time(talk("signal", SIGKILL, exit_status::signaled(SIGKILL)));
}

TEST_CASE("a child that has ended already can be adopted and is reaped", "[process][adopt]") {
    const nothing_leaks check;
    started_child by_hand("code", 3);
    by_hand.wait_until_ended();
    by_hand.reaped = true;
    const auto talk = [&]() -> task<exit_status> {
        async_process p = async_process::adopt(by_hand.process.pid());
        co_return co_await p.wait();
    };
    CHECK(run_in_time(talk()) == exit_status::exited(3));
}

TEST_CASE("an adopted process has no streams", "[process][adopt]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        started_child by_hand("code", 0);
        async_process p = async_process::adopt(by_hand.process.pid());
        by_hand.reaped = true;
        CHECK_FALSE(p.has_in());
        CHECK_FALSE(p.has_out());
        CHECK_FALSE(p.has_err());
        CHECK_FALSE(p.has_terminal());
        CHECK_THROWS_AS(p.out(), usage_error);
        CHECK_THROWS_AS(p.in(), usage_error);
        by_hand.let_it_end();
        const result r = co_await p.communicate(); // and there is nothing to say
        CHECK(r.status.success());
        CHECK(r.out.empty());
    };
    run_in_time(talk());
}

TEST_CASE("a process that is no child of ours is awaited and its status is unknown",
          "[process][adopt][nobodys_child]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process parent(command(child("keep_child")));
        const auto line = co_await parent.read_line();
        REQUIRE(line);
        const int pid = std::stoi(*line);
        async_process p = async_process::adopt(pid);
        const auto none = co_await p.wait(2ms);
        CHECK_FALSE(none);
        CHECK(p.running());
        CHECK_FALSE(p.status());
        co_await parent.write_stdin("\n"); // then it lets its child end
        const exit_status s = co_await p.wait();
        CHECK_FALSE(s.known());
        CHECK_FALSE(p.running());
        CHECK_FALSE(p.send_signal(SIGTERM));
        parent.close_stdin();
        const exit_status of_parent = co_await parent.wait();
        CHECK(of_parent.success());
    };
    run_in_time(talk());
}

TEST_CASE("a process that is no child of ours can be stopped", "[process][adopt]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process parent(command(child("keep_child")));
        const auto line = co_await parent.read_line();
        REQUIRE(line);
        async_process p = async_process::adopt(std::stoi(*line));
        const exit_status s = co_await p.stop();
        CHECK_FALSE(s.known());
        CHECK(p.survivors() == 0);
        CHECK_FALSE(p.running());
        parent.close_stdin();
        const exit_status of_parent = co_await parent.wait();
        CHECK(of_parent.success());
    };
    run_in_time(talk());
}

TEST_CASE("an adopted process is left alone unless its end is asked for", "[process][adopt][nobodys_child]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        started_child ours("code", 0);
        { const async_process p = async_process::adopt(ours.process.pid()); }
        co_await sleep_for(1ms);
        CHECK(is_there(ours.process.pid()));
        { const async_process p = async_process::adopt(ours.process.pid(), destroy::kill); }
        ours.reaped = true;
        while (is_there(ours.process.pid())) co_await sleep_for(100us); // the loop reaps it
        async_process parent(command(child("keep_child")));
        const auto line = co_await parent.read_line();
        REQUIRE(line);
        const int pid = std::stoi(*line);
        { const async_process p = async_process::adopt(pid); }
        co_await sleep_for(1ms);
        CHECK(is_there(pid));
        { const async_process p = async_process::adopt(pid, destroy::kill); }
        co_await parent.write_stdin("\n");
        parent.close_stdin();
        const exit_status s = co_await parent.wait();
        CHECK(s.success());
        CHECK_FALSE(is_there(pid));
    };
    run_in_time(talk());
}

TEST_CASE("a loop that ends leaves an adopted process alone or kills it", "[process][adopt]") {
    const nothing_leaks check;
    started_child ours("code", 0);
    std::optional<async_process> p;
    {
        event_loop loop;
        p = async_process::adopt(ours.process.pid(), destroy::detach, loop);
    }
    CHECK(is_there(ours.process.pid()));
    p.reset();
    CHECK(is_there(ours.process.pid()));
    {
        event_loop loop;
        p = async_process::adopt(ours.process.pid(), destroy::kill, loop);
    }
    ours.reaped = true;
    CHECK(p->status() == exit_status::signaled(SIGKILL));
    CHECK_FALSE(is_there(ours.process.pid()));
}

TEST_CASE("what is no other process cannot be adopted", "[process][adopt]") {
    const nothing_leaks check;
    event_loop loop;
    for (const int pid : {0, -1, -77, static_cast<int>(::getpid())}) {
        CHECK_THROWS_AS(async_process::adopt(pid), std::invalid_argument);
    }
    const int gone = [] {
        started_child by_hand("code", 0);
        by_hand.let_it_end();
        static_cast<void>(by_hand.reap());
        return by_hand.process.pid();
    }();
    try {
        const async_process p = async_process::adopt(gone);
        FAIL("adopted a process that is gone");
    } catch (const error& e) {
        CHECK(e.code() == std::errc::no_such_process);
        CHECK(std::string(e.what()).starts_with("cannot adopt \"process " + std::to_string(gone) + "\": "));
    }
}

TEST_CASE("a process that we may not signal can be awaited and is given up when it is stopped", "[process][adopt]") {
    if (!we_are_root()) return;
    const nothing_leaks check;
    started_child of_root("code", 0);
    CHECK(in_a_fork([&] {
              if (!become_nobody()) return 1;
              const auto talk = [&]() -> task<int> {
                  async_process p = async_process::adopt(of_root.process.pid());
                  if (co_await p.wait(1ms)) co_return 2;
                  if (p.terminate()) co_return 3;
                  const exit_status s = co_await p.stop(1ms);
                  if (s.known() || p.survivors() != 1) co_return 4;
                  co_return 0;
              };
              return run(talk());
          }) == 0);
    CHECK(is_there(of_root.process.pid()));
}
