// SPDX-License-Identifier: BSL-1.0
//
// Stopping a child together with all that it has started.
#include <coproc/process/family.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/brood.hpp"
#include "support/catch.hpp"
#include "support/cgroups.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/rights.hpp"
#include "support/run_in_time.hpp"
#include "support/system_call_filter.hpp"
#include "support/temporary_directory.hpp"

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("stop ends a whole group by its own way out", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(r)(r(r))r").new_process_group());
        co_await pids_from(p, 4);
        const exit_status s = co_await p.stop(1h); // which nobody waits for
        CHECK(s == exit_status::signaled(SIGTERM));
        CHECK(p.survivors() == 0);
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

TEST_CASE("stop kills who in the group does not listen", "[process]") {
    const nothing_leaks check;
    const auto talk = [](const char* who, exit_status expected) -> task<> {
        async_process p(brood(who).new_session());
        const std::vector<int> all = co_await pids_from(p, 3);
        const exit_status s = co_await p.stop(20ms);
        CHECK(s == expected);
        CHECK(p.survivors() == 0);
        for (const int pid : all) CHECK_FALSE(runs(pid)); // when it returns, and not some time after
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk("(ir)(r)r", exit_status::signaled(SIGTERM)));
    run_in_time(talk("(r)(r)ir", exit_status::signaled(SIGKILL)));
    run_in_time(talk("(ir)(ir)ir", exit_status::signaled(SIGKILL)));
}

TEST_CASE("a whole group can be waited for and nobody is stopped by that", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(r)(r)r").new_process_group());
        const std::vector<int> all = co_await pids_from(p, 3);
        const auto too_soon = co_await p.wait_all(1ms);
        CHECK_FALSE(too_soon);
        for (const int pid : all) CHECK(runs(pid));
        p.terminate();
        const exit_status s = co_await p.wait_all();
        CHECK(s == exit_status::signaled(SIGTERM));
        for (const int pid : all) CHECK_FALSE(runs(pid));
        const auto at_once = co_await p.wait_all(0s);
        CHECK(at_once == s);
    };
    run_in_time(talk());
}

TEST_CASE("waiting for all of a child that reaches nobody else is waiting for it", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("leave_heir"));
        const exit_status s = co_await p.wait_all();
        CHECK(s.code() == 5);
        p.close_stdin();
        co_await p.read_stdout();
    };
    run_in_time(talk());
}

#if defined(__linux__) // elsewhere the others are killed when the first has ended

TEST_CASE("a child that ends early leaves the rest of the grace to the others", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(or)r").new_process_group());
        co_await pids_from(p, 2);
        const exit_status s = co_await p.stop(1h);
        CHECK(s == exit_status::signaled(SIGTERM));
        const auto last = co_await p.read_line();
        CHECK(last == "over");
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

TEST_CASE("a group is waited for beyond the end of its leader", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(r)(r)rx").new_process_group());
        const std::vector<int> all = co_await pids_from(p, 3);
        co_await p.wait();
        const auto too_soon = co_await p.wait_all(1ms);
        CHECK_FALSE(too_soon);
        const auto waiting = co_await with_timeout(p.wait_all(), 1ms); // cancelled, which loses nothing
        CHECK_FALSE(waiting);
        p.terminate();
        co_await p.wait_all();
        for (const int pid : all) CHECK_FALSE(runs(pid));
    };
    run_in_time(talk());
}

TEST_CASE("a group whose leader has ended long ago is stopped as well", "[process]") {
    const nothing_leaks check;
    const auto talk = [](bool reaped) -> task<> {
        async_process p(brood("(or)(or)x").new_process_group());
        const std::vector<int> heirs = co_await pids_from(p, 2);
        if (reaped) co_await p.wait();
        const exit_status s = co_await p.stop(1h);
        CHECK((s.success() || s == exit_status::signaled(SIGTERM)));
        for (const int pid : heirs) CHECK_FALSE(runs(pid));
        const std::string last_words = co_await until_the_last_has_ended(p);
        CHECK(last_words == "over\nover\n");
        async_process deaf(brood("(ir)(ir)x").new_process_group());
        const std::vector<int> deaf_heirs = co_await pids_from(deaf, 2);
        if (reaped) co_await deaf.wait();
        co_await deaf.stop(5ms);
        CHECK(deaf.survivors() == 0);
        for (const int pid : deaf_heirs) CHECK_FALSE(runs(pid));
    };
    run_in_time(talk(true));
    run_in_time(talk(false));
}

