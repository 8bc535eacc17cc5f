// SPDX-License-Identifier: BSL-1.0
//
// What each verb asks of the kernel, call by call, and why: a system call too many is slow everywhere and seen by
// nobody. Counted, not timed, beside the program that somebody would write by hand, with no library and with nothing
// looked after: 8 calls to start a child and to wait for it, 15 with its output; in the child 2 and 3.
//
// This is the way by clone; what posix_spawn does is the C library's affair.
#include "support/system_calls.hpp"

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_COUNTS) && !defined(COPROC_BACKEND_KQUEUE)

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

constexpr int counted_rounds = 20;

// The first times are not counted: the way of starting children is found out then, and tables grow.
template <class Round>
task<> round_after_round(Round round) {
    for (int i = 0; i < 3; ++i) co_await round();
    counting::begin();
    for (int i = 0; i < counted_rounds; ++i) co_await round();
    counting::end();
}

// No check of a test case: this is in another process.
void need(bool good, const char* what) {
    if (!good) throw std::runtime_error(what);
}

// These, and so many writes. A kernel that knows RWF_NOSIGNAL (Linux 6.18) leaves SIGPIPE out; for any other it is
// blocked meanwhile: a child that is gone would end the host by it, or the host's own handler of it would be called.
call_counts with_writes(int number, call_counts others) {
    const platform::pipe_ends pipe = platform::make_pipe();
    need(platform::write_without_sigpipe(pipe.write.get(), "?", 1) == 1, "a write to a pipe");
#if defined(COPROC_HAS_NOSIGNAL)
    if (!platform::nosignal_refused) {
        others.add("pwritev2", number);
        return others;
    }
#endif
    others.add("rt_sigprocmask", 2L * number);
    others.add("write", number);
    return others;
}

// The calls of one round of the story, in a loop of its own.
template <class Story>
std::optional<system_calls> calls_in(Story story) {
    const char* const asked = std::getenv("COPROC_SPAWN");
    if (asked != nullptr && *asked != '\0') {
        WARN("not tried: children are to be started by " << asked);
        return std::nullopt;
    }
    std::optional<system_calls> counted = count_system_calls([&] {
        event_loop loop;
        loop.run(story());
    });
    if (!counted) return std::nullopt;
    counted->ours.rounds(counted_rounds);
    counted->childrens.rounds(counted_rounds);
    return counted;
}

command with_our_stdio(command c) { return c.in(stdio::inherit).out(stdio::inherit).err(stdio::inherit); }

void wait_until_gone(int pid) {
    const counting::aside by_the_test;
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
}

// The one child that there is.
void wait_until_gone() {
    const counting::aside by_the_test;
    siginfo_t info{};
    ::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | __WALL);
}

command exits_at_once() { return with_our_stdio(command(child("exit_with"), "0")); }

task<> start_and_wait_in_rounds(command c) {
    co_await round_after_round([&]() -> task<> {
        async_process p(c);
        const exit_status s = co_await p.wait();
        need(s.success(), "exit_with 0");
    });
}

task<> says_nothing_at_all() { co_return; }

task<> read_to_the_end(async_process& p, std::string& text) { text = co_await p.read_stdout(); }

// From then on its stdout is registered, also if the child is always quicker than we are.
task<> wait_for_an_answer(async_process& p) {
    const driven reader = drive(p.read_line());
    need(!reader.done(), "a child that says nothing");
    co_await p.write_stdin("first\n");
    while (!reader.done()) co_await yield();
}

