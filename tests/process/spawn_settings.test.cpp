// SPDX-License-Identifier: BSL-1.0
//
// How a child is treated: its mask for new files, its priority, its limits, its cgroup, and what it hears of our death.
#include <coproc/process/child_settings.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

#if defined(__linux__)
#include <linux/sched.h>
#include <sched.h>
#include <sys/syscall.h>

#include "support/cgroups.hpp"
#include "support/rights.hpp"
#include "support/system_call_filter.hpp"
#endif

using namespace coproc;

namespace {

// A child that says what it has of these.
template <class... What>
command telling(const What&... what) {
    return command(child("print_settings"), what...);
}
std::string limit_of(int resource) { return "limit:" + std::to_string(resource); }

// What was refused, in words; empty if it was not.
template <class Verb>
std::string refused(Verb verb) {
    command c("x");
    try {
        verb(c);
    } catch (const std::invalid_argument& e) {
        CHECK(c.settings().says_nothing());
        return e.what();
    }
    return "";
}

std::string mode_of(const std::string& path) {
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) return "none";
    std::string digits;
    for (const int shift : {6, 3, 0}) digits += static_cast<char>('0' + ((about.st_mode >> shift) & 7));
    return digits;
}

int our_niceness() { return ::getpriority(PRIO_PROCESS, 0); }

} // namespace

// ---- where they are said ----

TEST_CASE("a setting that no system takes is refused where it is given and named", "[process]") {
    CHECK(refused([](command& c) { c.umask(01000); }) == "512 is no umask: 0 to 0777");
    CHECK(refused([](command& c) { c.umask(-1); }) == "-1 is no umask: 0 to 0777");
    CHECK(refused([](command& c) { c.umask(1LL << 32); }) == "4294967296 is no umask: 0 to 0777");
    CHECK(refused([](command& c) { c.nice(41); }) == "41 is no change of niceness: -40 to 40");
    CHECK(refused([](command& c) { c.nice(-41); }) == "-41 is no change of niceness: -40 to 40");
    CHECK(refused([](command& c) { c.limit(-1, 5); }) == "-1 is no resource that can be limited here");
    CHECK(refused([](command& c) { c.limit(1000, 5); }) == "1000 is no resource that can be limited here");
    CHECK(refused([](command& c) { c.limit(RLIMIT_CORE, -1); }) == "-1 is no bound of RLIMIT_CORE");
    CHECK(refused([](command& c) { c.limit(RLIMIT_CORE, 5, -5); }) == "-5 is no bound of RLIMIT_CORE");
    CHECK(refused([](command& c) { c.limit(RLIMIT_NOFILE, 65, 64); }) ==
          "65 is a soft limit of RLIMIT_NOFILE above the hard one, 64");
    CHECK(refused([](command& c) { c.limit(RLIMIT_CPU, RLIM_INFINITY, 7); }).ends_with(" above the hard one, 7"));
    CHECK(refused([](command& c) { c.affinity(std::vector<int>()); }) == "the processors of a command are none");
    CHECK(refused([](command& c) { c.affinity({0, -1}); }) == "-1 is no processor");
    CHECK(refused([](command& c) { c.affinity({1LL << 32}); }) == "4294967296 is no processor");
    CHECK(refused([](command& c) { c.parent_death_signal(0); }) == "0 is no signal");
    CHECK(refused([](command& c) { c.parent_death_signal(-15); }) == "-15 is no signal");
    CHECK(refused([](command& c) { c.parent_death_signal(1000); }) == "1000 is no signal");
    CHECK(refused([](command& c) { c.cgroup(""); }) == "the cgroup of a command is empty");
    CHECK(refused([](command& c) { c.cgroup(std::string_view("a\0b", 3)); }) ==
          "the cgroup \"a\\x00b\" contains a NUL byte");
}

TEST_CASE("a setting that is no change is none", "[process]") {
    command c("x");
    c.nice(5).nice(0);
    CHECK(c.settings().says_nothing());
    c.umask(0); // is one
    CHECK_FALSE(c.settings().says_nothing());
}

