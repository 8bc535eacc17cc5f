// SPDX-License-Identifier: BSL-1.0
//
// Children that have the foreground of our terminal, and who has it after them. Each test is a session of its own with
// a terminal, since that of whoever runs the tests is not ours.
#include <coproc/platform/foreground.hpp>

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// The exit code of `f(terminal)`, run as the leader of a session that has this terminal, and the foreground of it.
template <class F>
int in_a_session(F f) {
    return in_a_fork([&] {
        ::signal(SIGHUP, SIG_IGN); // we hang up ourselves
        const bool leads = ::setsid() > 0;
        const platform::pty_ends terminal = platform::make_pty({});
        if (!leads || !terminal.slave || ::ioctl(terminal.slave.get(), TIOCSCTTY, 0) != 0) return 253;
        if (::tcsetpgrp(terminal.slave.get(), ::getpgrp()) != 0) return 252;
        return f(terminal);
    });
}

bool is_ours(const platform::pty_ends& terminal) { return ::tcgetpgrp(terminal.slave.get()) == ::getpgrp(); }
bool is_of(const async_process& p, const platform::pty_ends& terminal) {
    return ::tcgetpgrp(terminal.slave.get()) == *p.pid();
}

command on(const platform::pty_ends& terminal, const char* name) {
    return command(child(name)).in(stdio::fd(terminal.slave.get()));
}
command staying_on(const platform::pty_ends& terminal) { return on(terminal, "watch_terminal").foreground(); }

bool says(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }

// 0: it is in the foreground while it runs and we are again when it has been reaped.
task<int> look_at_visit(async_process p, const platform::pty_ends& terminal) {
    const std::string told = co_await p.read_stdout();
    if (!says(told, "is the controlling one: yes") || !says(told, "session is mine: no")) co_return 1;
    if (!says(told, "I am in its foreground: yes")) co_return 2;
    const exit_status status = co_await p.wait();
    if (!status.success()) co_return 3;
    co_return is_ours(terminal) ? 0 : 4;
}
task<int> visit(const platform::pty_ends& terminal) {
    async_process p(on(terminal, "describe_terminal").foreground());
    co_return co_await look_at_visit(std::move(p), terminal);
}
task<int> visit_of_start(const platform::pty_ends& terminal) {
    async_process p = co_await start(on(terminal, "describe_terminal").foreground());
    co_return co_await look_at_visit(std::move(p), terminal);
}

// Nothing of it has a number above that of the terminal.
task<int> visit_without_pipes(const platform::pty_ends& terminal) {
    async_process p(
        command(child("exit_with"), "7").in(stdio::inherit).out(stdio::inherit).err(stdio::inherit).foreground());
    const exit_status status = co_await p.wait();
    if (status.code() != 7) co_return 1;
    co_return is_ours(terminal) ? 0 : 2;
}
task<int> count_descriptors(const platform::pty_ends& terminal) {
    async_process p(on(terminal, "list_fds").foreground());
    const std::string numbers = co_await p.read_stdout();
    static_cast<void>(co_await p.wait());
    co_return numbers == "0\n1\n2\n" ? 0 : 1;
}

task<int> background_visit(const platform::pty_ends& terminal) {
    async_process p(on(terminal, "describe_terminal").new_process_group());
    const std::string told = co_await p.read_stdout();
    static_cast<void>(co_await p.wait());
    co_return says(told, "I am in its foreground: no") && is_ours(terminal) ? 0 : 1;
}

task<int> killed_visit(const platform::pty_ends& terminal) {
    async_process p(staying_on(terminal));
    static_cast<void>(co_await p.read_line());
    if (!is_of(p, terminal)) co_return 1;
    p.kill();
    static_cast<void>(co_await p.wait());
    co_return is_ours(terminal) ? 0 : 2;
}

task<int> destroyed_visit(const platform::pty_ends& terminal) {
    async_process p(staying_on(terminal));
    static_cast<void>(co_await p.read_line());
    co_return is_of(p, terminal) ? 0 : 1;
}

// Nobody tells of the end of a child that was let go.
task<int> detached_visit(const platform::pty_ends& terminal) {
    int pid = 0;
    {
        async_process p(staying_on(terminal).on_destroy(destroy::detach));
        static_cast<void>(co_await p.read_line());
        if (!is_of(p, terminal)) co_return 1;
        pid = *p.pid();
    }
    if (is_ours(terminal)) co_return 2;
    ::kill(pid, SIGKILL);
    while (!is_ours(terminal)) co_await sleep_for(1ms);
    co_return 0;
}

task<int> handed_on(const platform::pty_ends& terminal) {
    async_process first(staying_on(terminal));
    static_cast<void>(co_await first.read_line());
    async_process second(on(terminal, "watch_terminal").new_process_group());
    static_cast<void>(co_await second.read_line());
    ::signal(SIGTTOU, SIG_IGN);
    if (::tcsetpgrp(terminal.slave.get(), *second.pid()) != 0) co_return 1;
    first.kill();
    static_cast<void>(co_await first.wait());
    co_return is_of(second, terminal) ? 0 : 2;
}

task<int> overtaken(const platform::pty_ends& terminal) {
    async_process first(staying_on(terminal));
    static_cast<void>(co_await first.read_line());
    async_process second(staying_on(terminal));
    static_cast<void>(co_await second.read_line());
    first.kill();
    static_cast<void>(co_await first.wait());
    if (!is_of(second, terminal)) co_return 1;
    second.kill();
    static_cast<void>(co_await second.wait());
    co_return is_ours(terminal) ? 0 : 2;
}