// Between clone and execve, whatever the child is given.
//
// rt_sigprocmask, execve: the two of the program by hand.
// pread: of /proc/self/status or stat, that is its parent's, which signals we ignore. The child would ignore them as
// well, and
//     neither CLONE_CLEAR_SIGHAND nor execve changes that: a host without SIGPIPE would have children that write into
//     the void for ever, one without SIGCHLD children that cannot wait for theirs.
// rt_sigaction: each of them; all 62 but SIGKILL and SIGSTOP where that is not known.
// close_range: whatever of ours is not close-on-exec, the child would hold open for as long as it lives. Where it is to
//     have a descriptor from above 2, once more: first what is beyond that is left behind, of a table that is ours.
const call_counts child_that_inherits_signals{{"close_range", 1}, {"rt_sigprocmask", 1}, {"execve", 1}};
call_counts and_more(call_counts calls, std::initializer_list<std::pair<const char*, long>> more) {
    for (const auto& [name, times] : more) calls.add(name, times);
    return calls;
}
#if defined(COPROC_HAS_SINGLE_THREADED) && !defined(COPROC_TEST_UNDER_TSAN) // which has a thread of its own
const call_counts bare_child = and_more(child_that_inherits_signals, {{"pread", 1}});
#else
const call_counts bare_child = and_more(child_that_inherits_signals, {{"rt_sigaction", 62}});
#endif
const call_counts child_beside_us = and_more(child_that_inherits_signals, {{"rt_sigaction", 62}});
call_counts child_with_pipes(long number) {
    call_counts calls = and_more(bare_child, {{"dup3", number}});
    if (platform::detail::can_cut_tables()) calls.add("close_range");
    return calls;
}

call_counts start_and(std::initializer_list<std::pair<const char*, long>> others) {
    return and_more({{"rt_sigprocmask", 2}, {"clone", 1}}, others);
}

} // namespace

// Seen to fail: a look at the child before it is watched, waitid 2; descriptors marked and closed, close_range 2.
TEST_CASE("starting a child and waiting for it takes the system calls of a program by hand", "[counts]") {
    const auto counted = calls_in([]() -> task<> { co_await start_and_wait_in_rounds(exits_at_once()); });
    if (!counted) return;
    // Its eight but two: a child that is all there is to wait for is not registered.
    CHECK(counted->ours == start_and({{"poll", 1}, {"waitid", 1}, {"close", 1}}));
    CHECK(counted->childrens == bare_child);
}

// Seen to fail: all 62 that can be ignored reset, whatever is known, rt_sigaction 62.
TEST_CASE("a child resets those signals that we ignore and no others", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        ::signal(SIGPIPE, SIG_IGN);
        ::signal(SIGHUP, SIG_IGN);
        co_await start_and_wait_in_rounds(exits_at_once());
    });
    if (!counted) return;
    const bool are_known = bare_child == and_more(child_that_inherits_signals, {{"pread", 1}});
    CHECK(counted->childrens == (are_known ? and_more(bare_child, {{"rt_sigaction", 2}}) : bare_child));
}

// Another thread may begin to ignore any of them in the last moment, so the child sees to each.
TEST_CASE("with other threads in its parent a child resets all signals that can be ignored", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        std::atomic<bool> begun{false}; // before anything is counted: it is no child
        std::atomic<bool> done{false};
        std::thread other([&] {
            begun = true;
            begun.notify_all();
            done.wait(false);
        });
        begun.wait(false);
        co_await start_and_wait_in_rounds(exits_at_once());
        done = true;
        done.notify_all();
        other.join();
    });
    if (!counted) return;
    CHECK(counted->childrens == child_beside_us);
}

TEST_CASE("a child that inherits what we ignore does not look what that is", "[counts]") {
    const auto counted =
        calls_in([]() -> task<> { co_await start_and_wait_in_rounds(exits_at_once().inherit_signals()); });
    if (!counted) return;
    CHECK(counted->childrens == child_that_inherits_signals);
}

// Seen to fail: a bell that is rung when a child has been made, write 1; close_range 2.
TEST_CASE("starting a child without waiting for it takes no more system calls", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        const command c = exits_at_once();
        co_await round_after_round([&]() -> task<> {
            auto under_way = start(c);
            wait_until_gone();
            async_process p = co_await std::move(under_way);
            const exit_status s = co_await p.wait();
            need(s.success(), "exit_with 0");
        });
    });
    if (!counted) return;
    CHECK(counted->ours == start_and({{"poll", 1}, {"waitid", 1}, {"close", 1}}));
    CHECK(counted->childrens == child_beside_us);
}