TEST_CASE("every limit that this system has is known by its name", "[process]") {
    CHECK(platform::resource_name(RLIMIT_NOFILE) == std::string("RLIMIT_NOFILE"));
    CHECK(platform::resource_name(-1) == nullptr);
#if defined(RLIM_NLIMITS)
    for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); ++resource) {
        CAPTURE(resource);
        CHECK(platform::resource_name(resource) != nullptr);
    }
    CHECK(platform::resource_name(static_cast<int>(RLIM_NLIMITS)) == nullptr);
#endif
}

// ---- what the child has of them ----

TEST_CASE("a child has the umask that it is told and ours stays", "[process][spawn_fork]") {
    const nothing_leaks check;
    CHECK(in_a_fork([] {
              ::umask(022);
              if (output_of(telling("umask")) != "umask 0022\n") return 1;
              if (output_of(telling("umask").umask(0)) != "umask 0000\n") return 2;
              if (output_of(telling("umask").umask(0777).umask(027)) != "umask 0027\n") return 3;
              return ::umask(0) == 022 ? 0 : 4;
          }) == 0);
}

TEST_CASE("files that are made for a child are masked by its umask and by ours", "[process][spawn_fork]") {
    const temporary_directory directory;
    CHECK(in_a_fork([&] {
              ::umask(022);
              output_of(telling("umask").err(stdio::file(directory / "usual")));
              output_of(telling("umask").umask(077).err(stdio::file(directory / "secret")));
              output_of(telling("umask").umask(0).err(stdio::append(directory / "open")));
              return 0;
          }) == 0);
    CHECK(mode_of(directory / "usual") == "644");
    CHECK(mode_of(directory / "secret") == "600");
    CHECK(mode_of(directory / "open") == "644");
}

TEST_CASE("niceness is added to ours and stops at the end of the scale", "[process][spawn_fork]") {
    const nothing_leaks check;
    CHECK(in_a_fork([] {
              const auto nice = [](int n) { return "nice " + std::to_string(n) + "\n"; };
              if (::setpriority(PRIO_PROCESS, 0, 3) != 0) return 1;
              if (output_of(telling("nice")) != nice(3)) return 2;
              if (output_of(telling("nice").nice(4)) != nice(7)) return 3;
              if (output_of(telling("nice").nice(40)) != nice(19)) return 4;
              return our_niceness() == 3 ? 0 : 5;
          }) == 0);
}

TEST_CASE("a child has the limits that it is told and ours stay", "[process][spawn_fork]") {
    const nothing_leaks check;
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const std::string files = "limit " + std::to_string(RLIMIT_NOFILE);
    const std::string core = "limit " + std::to_string(RLIMIT_CORE);
    CHECK(output_of(telling(limit_of(RLIMIT_NOFILE)).limit(RLIMIT_NOFILE, 64, 128)) == files + " 64 128\n");
    CHECK(output_of(telling(limit_of(RLIMIT_NOFILE), limit_of(RLIMIT_CORE))
                        .limit(RLIMIT_NOFILE, 64, 128)
                        .limit(RLIMIT_CORE, 0)
                        .limit(RLIMIT_NOFILE, 99U)) == files + " 99 99\n" + core + " 0 0\n");
    rlimit after{};
    ::getrlimit(RLIMIT_NOFILE, &after);
    CHECK(after.rlim_cur == before.rlim_cur);
    CHECK(after.rlim_max == before.rlim_max);
}

TEST_CASE("infinity is a limit as well", "[process][spawn_fork]") {
    rlimit ours{};
    ::getrlimit(RLIMIT_CPU, &ours);
    if (ours.rlim_max != RLIM_INFINITY) return; // then only root could
    CHECK(output_of(telling(limit_of(RLIMIT_CPU)).limit(RLIMIT_CPU, 1000, RLIM_INFINITY)) ==
          "limit " + std::to_string(RLIMIT_CPU) + " 1000 infinity\n");
}

// Seen to fail: limits before the descriptors are placed, which is EBADF then.
TEST_CASE("a child may be given descriptors above its own limit", "[process][spawn_fork]") {
    const nothing_leaks check;
    const platform::pipe_ends pipe = platform::make_pipe();
    put_into(pipe.write, "passed");
    CHECK(output_of(command(child("relay_fds"), "200").pass_fd(200, pipe.read.get()).limit(RLIMIT_NOFILE, 16)) ==
          "200 passed\n");
}