#endif

TEST_CASE("a stop that is cancelled leaves everybody as they are", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(ir)(ir)ir").new_process_group());
        const std::vector<int> all = co_await pids_from(p, 3);
        auto first = co_await when_any(p.stop(1h), sleep_for(1ms));
        CHECK(first.index == 1);
        for (const int pid : all) CHECK(runs(pid));
        CHECK(p.survivors() == 0); // none has ended
        const exit_status s = co_await p.stop(0s);
        CHECK(s == exit_status::signaled(SIGKILL));
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

#if defined(__linux__)

TEST_CASE("a stop that is cancelled while it waits for others can be repeated", "[process]") {
    const nothing_leaks check;
    const auto its_leader_has_ended = [](async_process& p) -> task<> {
        while (p.running()) co_await sleep_for(1ms);
        co_await sleep_for(1ms); // the stop has heard of it, too
    };
    const auto talk = [&]() -> task<> {
        async_process p(brood("(ir)(ir)r").new_process_group());
        const std::vector<int> all = co_await pids_from(p, 3);
        auto first = co_await when_any(p.stop(1h), its_leader_has_ended(p));
        CHECK(first.index == 1);
        CHECK(std::count_if(all.begin(), all.end(), runs) == 2);
        auto second = co_await when_any(p.stop(1h), sleep_for(1ms));
        CHECK(second.index == 1);
        co_await p.stop(1ms);
        CHECK(std::none_of(all.begin(), all.end(), runs));
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

#endif

TEST_CASE("several coroutines can stop one group", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(ir)(ir)r").new_process_group());
        co_await pids_from(p, 3);
        auto all = co_await when_all(p.stop(1h), p.stop(20ms), p.stop(40ms), p.wait());
        CHECK(std::get<0>(all) == exit_status::signaled(SIGTERM));
        CHECK(std::get<1>(all) == std::get<0>(all));
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

TEST_CASE("a stop of a group does not touch the host's", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process bystander(child("hold"));
        async_process p(brood("(r)r").new_process_group());
        co_await pids_from(p, 2);
        co_await p.stop(10s);
        CHECK(bystander.running());
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

TEST_CASE("who has left the group is left alone by a stop of it", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(sre)r").new_process_group());
        const std::vector<int> both = co_await pids_from(p, 2);
        co_await p.stop(10s);
        CHECK(p.survivors() == 0);
        CHECK(std::count_if(both.begin(), both.end(), runs) == 1);
        p.close_stdin(); // which the other has as well
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

#if defined(__linux__)

TEST_CASE("stop reaches descendants that have left group and session", "[process]") {
    const nothing_leaks check;
    const auto talk = [](bool own_group) -> task<> {
        command c = brood("(sr(gr(sir)))(r)r").reach(reach::descendants);
        if (own_group) c.new_process_group();
        async_process p(c);
        const std::vector<int> all = co_await pids_from(p, 5);
        const exit_status s = co_await p.stop(20ms);
        CHECK(s == exit_status::signaled(SIGTERM));
        CHECK(p.survivors() == 0);
        for (const int pid : all) CHECK_FALSE(runs(pid));
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk(false));
    run_in_time(talk(true));
}

TEST_CASE("a child that is forked during the stop is found", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("fr").reach(reach::descendants));
        co_await pids_from(p, 1);
        const exit_status s = co_await p.stop(500ms);
        CHECK(s == exit_status::signaled(SIGKILL));
        const std::vector<int> late = co_await pids_from(p, 1);
        CHECK_FALSE(runs(late[0]));
        CHECK(p.survivors() == 0);
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

TEST_CASE("a stop of descendants ends the moment that the last has gone", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(sor)(sor)r").reach(reach::descendants));
        co_await pids_from(p, 3);
        co_await p.stop(1h);
        const std::string last_words = co_await until_the_last_has_ended(p);
        CHECK(last_words == "over\nover\n"); // each was asked
    };
    run_in_time(talk());
}

TEST_CASE("zombies that their parents leave lying count as gone", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        // One with a group of its own keeps the zombie of a child that is in the group of the first.
        async_process p(brood("(g(Gx)re)r").new_process_group());
        const std::vector<int> both = co_await pids_from(p, 2);
        const exit_status s = co_await p.stop(1h);
        CHECK(s == exit_status::signaled(SIGTERM));
        CHECK(p.survivors() == 0);
        p.close_stdin();
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

TEST_CASE("what a stop leaves behind is no zombie of ours and no process", "[process]") {
    // In a process to whom all orphans go, so that nobody can hide.
    CHECK(in_a_fork([] {
              if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return 1;
              const auto talk = [](const command& c, std::chrono::milliseconds grace) -> task<> {
                  async_process p(c);
                  co_await pids_from(p, 4);
                  co_await p.stop(grace);
                  if (p.survivors() != 0) throw std::runtime_error("survivors");
              };
              for (const auto grace : {0ms, 5ms, 50ms}) {
                  run(talk(brood("(ir)(r(ir))r").new_process_group(), grace));
                  run(talk(brood("(sir)(r(gr))r").reach(reach::descendants), grace));
                  run(talk(brood("(sir)(r(gr))r").reach(reach::descendants).new_session(), grace));
                  // What is there now are zombies, ours by adoption.
                  int status = 0;
                  while (::waitpid(-1, &status, WNOHANG) > 0) {
                  }
                  if (!no_children()) return 2;
              }
              return 0;
          }) == 0);
}

TEST_CASE("stop and destruction reach a whole control group and who is below it", "[process]") {
    const std::optional<std::string> root = cgroup_root();
    if (!root) return;
    const cgroup_of_a_test group(*root, "reach");
    const cgroup_of_a_test below(group.path(), "below");
    const nothing_leaks check;
    const command c = brood("(s(sir)x)(r)(r)ir").cgroup(group.path()).reach(reach::cgroup);
    const auto talk = [&](bool stopped) -> task<> {
        stream_reader out;
        std::vector<int> all; // one of whom is an orphan in a session of its own
        {
            async_process p(c, streams().out(out));
            all = co_await pids_from(p, 4);
            CHECK(below.write("cgroup.procs", std::to_string(all.back()).c_str()));
            if (stopped) {
                const exit_status s = co_await p.stop(20ms);
                CHECK(s == exit_status::signaled(SIGKILL));
                CHECK(p.survivors() == 0);
                CHECK(std::none_of(all.begin(), all.end(), runs));
            }
        }
        co_await until_gone(all);
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk(true));
    run_in_time(talk(false));
}

TEST_CASE("each in a control group is asked before he is killed and nobody is waited for longer", "[process]") {
    const std::optional<std::string> root = cgroup_root();
    if (!root) return;
    const cgroup_of_a_test group(*root, "asked");
    const nothing_leaks check;
    const auto talk = [&](bool own_group) -> task<> {
        command c = brood("(s(sor)x)(or)r").cgroup(group.path()).reach(reach::cgroup);
        if (own_group) c.new_process_group();
        async_process p(c);
        co_await pids_from(p, 3);
        const exit_status s = co_await p.stop(1h);
        CHECK(s == exit_status::signaled(SIGTERM));
        const std::string last_words = co_await until_the_last_has_ended(p);
        CHECK(last_words == "over\nover\n");
    };
    run_in_time(talk(false));
    run_in_time(talk(true));
}

TEST_CASE("a host is never stopped with the control group that it is in", "[process]") {
    const std::optional<std::string> root = cgroup_root();
    if (!root) return;
    const cgroup_of_a_test group(*root, "host");
    const cgroup_of_a_test below(group.path(), "below");
    CHECK(in_a_fork([&] {
              const nothing_leaks check;
              const command c = brood("(ir)ir").cgroup(group.path()).reach(reach::cgroup);
              const auto talk = [&]() -> task<int> {
                  for (const auto grace : {0ms, 5ms}) {
                      async_process p(c);
                      co_await pids_from(p, 2);
                      if (!below.write("cgroup.procs", "0")) co_return 2; // now we are in there as well
                      co_await p.stop(grace);
                      if (p.survivors() != 0) co_return 3;
                      co_await until_the_last_has_ended(p);
                      bool refused = false;
                      try {
                          async_process another(c);
                      } catch (const spawn_error& e) {
                          refused = e.stage() == spawn_stage::cgroup && e.code() == std::errc::operation_not_permitted;
                      }
                      if (!refused) co_return 4;
                      if (!std::ofstream(*root + "/cgroup.procs").put('0').flush()) co_return 5;
                  }
                  co_return 0;
              };
              return run(talk());
          }) == 0);
}

namespace {

// A program that gives its user the rights of root, for one whom an ordinary user cannot kill. Empty where that cannot
// be had.
std::string rights_giving_brood(const temporary_directory& where) {
    const std::string path = where / "brood";
    std::filesystem::copy_file(child("brood"), path);
    if (::geteuid() != 0 || ::chmod(where.path().c_str(), 0755) != 0 || ::chmod(path.c_str(), 04755) != 0) return {};
    return path;
}

} // namespace

TEST_CASE("who cannot be killed is counted as a survivor and not waited for", "[process]") {
    const temporary_directory directory;
    const std::string program = rights_giving_brood(directory);
    if (program.empty()) WARN("only root can make one whom another user cannot kill");
    if (program.empty()) return;
    CHECK(in_a_fork([&] {
              if (::setresuid(nobody, nobody, nobody) != 0) return 1;
              const nothing_leaks check;
              const auto talk = [&]() -> task<int> {
                  async_process p(command(program, "(ure)(r)r").new_process_group());
                  co_await pids_from(p, 3);
                  if (p.survivors() != 0) co_return 2;
                  const auto begin = event_loop::clock::now();
                  const exit_status s = co_await p.stop(10ms);
                  if (event_loop::clock::now() - begin > 20s) co_return 3;
                  if (s != exit_status::signaled(SIGTERM) && s != exit_status::signaled(SIGKILL)) co_return 4;
                  if (p.survivors() != 1) co_return 5;
                  p.close_stdin();
                  co_await until_the_last_has_ended(p);
                  co_await p.stop(); // nobody is there
                  co_return p.survivors() == 0 ? 0 : 6;
              };
              return run(talk());
          }) == 0);
}

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER) && !defined(COPROC_BACKEND_KQUEUE)

namespace {

// In a process whose kernel does not know these calls.
template <class Talk>
int where_these_fail(const std::vector<failing_call>& calls, Talk talk) {
    return in_a_fork([&] {
        if (!filter_system_calls(calls)) return 1;
        return run(talk());
    });
}

constexpr std::uint32_t to_a_group = 4; // PIDFD_SIGNAL_PROCESS_GROUP
const failing_call no_groups_by_pidfd{SYS_pidfd_send_signal, EINVAL, to_a_group, 3};

} // namespace

TEST_CASE("where a group has no name after its leader it is killed before that is reaped", "[process]") {
    CHECK(where_these_fail({no_groups_by_pidfd}, []() -> task<int> {
              const nothing_leaks check;
              {
                  async_process p(brood("(ir)(r)r").new_process_group());
                  const std::vector<int> all = co_await pids_from(p, 3);
                  co_await p.stop(1h);
                  if (p.survivors() != 0) co_return 2;
                  co_await until_gone(all);
              }
              std::vector<int> all;
              for (const destroy policy : {destroy(destroy::kill), destroy::terminate(1h)}) {
                  {
                      async_process p(brood("(ir)(r)r").new_process_group().on_destroy(policy));
                      all = co_await pids_from(p, 3);
                  }
                  co_await until_gone(all);
                  while (!no_children()) co_await sleep_for(100us);
              }
              // Once it has been reaped otherwise, the number is nobody's that we know.
              async_process p(brood("(re)rx").new_process_group());
              all = co_await pids_from(p, 2);
              co_await p.wait();
              if (p.kill() || p.terminate()) co_return 3;
              co_await p.stop(1ms);
              if (std::count_if(all.begin(), all.end(), runs) != 1) co_return 4;
              p.close_stdin();
              co_await until_the_last_has_ended(p);
              co_return 0;
          }) == 0);
}

TEST_CASE("descendants are found without pidfds and without lists of children", "[process]") {
    const auto talk = []() -> task<int> {
        const nothing_leaks check;
        for (const auto grace : {0ms, 20ms}) {
            async_process p(brood("(sr(gr(sir)))(r)r").reach(reach::descendants));
            const std::vector<int> all = co_await pids_from(p, 5);
            co_await p.stop(grace);
            if (p.survivors() != 0 || std::any_of(all.begin(), all.end(), runs)) co_return 2;
            co_await until_the_last_has_ended(p);
        }
        co_return 0;
    };
    CHECK(where_these_fail({{SYS_pidfd_open, ENOSYS}}, talk) == 0);
    CHECK(where_these_fail({{SYS_pidfd_open, EMFILE}, {SYS_pidfd_send_signal, EPERM}}, talk) == 0);
#if defined(SYS_access)
    CHECK(where_these_fail({{SYS_access, ENOENT}, {SYS_faccessat, ENOENT}}, talk) == 0);
#else
    CHECK(where_these_fail({{SYS_faccessat, ENOENT}}, talk) == 0);
#endif
}

#endif
#endif
