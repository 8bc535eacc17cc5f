// SPDX-License-Identifier: BSL-1.0
//
// Rule 4: the destructor never blocks, never throws and never leaves a zombie, in whatever state the child is and
// whatever the coroutine that owns it was waiting for.
//
// One state at a time, with a story, stands in tests/process/async_process_destruction.test.cpp; here are all of them
// with every policy.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <set>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/forked.hpp"
#include "support/gate.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

enum class state {
    running, // nobody waits for anything
    stopped, // by SIGSTOP
    ended,   // and nobody has looked: a zombie
    reaped,
    in_read, // and so on: the owner is parked there
    in_line_stream,
    in_both_reads,
    in_write,
    in_drain,
    in_wait,
    in_timed_wait,
    in_stop,
    in_communicate,
};
constexpr state every_state[] = {state::running,       state::stopped,        state::ended,         state::reaped,
                                 state::in_read,       state::in_line_stream, state::in_both_reads, state::in_write,
                                 state::in_drain,      state::in_wait,        state::in_timed_wait, state::in_stop,
                                 state::in_communicate};

struct policy {
    const char* name;
    destroy what;
};
std::vector<policy> every_policy() {
    return {{"kill", destroy::kill}, {"terminate", destroy::terminate(10ms)}, {"detach", destroy::detach}};
}

void wait_for_zombie(int pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
}

struct report {
    int pid = 0;
    bool there = false; // and about to park
    gate for_ever;
};

// Owns a child and comes to rest in a state. The child ignores SIGTERM and does not read.
task<> rest_in(state where, destroy policy, report& told) {
    const bool ends = where == state::ended || where == state::reaped;
    command c(child(ends ? "exit_with" : "ignore_term"), "0");
    c.on_destroy(policy);
    async_process p(c);
    told.pid = *p.pid();
    if (!ends) co_await p.read_line(); // it ignores SIGTERM from here on
    if (where == state::stopped) p.send_signal(SIGSTOP);
    if (where == state::ended) wait_for_zombie(told.pid);
    if (where == state::reaped) co_await p.wait();
    const std::string much(300000, 'x');
    told.there = true;
    switch (where) {
    case state::running:
    case state::stopped:
    case state::ended:
    case state::reaped: break;
    case state::in_read: co_await p.read_line(); break;
    case state::in_line_stream: {
        line_stream lines = p.stream_stderr();
        co_await lines.next();
        break;
    }
    case state::in_both_reads: co_await when_all(p.read_stdout(), p.read_stderr()); break;
    case state::in_write: co_await p.write_stdin(much); break;
    case state::in_drain:
        p.in().write(much);
        co_await p.in().drain();
        break;
    case state::in_wait: co_await p.wait(); break;
    case state::in_timed_wait: co_await p.wait(1h); break;
    case state::in_stop: co_await p.stop(1h); break;
    case state::in_communicate: co_await p.communicate(much); break;
    }
    co_await told.for_ever.pass();
}

task<> until_there(report& told) {
    while (!told.there) co_await yield();
    for (int i = 0; i < 3; ++i) co_await yield(); // parked, and registered
}

// Alive, and neither a zombie nor gone.
bool lives(int pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

bool has_ended(state where) { return where == state::ended || where == state::reaped; }

} // namespace

// Seen to fail: with an abandon() that only sends the signal, children stay zombies; with an abandoned child_watch that
// is not destroyed when it has reaped, the table of descriptors grows.
TEST_CASE("a child is reaped whatever its owner was doing when another coroutine destroyed it", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const policy& each : every_policy()) {
            for (const state where : every_state) {
                CAPTURE(each.name, static_cast<int>(where));
                const std::set<int> before = open_descriptors();
                report told;
                driven owner = drive(rest_in(where, each.what, told));
                co_await until_there(told);
                CHECK_FALSE(owner.done());
                owner.cancel();
                if (each.what.detaches() && !has_ended(where)) {
                    for (int i = 0; i < 3; ++i) co_await yield();
                    CHECK(lives(told.pid));
                    CHECK(::kill(told.pid, SIGKILL) == 0);
                }
                while (!no_children()) co_await sleep_for(100us);
#if !defined(COPROC_BACKEND_KQUEUE)                  // libkqueue frees its own late
                CHECK(open_descriptors() == before); // what we held of it goes with it, and not with the loop
#endif
            }
        }
    };
    run_in_time(talk());
}

// Seen to fail: with an on_loop_end() that leaves children alone; with one that kills and does not reap.
TEST_CASE("a loop that ends has reaped whatever its children and their owners were doing", "[process]") {
    const nothing_leaks check;
    for (const policy& each : every_policy()) {
        for (const state where : every_state) {
            CAPTURE(each.name, static_cast<int>(where));
            report told;
            {
                event_loop loop;
                driven owner = drive(rest_in(where, each.what, told));
                loop.run(until_there(told));
                CHECK_FALSE(owner.done());
            } // the owner, and without another turn the loop
            if (each.what.detaches() && !has_ended(where)) {
                CHECK(lives(told.pid));
                CHECK(::kill(told.pid, SIGKILL) == 0);
            }
            // A detached one is nobody's now.
            if (each.what.detaches() && where != state::reaped) CHECK(::waitpid(told.pid, nullptr, 0) == told.pid);
            CHECK(no_children());
        }
    }
}

// Seen to fail: with an abandon() that reaps there and then: the alarm of the fork rings.
TEST_CASE("a destructor does not wait for a child that will not go", "[process]") {
    for (const bool detached : {false, true}) {
        CHECK(in_a_fork([detached] {
                  ::alarm(20);
                  event_loop loop;
                  int pid = 0;
                  {
                      const destroy gently = destroy::terminate(1h);
                      async_process p(command(child("ignore_term")).on_destroy(detached ? destroy::detach : gently));
                      pid = *p.pid();
                      if (!loop.run(p.read_line())) return 1;
                  }
                  if (!lives(pid)) return 2;
                  ::kill(pid, SIGKILL);
                  while (!no_children()) loop.run_once(1ms);
                  return 0;
              }) == 0);
    }
}