TEST_CASE("a child with the smallest stack starts all the same", "[process][spawn_fork]") {
    const nothing_leaks check;
    CHECK(output_of(telling(limit_of(RLIMIT_STACK)).limit(RLIMIT_STACK, 65536)) ==
          "limit " + std::to_string(RLIMIT_STACK) + " 65536 65536\n");
}

TEST_CASE("a limit ends a child that goes beyond it", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const auto talk = [&]() -> task<exit_status> {
        async_process p(command(child("flood"), "1:10000")
                            .in(stdio::null)
                            .out(stdio::file(directory / "out"))
                            .limit(RLIMIT_FSIZE, 4096));
        co_return co_await p.wait();
    };
    const exit_status s = run_in_time(talk());
    CHECK(s.signal() == SIGXFSZ);
    CHECK(content_of(directory / "out").size() == 4096);
}

namespace {

task<result> result_of_starting(command c) {
    auto under_way = start(c);
    c = command("/no/such/program"); // it has what it needs
    async_process p = co_await std::move(under_way);
    co_return co_await p.communicate();
}

task<std::optional<spawn_error>> failure_of_starting(command c) {
    try {
        async_process p = co_await start(c);
    } catch (const spawn_error& e) {
        co_return e;
    }
    co_return std::nullopt;
}

// By either way of starting.
void check_setting_fails(const command& c, spawn_stage stage, int error, const std::string& what) {
    const std::optional<spawn_error> seen[] = {failure_of(c), run_in_time(failure_of_starting(c))};
    for (const std::optional<spawn_error>& e : seen) {
        REQUIRE(e);
        CHECK(e->stage() == stage);
        CHECK(e->code() == std::error_code(error, std::system_category()));
        CHECK(e->what() == "cannot start \"" + c.program() + "\": " + what + ": " + std::strerror(error));
    }
}

} // namespace

// Seen to fail: plan_copy leaving the limits where they were; the memory was somebody else's.
TEST_CASE("a start that nobody waits for takes every setting with it", "[process][spawn_fork]") {
    const nothing_leaks check;
    const command c = telling("umask", "nice", limit_of(RLIMIT_NOFILE), limit_of(RLIMIT_CORE))
                          .umask(012)
                          .nice(2)
                          .limit(RLIMIT_NOFILE, 32, 64)
                          .limit(RLIMIT_CORE, 0);
    const result seen = run_in_time(result_of_starting(c));
    CHECK(seen.status.success());
    CHECK(seen.out == output_of(c));
    CHECK(seen.out.starts_with("umask 0012\nnice " + std::to_string(std::min(our_niceness() + 2, 19)) + "\n"));
}

#if !defined(__linux__)

TEST_CASE("a setting that this system lacks is named before anything starts", "[process]") {
    check_setting_fails(command(child("cat")).cgroup("/x"), spawn_stage::cgroup, ENOTSUP,
                        "joining the cgroup \"/x\" failed");
#if !defined(__FreeBSD__)
    check_setting_fails(command(child("cat")).affinity({0}), spawn_stage::affinity, ENOTSUP,
                        "choosing its processors failed");
    check_setting_fails(command(child("cat")).parent_death_signal(SIGTERM), spawn_stage::parent_death, ENOTSUP,
                        "asking for SIGTERM at our death failed");
#endif
}

#else

// ---- processors ----

namespace {

std::vector<int> our_processors() {
    cpu_set_t all;
    std::vector<int> numbers;
    if (::sched_getaffinity(0, sizeof all, &all) != 0) return numbers;
    for (int number = 0; number < CPU_SETSIZE; ++number) {
        if (CPU_ISSET(number, &all)) numbers.push_back(number);
    }
    return numbers;
}

std::string affinity(const std::vector<int>& processors) {
    std::string line = "affinity";
    for (const int number : processors) line += ' ' + std::to_string(number);
    return line + '\n';
}

} // namespace

TEST_CASE("a child runs on the processors that it is told and we on ours", "[process][spawn_fork]") {
    const nothing_leaks check;
    const std::vector<int> ours = our_processors();
    REQUIRE_FALSE(ours.empty());
    CHECK(output_of(telling("affinity")) == affinity(ours));
    CHECK(output_of(telling("affinity").affinity(ours)) == affinity(ours));
    CHECK(output_of(telling("affinity").affinity({ours.front()})) == affinity({ours.front()}));
    CHECK(output_of(telling("affinity").affinity({ours.front()}).affinity({ours.back()})) == affinity({ours.back()}));
    CHECK(output_of(telling("affinity").affinity({65535, ours.back()})) == affinity({ours.back()}));
    CHECK(run_in_time(result_of_starting(telling("affinity").affinity({ours.back()}))).out == affinity({ours.back()}));
    CHECK(our_processors() == ours);
}