// While one is under way the look is taken for the next; which it finds so is a matter of time.
TEST_CASE("of children that are started at once each looks itself or is told what we ignore", "[counts]") {
    auto counted = calls_in([]() -> task<> {
        const command c = exits_at_once();
        co_await round_after_round([&]() -> task<> {
            auto one = start(c);
            auto other = start(c);
            async_process first = co_await std::move(one);
            async_process second = co_await std::move(other);
            const exit_status a = co_await first.wait();
            const exit_status b = co_await second.wait();
            need(a.success() && b.success(), "exit_with 0");
        });
    });
    if (!counted) return;
    const double told = counted->ours.take("pread");
    CHECK(told + counted->childrens.take("rt_sigaction") / 62 == Approx(2));
    CHECK(counted->childrens ==
          and_more(child_that_inherits_signals, {{"close_range", 1}, {"rt_sigprocmask", 1}, {"execve", 1}}));
}

// How many turns that takes is a matter of time. Seen to fail: two sleeps in each turn.
TEST_CASE("while a child is on its way to its program a turn takes one system call more to sleep", "[counts]") {
    auto counted = calls_in([]() -> task<> {
        const command c = exits_at_once();
        co_await round_after_round([&]() -> task<> {
            async_process p = co_await start(c);
            const exit_status s = co_await p.wait();
            need(s.success(), "exit_with 0");
        });
    });
    if (!counted) return;
    const double turns = counted->ours.take("epoll_wait");
    const double sleeps = counted->ours.take("futex");
    CHECK(sleeps <= turns);
    CHECK(counted->ours == start_and({{"poll", 1}, {"waitid", 1}, {"close", 1}}));
    CHECK(counted->childrens == child_beside_us);
}

// Seen to fail: fcntl that asks for the flags before it sets them; close_range 3; a child that is registered whatever
// else there is, epoll_ctl 4.
TEST_CASE("the output of a child that is quicker than we are takes no more system calls than by hand", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        const command c = with_our_stdio(command(child("lines"), "1")).out(stdio::pipe);
        co_await round_after_round([&]() -> task<> {
            async_process p(c);
            wait_until_gone(*p.pid());
            const std::string text = co_await p.read_stdout();
            const exit_status s = co_await p.wait();
            need(text == "line 0\n" && s.success(), "lines 1");
        });
    });
    if (!counted) return;
    // 15. fcntl makes our end non-blocking: a read of an empty pipe would stop the loop and all that it serves. For
    // that the child is not registered: when it is waited for, the stream has ended, and there is nothing else.
    CHECK(counted->ours == start_and({{"pipe2", 1},
                                      {"fcntl", 1},
                                      {"read", 2},
                                      {"epoll_ctl", 2},
                                      {"epoll_wait", 1},
                                      {"poll", 1},
                                      {"waitid", 1},
                                      {"close", 3}}));
    CHECK(counted->childrens == child_with_pipes(1));
}

// Seen to fail: the same.
TEST_CASE("the output of a child that we wait for takes two system calls more than by hand", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        platform::pipe_ends our_stdin = platform::make_pipe(); // from which each child takes its two bytes
        ::dup2(our_stdin.read.get(), 0);
        const command c = with_our_stdio(command(child("sip"), "2")).out(stdio::pipe);
        co_await round_after_round([&]() -> task<> {
            async_process p(c);
            std::string text;
            const driven reader = drive(read_to_the_end(p, text)); // waits
            {
                const counting::aside by_the_test;
                need(::write(our_stdin.write.get(), "x\n", 2) == 2, "two bytes for the child");
            }
            wait_until_gone(*p.pid());
            const exit_status s = co_await p.wait();
            if (!reader.done()) co_await yield();
            need(reader.done() && text == "x\n" && s.code() == 3, "sip 2");
        });
    });
    if (!counted) return;
    // 17: fcntl, for the reason above, and the first read, which finds nothing.
    CHECK(counted->ours == start_and({{"pipe2", 1},
                                      {"fcntl", 1},
                                      {"read", 3},
                                      {"epoll_ctl", 4},
                                      {"epoll_wait", 1},
                                      {"waitid", 1},
                                      {"close", 3}}));
    CHECK(counted->childrens == child_with_pipes(1));
}

// Seen to fail: SIGCONT behind SIGTERM, pidfd_send_signal 2; a deadline that is armed for each grace,
// timerfd_settime 1.
TEST_CASE("stopping a child takes one system call more than waiting for it", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        const command c = with_our_stdio(command(child("hold"))).in(stdio::pipe);
        co_await round_after_round([&]() -> task<> {
            std::optional<async_process> p;
            {
                const counting::aside the_start;
                p.emplace(c);
            }
            const exit_status s = co_await p->stop();
            need(s.signal() == SIGTERM, "hold");
        });
    });
    if (!counted) return;
    // close: the pidfd and our end of its stdin.
    const call_counts expected{{"pidfd_send_signal", 1}, {"poll", 1}, {"waitid", 1}, {"close", 2}};
    CHECK(counted->ours == expected);
}

