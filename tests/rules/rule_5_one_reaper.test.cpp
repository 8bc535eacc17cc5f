// SPDX-License-Identifier: BSL-1.0
//
// Rule 5: one reaper, which reaps what we have started and nothing else, hears of it without SIGCHLD, and says unknown
// where somebody else was faster.
//
// Hosts that ignore SIGCHLD, that reap one of ours by its pid, and that have children of their own stand in
// tests/process/child_watch.test.cpp; that no signal is sent after reaping in async_process_signals.test.cpp.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

#ifndef NSIG
#define NSIG 65
#endif

namespace {

volatile sig_atomic_t rings = 0;
void ring(int) { rings = rings + 1; }

// What a host may have reaped, by its handler: pids and statuses, side by side.
constexpr int most_stolen = 256;
volatile sig_atomic_t stolen = 0;
volatile pid_t stolen_pid[most_stolen];
volatile int stolen_status[most_stolen];

// What many a host does on SIGCHLD.
void reap_everybody(int) {
    const int error = errno;
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (stolen == most_stolen) continue;
        stolen_pid[stolen] = pid;
        stolen_status[stolen] = status;
        stolen = stolen + 1;
    }
    errno = error;
}

void handle_sigchld(void (*handler)(int), int flags = SA_RESTART) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    ::sigaction(SIGCHLD, &action, nullptr);
}

// -1 if nobody has.
int stolen_status_of(int pid) {
    for (int i = 0; i < stolen; ++i) {
        if (stolen_pid[i] == pid) return stolen_status[i];
    }
    return -1;
}

struct sigaction disposition(int number) {
    struct sigaction action {};
    ::sigaction(number, nullptr, &action);
    return action;
}

} // namespace

// Seen to fail: with a loop that sets a handler for SIGCHLD; and with a start that blocks it and does not unblock it.
TEST_CASE("the handler of the host hears of our children as of any other", "[process]") {
    CHECK(in_a_fork([] {
              handle_sigchld(&ring);
              const auto talk = []() -> task<int> {
                  for (int i = 0; i < 20; ++i) {
                      const sig_atomic_t before = rings;
                      async_process p(child("exit_with"), "4");
                      const exit_status s = co_await p.wait();
                      if (s != exit_status::exited(4)) co_return 1;
                      while (rings == before) co_await sleep_for(1ms); // else the alarm of the fork rings
                      if (disposition(SIGCHLD).sa_handler != &ring) co_return 2;
                  }
                  co_return 0;
              };
              if (const int wrong = run(talk())) return wrong;
              return disposition(SIGCHLD).sa_handler == &ring ? 0 : 3;
          }) == 0);
}

// Seen to fail: with an event_loop that ignores SIGPIPE, as many do.
TEST_CASE("no signal has another disposition or is blocked while a child runs or after it", "[process]") {
    const nothing_leaks check;
    std::vector<struct sigaction> before;
    for (int number = 1; number < NSIG; ++number) before.push_back(disposition(number));
    sigset_t mask_before;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask_before);
    const auto unchanged = [&] {
        sigset_t mask;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
        bool same = true;
        for (int number = 1; number < NSIG; ++number) {
            const struct sigaction& was = before[static_cast<std::size_t>(number - 1)];
            const struct sigaction now = disposition(number);
            same = same && now.sa_handler == was.sa_handler && now.sa_flags == was.sa_flags &&
                   sigismember(&mask, number) == sigismember(&mask_before, number);
        }
        return same;
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("cat"));
        CHECK(unchanged());
        co_await p.write_stdin("x\n");
        co_await p.read_line();
        CHECK(unchanged());
        co_await p.stop();
        CHECK(unchanged());
    };
    run_in_time(talk());
    CHECK(unchanged());
}

// Seen to fail: with a child that takes ECHILD for exited(0): a status that was stolen is invented.
TEST_CASE("in a host that reaps everybody each status is true or unknown", "[process][reaped_elsewhere]") {
    CHECK(in_a_fork([] {
              handle_sigchld(&reap_everybody);
              const auto talk = []() -> task<int> {
                  for (int i = 0; i < 100; ++i) {
                      const exit_status truth = i % 4 == 3 ? exit_status::signaled(SIGTERM) : exit_status::exited(9);
                      async_process p(child("answer"), "9");
                      const int pid = *p.pid();
                      if (i % 4 == 3) p.terminate();
                      else p.close_stdin();
                      const std::string out = co_await p.read_stdout();
                      const exit_status s = co_await p.wait();
                      if (s.known()) {
                          if (s != truth) co_return 1;
                          continue;
                      }
                      // Then the host knows it.
                      const int raw = stolen_status_of(pid);
                      const bool good = i % 4 == 3 ? WIFSIGNALED(raw) && WTERMSIG(raw) == SIGTERM
                                                   : WIFEXITED(raw) && WEXITSTATUS(raw) == 9;
                      if (!good) co_return 2;
                      if (p.running() || p.kill()) co_return 3;
                  }
                  co_return stolen > 0 ? 0 : 4;
              };
              if (const int wrong = run(talk())) return wrong;
              { // and the end of a loop does not wait for what is not there
                  event_loop loop;
                  async_process p(child("hold"));
              }
              return no_children() ? 0 : 5;
          }) == 0);
}

// Seen to fail: with a reaper that uses waitpid(-1), which takes the host's children or leaves the loop waiting.
TEST_CASE("a host that waits for anybody gets its own children and nobody of ours is waited for twice",
          "[process][reaped_elsewhere]") {
    CHECK(in_a_fork([] {
              std::vector<pid_t> own;
              for (int i = 0; i < 10; ++i) {
                  const pid_t pid = ::fork();
                  if (pid == 0) ::_exit(50 + i);
                  own.push_back(pid);
              }
              const auto talk = []() -> task<int> {
                  for (int i = 0; i < 20; ++i) {
                      async_process p(child("exit_with"), "3");
                      const exit_status s = co_await p.wait();
                      if (s != exit_status::exited(3)) co_return 1;
                  }
                  co_return 0;
              };
              if (const int wrong = run(talk())) return wrong;
              std::size_t seen = 0;
              int status = 0;
              for (pid_t pid = 0; (pid = ::waitpid(-1, &status, 0)) > 0; ++seen) {
                  if (seen == own.size() || !WIFEXITED(status)) return 2;
                  if (own[static_cast<std::size_t>(WEXITSTATUS(status) - 50)] != pid) return 3;
              }
              return seen == own.size() ? 0 : 4;
          }) == 0);
}

// Seen to fail: with a child that takes ECHILD for not yet, and is waited for for ever.
TEST_CASE("a host whose children are never zombies is told the truth or that nobody knows",
          "[process][reaped_elsewhere]") {
    CHECK(in_a_fork([] {
              handle_sigchld(&ring, SA_NOCLDWAIT);
              const auto talk = []() -> task<int> {
                  for (int i = 0; i < 20; ++i) {
                      async_process p(child("answer"), "9");
                      const result r = co_await p.communicate("through");
                      if (r.out != "through") co_return 1;
                      if (r.status.known() && r.status != exit_status::exited(9)) co_return 2;
                      if (p.running()) co_return 3;
                  }
                  { async_process abandoned(child("hold")); }
                  while (!no_children()) co_await sleep_for(100us);
                  co_return 0;
              };
              return run(talk());
          }) == 0);
}