TEST_CASE("processors that are not there are told and no program runs", "[process][spawn_fork]") {
    check_setting_fails(telling("umask").affinity({65535}), spawn_stage::affinity, EINVAL,
                        "choosing its processors failed");
}

// ---- limits and niceness that are refused ----

namespace {

// The same in a fork, where it is told by a number.
bool setting_fails(const command& c, spawn_stage stage, int error) {
    const std::optional<spawn_error> e = failure_of(c);
    return e && e->stage() == stage && e->code() == std::error_code(error, std::system_category());
}

} // namespace

TEST_CASE("a limit that cannot be set is named and no program runs", "[process][spawn_fork]") {
    // Beyond what the kernel can count (/proc/sys/fs/nr_open), also for root.
    check_setting_fails(telling("umask").limit(RLIMIT_CORE, 0).limit(RLIMIT_NOFILE, 1LL << 40).nice(1),
                        spawn_stage::limit, EPERM, "setting RLIMIT_NOFILE failed");
}

TEST_CASE("an ordinary user cannot raise limits or lower niceness and no program runs", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const for_everybody program("print_settings");
    CHECK(in_a_fork([&] {
              const rlimit low{64, 64};
              const rlimit none{0, 0};
              if (::setrlimit(RLIMIT_NOFILE, &low) != 0 || ::setrlimit(RLIMIT_NICE, &none) != 0) return 1;
              if (!become_nobody()) return 2;
              const command c(program.path(), "nice", limit_of(RLIMIT_NOFILE));
              if (!setting_fails(command(c).limit(RLIMIT_NOFILE, 64, 65), spawn_stage::limit, EPERM)) return 3;
              if (!setting_fails(command(c).nice(-1), spawn_stage::priority, EACCES)) return 4;
              const std::optional<spawn_error> e = failure_of(command(c).nice(-7));
              if (!e || !std::string_view(e->what()).ends_with("changing the niceness by -7 failed: Permission denied"))
                  return 5;
              return output_of(command(c).limit(RLIMIT_NOFILE, 32, 64)).empty() ? 6 : 0;
          }) == 0);
}

TEST_CASE("a limit on niceness permits what comes after it", "[process][spawn_fork]") {
    if (!we_are_root() || !we_may_raise_limits()) return;
    const for_everybody program("print_settings");
    CHECK(in_a_fork([&] {
              const rlimit may_be_allowed{0, 40};
              if (::setrlimit(RLIMIT_NICE, &may_be_allowed) != 0 || !become_nobody()) return 1;
              const command c = command(program.path(), "nice").nice(-5);
              if (!setting_fails(c, spawn_stage::priority, EACCES)) return 2;
              return output_of(command(c).limit(RLIMIT_NICE, 40)) == "nice -5\n" ? 0 : 3;
          }) == 0);
}

// Seen to fail: the niceness after the identity, EACCES; the signal before it, death 0.
TEST_CASE("settings that take rights are made before these are given up", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const nothing_leaks check;
    const for_everybody program("print_settings");
    CHECK(output_of(command(program.path(), "nice", "umask", "death")
                        .nice(-40)
                        .umask(077)
                        .parent_death_signal(SIGTERM)
                        .user(nobody)
                        .group(7)) == "nice -20\numask 0077\ndeath 15\n");
    if (!we_may_raise_limits()) return;
    CHECK(in_a_fork([&] {
              const rlimit low{64, 64};
              if (::setrlimit(RLIMIT_NOFILE, &low) != 0) return 1;
              const command c = command(program.path(), limit_of(RLIMIT_NOFILE)).limit(RLIMIT_NOFILE, 100, 200);
              return output_of(command(c).user(nobody)) == output_of(c) ? 0 : 2;
          }) == 0);
}