// Seen to fail: SIGCONT behind SIGKILL, pidfd_send_signal 2.
TEST_CASE("a child that is let go of takes no more system calls than one that is stopped", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        const command c = with_our_stdio(command(child("hold"))).in(stdio::pipe);
        co_await round_after_round([&]() -> task<> {
            std::optional<async_process> p;
            int pid = 0;
            {
                const counting::aside the_start;
                p.emplace(c);
                pid = *p->pid();
            }
            p.reset();
            wait_until_gone(pid);
            co_await yield(); // in this turn it is reaped
        });
    });
    if (!counted) return;
    const call_counts expected{
        {"pidfd_send_signal", 1}, {"epoll_ctl", 2}, {"epoll_wait", 1}, {"waitid", 1}, {"close", 2}};
    CHECK(counted->ours == expected);
}

// Seen to fail: the same, fcntl 6.
TEST_CASE("starting a child with three pipes takes one system call a pipe more than by hand", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        const command c(child("hold"));
        co_await round_after_round([&]() -> task<> {
            std::optional<async_process> p(std::in_place, c);
            const counting::aside the_rest;
            p->close_stdin();
            const exit_status s = co_await p->wait();
            need(s.success(), "hold");
            p.reset();
        });
    });
    if (!counted) return;
    // fcntl 3: our ends are non-blocking, the child's are not, and pipe2 knows one flag for both.
    CHECK(counted->ours == start_and({{"pipe2", 3}, {"fcntl", 3}, {"close", 3}}));
    CHECK(counted->childrens == child_with_pipes(3));
}

// Seen to fail: access before stat.
TEST_CASE("a program is looked up by a stat in each directory and an access where it is", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        const command c = with_our_stdio(
            command("exit_with", "0").env("PATH", std::string("/nowhere:/nowhere/else:").append(COPROC_TEST_CHILDREN)));
        co_await round_after_round([&]() -> task<> {
            async_process p(c);
            const exit_status s = co_await p.wait();
            need(s.success(), "exit_with 0");
        });
    });
    if (!counted) return;
    // By hand: an execve in each, by the child. Here it is known before there is a child, and only files count.
    CHECK(counted->ours == start_and({{"stat", 3}, {"access", 1}, {"poll", 1}, {"waitid", 1}, {"close", 1}}));
    CHECK(counted->childrens == bare_child);
}

// Seen to fail: a stream that is registered anew for each wait; a look at what is pending around each write,
// rt_sigpending 1.
TEST_CASE("a question and its answer take the system calls that they take by hand and none that registers",
          "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        async_process p(child("cat"));
        co_await wait_for_an_answer(p);
        co_await round_after_round([&]() -> task<> {
            co_await p.write_stdin("ping\n");
            const std::optional<std::string> line = co_await p.read_line();
            need(line == "ping", "cat");
        });
    });
    if (!counted) return;
    // No read that is told EAGAIN, and no epoll_ctl: a stream is registered once in its life.
    const call_counts expected = with_writes(1, {{"epoll_wait", 1}, {"read", 1}});
    CHECK(counted->ours == expected);
}

// Seen to fail: an alarm that is taken back with its deadline, timerfd_settime 2.
TEST_CASE("a deadline that is not reached takes no system call after the first", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        async_process p(child("cat"));
        co_await wait_for_an_answer(p);
        co_await round_after_round([&]() -> task<> {
            co_await p.write_stdin("ping\n");
            const auto line = co_await with_timeout(p.read_line(), 1h);
            need(line.has_value() && *line == "ping", "cat");
        });
    });
    if (!counted) return;
    const call_counts expected = with_writes(1, {{"epoll_wait", 1}, {"read", 1}});
    CHECK(counted->ours == expected);
}