sigset_t only_interrupts() {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGINT);
    return one;
}
bool are_interrupted() {
    sigset_t now;
    sigemptyset(&now);
    ::sigpending(&now);
    return sigismember(&now, SIGINT) == 1;
}

task<int> interrupted_visit(const platform::pty_ends& terminal) {
    async_process p(staying_on(terminal));
    static_cast<void>(co_await p.read_line());
    if (::write(terminal.master.get(), "\3", 1) != 1) co_return 1;
    const auto number = co_await p.read_line();
    if (!number || *number != std::to_string(SIGINT)) co_return 2;
    static_cast<void>(co_await p.wait());
    co_return are_interrupted() ? 3 : 0;
}

// The directory is entered after the terminal has been taken.
command failing_on(const platform::pty_ends& terminal) {
    return on(terminal, "describe_terminal").foreground().cwd("/nowhere/at/all");
}
task<int> failed_visit(const platform::pty_ends& terminal) {
    try {
        async_process p(failing_on(terminal));
    } catch (const spawn_error& e) {
        co_return e.stage() == spawn_stage::cwd&& is_ours(terminal) ? 0 : 1;
    }
    co_return 2;
}
task<int> failed_visit_of_start(const platform::pty_ends& terminal) {
    starting failing = start(failing_on(terminal)); // which lives on when that is told
    try {
        async_process p = co_await failing;
    } catch (const spawn_error& e) {
        co_return e.stage() == spawn_stage::cwd&& is_ours(terminal) ? 0 : 1;
    }
    co_return 2;
}

// 0: as it should be.
template <class Visit>
int outcome_of(Visit visit) {
    return in_a_session([&](const platform::pty_ends& terminal) { return run_in_time(visit(terminal)); });
}

template <class F>
int refusal_of(F f) {
    try {
        f();
    } catch (const spawn_error& e) {
        return e.stage() == spawn_stage::terminal && says(e.what(), "our controlling terminal") ? 0 : 1;
    }
    return 2;
}

} // namespace

TEST_CASE("a foreground child has the terminal while it runs and we have it afterwards", "[process][spawn_fork]") {
    CHECK(outcome_of(visit) == 0);
    CHECK(outcome_of(visit_of_start) == 0);
}

TEST_CASE("a foreground child may have all our streams and gets no descriptor more", "[process][spawn_fork]") {
    CHECK(outcome_of(visit_without_pipes) == 0);
    CHECK(outcome_of(count_descriptors) == 0);
}

TEST_CASE("a child with a group of its own alone does not have the foreground", "[process][spawn_fork]") {
    CHECK(outcome_of(background_visit) == 0);
}

TEST_CASE("the terminal of a foreground child that is killed comes back", "[process][spawn_fork]") {
    CHECK(outcome_of(killed_visit) == 0);
}

TEST_CASE("the terminal of a foreground child that is destroyed or let go comes back", "[process][spawn_fork]") {
    CHECK(outcome_of(detached_visit) == 0);
    CHECK(in_a_session([](const platform::pty_ends& terminal) {
              const int code = run_in_time(destroyed_visit(terminal)); // and with it the loop ends, which reaps
              return code != 0 || is_ours(terminal) ? code : 5;
          }) == 0);
}

TEST_CASE("a terminal that was handed on meanwhile is not taken away again", "[process][spawn_fork]") {
    CHECK(outcome_of(handed_on) == 0);
}

TEST_CASE("the last of several foreground children leaves the terminal to us", "[process][spawn_fork]") {
    CHECK(outcome_of(overtaken) == 0);
}

TEST_CASE("what is typed interrupts a foreground child and not us and then us again", "[process][spawn_fork]") {
    CHECK(in_a_session([](const platform::pty_ends& terminal) {
              const sigset_t interrupts = only_interrupts();
              ::pthread_sigmask(SIG_BLOCK, &interrupts, nullptr);
              const int code = run_in_time(interrupted_visit(terminal));
              if (code != 0) return code;
              if (::write(terminal.master.get(), "\3", 1) != 1) return 4;
              int got = 0;
              return ::sigwait(&interrupts, &got) == 0 && got == SIGINT ? 0 : 5;
          }) == 0);
}

TEST_CASE("a foreground child that cannot be started leaves the terminal to us", "[process][spawn_fork]") {
    CHECK(outcome_of(failed_visit) == 0);
    CHECK(outcome_of(failed_visit_of_start) == 0);
}

TEST_CASE("without a controlling terminal nothing is in its foreground", "[process][spawn_fork]") {
    CHECK(in_a_fork([] {
              if (::setsid() < 0) return 253;
              event_loop loop;
              const command c = command(child("describe_terminal")).foreground();
              const int code = refusal_of([&] { async_process p(c, loop); });
              return code != 0 ? code : 10 * refusal_of([&] { static_cast<void>(dry_run(c)); });
          }) == 0);
}

TEST_CASE("the foreground of our terminal is for a group of its own in our session", "[process]") {
    CHECK_THROWS_AS(command("x").pty().foreground(), usage_error);
    CHECK_THROWS_AS(command("x").foreground().pty(), usage_error);
    CHECK_THROWS_AS(command("x").new_session().foreground(), usage_error);
    CHECK_THROWS_AS(command("x").foreground().new_session(), usage_error);
    CHECK_THROWS_AS(command("x").process_group(77).foreground(), usage_error);
    CHECK_THROWS_AS(command("x").foreground().process_group(77), usage_error);
    const command c = command("x").new_process_group().foreground();
    CHECK(c.session().has_own_group());
    CHECK(c.reach() == reach::group);
    CHECK(detail::describe_extras(c, stdio::inherit) == "in inherit, out inherit, err inherit, foreground");
}