// As with setuid(2) by hand: the kernel looks when the program is executed.
TEST_CASE("a limit on processes holds for the user whom the child becomes", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const nothing_leaks check;
    const for_everybody stays("hold");
    const for_everybody program("print_settings");
    const auto talk = [&]() -> task<> {
        async_process one(command(stays.path()).user(nobody));
        bool refused = false;
        try {
            const async_process two(command(program.path()).user(nobody).limit(RLIMIT_NPROC, 0));
        } catch (const spawn_error& e) {
            refused = e.stage() == spawn_stage::exec && e.code() == std::errc::resource_unavailable_try_again;
        }
        CHECK(refused);
        one.close_stdin();
        co_await one.wait();
    };
    run_in_time(talk());
    CHECK(output_of(command(program.path(), "umask").limit(RLIMIT_NPROC, 0).umask(0)) == "umask 0000\n");
}

// ---- the death of the parent ----

TEST_CASE("a child can be told of our death", "[process][spawn_fork]") {
    const nothing_leaks check;
    CHECK(output_of(telling("death")) == "death 0\n");
    CHECK(output_of(telling("death").parent_death_signal(SIGUSR1)) == "death " + std::to_string(SIGUSR1) + "\n");
    const result seen = run_in_time(result_of_starting(telling("death").parent_death_signal(SIGKILL)));
    CHECK(seen.out == "death 9\n");
}

TEST_CASE("a child whose parent dies gets the signal that it is to get", "[process][spawn_fork]") {
    const nothing_leaks check;
    platform::pipe_ends pipe = platform::make_pipe();
    const int code = in_a_fork([&] {
        event_loop loop;
        const async_process p(command(child("wait_for_signal"))
                                  .in(stdio::null)
                                  .out(stdio::fd(pipe.write.get()))
                                  .parent_death_signal(SIGTERM)
                                  .on_destroy(destroy::detach));
        char ready[6];
        return ::read(pipe.read.get(), ready, sizeof ready) == 6 ? 0 : 1;
    });
    CHECK(code == 0);
    pipe.write.reset();
    std::string said(16, '\0');
    const ssize_t size = ::read(pipe.read.get(), said.data(), said.size());
    said.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    CHECK(said == "15\n");
}

// Seen to fail: without the look at the parent the program ran.
TEST_CASE("a child whose parent had died before it could ask runs nothing", "[process][spawn_fork]") {
    const nothing_leaks check;
    static const char program[] = COPROC_TEST_CHILDREN "/exit_with";
    char zero[] = "0";
    char* argv[] = {const_cast<char*>(program), zero, nullptr};
    platform::settings_plan settings;
    settings.death_signal = SIGTERM;
    settings.parent = 1; // we are not, and so it has another parent than it should
    platform::spawn_plan plan;
    plan.path = program;
    plan.argv = argv;
    plan.envp = platform::environment();
    plan.settings = &settings;
    platform::child none;
    const platform::spawn_outcome outcome = platform::spawn(plan, none);
    CHECK(outcome.stage == spawn_stage::parent_death);
    CHECK(outcome.error == ESRCH);
    settings.parent = ::getpid();
    platform::child started;
    REQUIRE(platform::spawn(plan, started).error == 0);
    CHECK(started.reap().status.success());
}

// ---- cgroups ----

// Seen to fail: joining it when the table of descriptors has been cut, EBADF.
TEST_CASE("a child is in the cgroup that it is told from its beginning", "[process][spawn_fork]") {
    const auto root = cgroup_root();
    if (!root) return;
    const nothing_leaks check;
    const cgroup_of_a_test group(*root, "joined");
    const std::string ours = output_of(telling("cgroup"));
    const std::string there = output_of(telling("cgroup").cgroup(group.path()).umask(0));
    CHECK(there.ends_with(group.name() + "\n"));
    CHECK(run_in_time(result_of_starting(telling("cgroup").cgroup(group.path()))).out == there);
    CHECK(output_of(telling("cgroup")) == ours);
    // Its descriptor is none of the child's.
    CHECK(output_of(command(child("list_fds")).cgroup(group.path())) == "0\n1\n2\n");
    CHECK(output_of(command(child("list_fds")).cgroup(group.path()).pass_fd(30, 2)) == "0\n1\n2\n30\n");
}