// Seen to fail: an alarm that is taken back when it has rung; streams that are registered anew for each wait.
TEST_CASE("a wait that times out takes two system calls", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        async_process p(child("hold"));
        co_await round_after_round([&]() -> task<> {
            const auto none = co_await p.wait(1ms);
            need(!none, "hold");
        });
    });
    if (!counted) return;
    // No epoll_ctl: the child and its streams are registered by the first wait, and stay. timerfd_settime: the timeout
    // of epoll_wait, by which it would be one, is up to 50 us late.
    const call_counts expected{{"timerfd_settime", 1}, {"epoll_wait", 1}};
    CHECK(counted->ours == expected);
}

// Seen to fail: a look at one that was reaped, waitid 2 and ioctl 2.
TEST_CASE("a look at a child that runs takes one system call and at one that has ended none", "[counts]") {
    const auto looking = [](async_process& p, bool runs) {
        return [&p, runs]() -> task<> {
            const auto now = co_await p.wait(0ms);
            need(now.has_value() != runs, "a look");
            need(p.running() == runs, "another one");
            need(p.status().has_value() != runs, "and another one");
        };
    };
    const auto at_a_child_that_runs = calls_in([&]() -> task<> {
        async_process p(child("hold"));
        const auto look = looking(p, true);
        co_await round_after_round(look);
    });
    if (!at_a_child_that_runs) return;
    const call_counts one_each{{"waitid", 3}};
    CHECK(at_a_child_that_runs->ours == one_each);
    const auto at_one_that_has_ended = calls_in([&]() -> task<> {
        async_process p(child("exit_with"), "0");
        static_cast<void>(co_await p.wait());
        const auto look = looking(p, false);
        co_await round_after_round(look);
    });
    REQUIRE(at_one_that_has_ended);
    CHECK(at_one_that_has_ended->ours == call_counts{});
}

// Seen to fail: a look at what is pending around each write.
TEST_CASE("a write takes its own system call and no other but to keep SIGPIPE away", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        async_process p(child("hold"));
        co_await round_after_round([&]() -> task<> {
            co_await p.write_stdin("a line\n");
            p.in().write("a line\n");
        });
    });
    if (!counted) return;
    const call_counts expected = with_writes(2, {});
    CHECK(counted->ours == expected);
}

// Seen to fail: a read that tries the pipe first, so that it comes to wait, epoll_wait 1000.
TEST_CASE("a thousand lines that have come take no system call", "[counts]") {
    const auto counted = calls_in([]() -> task<> {
        async_process p(child("lines"), "100000");
        while (p.out().buffered() < 800'000) { // what comes while anything of it is awaited is kept
            const auto none = co_await p.wait(1ms);
            if (none) break;
        }
        auto lines = p.stream_stdout();
        co_await round_after_round([&]() -> task<> {
            for (int i = 0; i < 500; ++i) {
                const auto line = co_await p.read_line();
                const auto next = co_await lines.next();
                need(line && next, "lines 100000");
            }
        });
    });
    if (!counted) return;
    CHECK(counted->ours == call_counts{});
}

// Seen to fail: a bell that is rung within a turn, write 1; an alarm that is taken back when it has rung.
TEST_CASE("a turn of the loop takes one system call whoever is resumed in it", "[counts]") {
    const auto counted = calls_in([]() -> task<> { co_await round_after_round([]() -> task<> { co_await yield(); }); });
    if (!counted) return;
    const call_counts one{{"epoll_wait", 1}};
    CHECK(counted->ours == one);
    const auto asleep =
        calls_in([]() -> task<> { co_await round_after_round([]() -> task<> { co_await sleep_for(100us); }); });
    REQUIRE(asleep);
    const call_counts expected{{"timerfd_settime", 1}, {"epoll_wait", 1}};
    CHECK(asleep->ours == expected);
}

// Seen to fail: a loop that takes its bell back before it goes, epoll_ctl 3.
TEST_CASE("a loop is made with seven system calls and gone with five", "[counts]") {
    auto counted = count_system_calls([] {
        run(yield()); // what is found out once
        counting::begin();
        run(says_nothing_at_all());
        counting::end();
    });
    if (!counted) return;
    const call_counts expected{{"epoll_create1", 1}, {"eventfd", 1}, {"timerfd_create", 1},
                               {"epoll_ctl", 2},     {"openat", 2},  {"close", 5}};
    CHECK(counted->ours == expected);
}

#endif