TEST_CASE("a child of a host without streams joins its cgroup", "[process][spawn_fork][own_descriptors]") {
    const auto root = cgroup_root();
    if (!root) return;
    const cgroup_of_a_test group(*root, "closed");
    const temporary_directory directory;
    CHECK(in_a_fork([&] {
              for (const int fd : {0, 1, 2}) ::close(fd);
              event_loop loop;
              async_process p(telling("cgroup")
                                  .in(stdio::inherit)
                                  .out(stdio::file(directory / "out"))
                                  .err(stdio::inherit)
                                  .cgroup(group.path()));
              return loop.run(p.wait()).success() ? 0 : 1;
          }) == 0);
    CHECK(content_of(directory / "out").ends_with(group.name() + "\n"));
}

TEST_CASE("what is no cgroup is named before anything starts", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string file = directory.file("file", "");
    directory.file("cgroup.procs", "");
    const auto failure = [](const std::string& path) { return "joining the cgroup \"" + path + "\" failed"; };
    check_setting_fails(telling("umask").cgroup("/no/such/cgroup"), spawn_stage::cgroup, ENOENT,
                        failure("/no/such/cgroup"));
    check_setting_fails(telling("umask").cgroup(file), spawn_stage::cgroup, ENOTDIR, failure(file));
    check_setting_fails(telling("umask").cgroup(directory.path()), spawn_stage::cgroup, ENOTSUP,
                        failure(directory.path()));
    CHECK(content_of(directory / "cgroup.procs").empty());
}

TEST_CASE("a cgroup that takes no process is an error of the start", "[process][spawn_fork]") {
    const auto root = cgroup_root();
    if (!root) return;
    const nothing_leaks check;
    const cgroup_of_a_test parent(*root, "threads");
    const cgroup_of_a_test threaded(parent.path(), "one");
    const cgroup_of_a_test invalid(parent.path(), "other");
    REQUIRE(threaded.write("cgroup.type", "threaded")); // so the other one is "domain invalid" (cgroups(7))
    check_setting_fails(telling("umask").cgroup(invalid.path()), spawn_stage::cgroup, EOPNOTSUPP,
                        "joining the cgroup \"" + invalid.path() + "\" failed");
}

TEST_CASE("an ordinary user cannot join any cgroup and no program runs", "[process][spawn_fork]") {
    const auto root = cgroup_root();
    if (!root || !we_are_root()) return;
    const for_everybody program("print_settings");
    const cgroup_of_a_test closed(*root, "closed");
    const cgroup_of_a_test lent(*root, "lent");
    // Who may write to it must be allowed to take a process out of where it is as well.
    REQUIRE(::chown((lent.path() + "/cgroup.procs").c_str(), nobody, 7) == 0);
    CHECK(in_a_fork([&] {
              if (!become_nobody()) return 1;
              for (const cgroup_of_a_test* group : {&closed, &lent}) {
                  const command c = command(program.path()).cgroup(group->path());
                  if (!setting_fails(c, spawn_stage::cgroup, EACCES)) return 2;
              }
              return 0;
          }) == 0);
}

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER) && !defined(COPROC_BACKEND_KQUEUE) // libkqueue needs a thread

// Seen to fail: posix_spawn_can with no look at the settings.
TEST_CASE("no setting is lost where clone is refused", "[process]") {
    const std::string expected = "umask 0012\nnice " + std::to_string(std::min(our_niceness() + 2, 19)) + "\nlimit " +
                                 std::to_string(RLIMIT_NOFILE) + " 32 64\ndeath 15\n";
    const command c = telling("umask", "nice", limit_of(RLIMIT_NOFILE), "death")
                          .umask(012)
                          .nice(2)
                          .limit(RLIMIT_NOFILE, 32, 64)
                          .parent_death_signal(SIGTERM);
    // Of ours, which shares memory; of any that names its child by a pidfd; and of both before anything was started.
    for (const std::uint32_t flag : {std::uint32_t{CLONE_VM}, std::uint32_t{CLONE_PIDFD}}) {
        for (const bool first : {false, true}) {
            CHECK(in_a_fork([&] {
                      if (first && output_of(c) != expected) return 1;
                      if (!filter_system_calls({{SYS_clone, EPERM, flag}, {SYS_clone3, ENOSYS}})) return 2;
                      return output_of(c) == expected ? 0 : 3;
                  }) == 0);
        }
    }
}

#endif
#endif
