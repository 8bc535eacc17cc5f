// SPDX-License-Identifier: BSL-1.0
//
// dry_run: the plan of a start, held against what really starts.
#include <coproc/process/dry_run.hpp>

#include <sys/types.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/process/async_process.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/other_directory.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;
using namespace std::string_literals;

using argv_strings = std::vector<std::string>;

namespace {

task<std::string> really_run(command c) {
    async_process p(c);
    std::string out = co_await p.read_stdout();
    co_await p.wait();
    co_return out;
}

// Stage and message of a start that fails; empty if it does not.
template <class F>
std::string start_failure(F f) {
    try {
        f();
    } catch (const spawn_error& e) {
        return std::to_string(static_cast<int>(e.stage())) + " " + e.what();
    }
    return {};
}

} // namespace

TEST_CASE("a dry run finds the file that a start executes", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string second = directory.file("b/tool", "#!/bin/sh\necho b\n", true);
    directory.file("a/tool", "not executable");
    const command c = command("tool").env("PATH", directory / "a:" + (directory / "b"));
    CHECK(dry_run(c).file == second);
    CHECK(run_in_time(really_run(c)) == "b\n");
    CHECK(dry_run(command(second)).file == second);
}

TEST_CASE("a dry run has the words and the environment that the child would find", "[process]") {
    const nothing_leaks check;
    const command echo = command(child("echo_args"), "a b", "", "c").arg0("another");
    CHECK(dry_run(echo).argv == argv_strings{"another", "a b", "", "c"});
    CHECK(dry_run(echo).argv == pieces(run_in_time(really_run(echo))));
    for (const command& c : {command(child("print_env")), command(child("print_env")).clear_env(),
                             command(child("print_env")).env("A", "1").env("A", "2").unset_env("PATH"),
                             command(child("print_env")).clear_env().env("K", secret("token"))}) {
        CHECK(dry_run(c).environment == pieces(run_in_time(really_run(c))));
    }
}

TEST_CASE("a dry run names the directory in full", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    directory.directory("sub");
    const other_directory there(directory.path());
    CHECK(dry_run(command(child("print_cwd"))).cwd == directory.path());
    CHECK(dry_run(command(child("print_cwd")).cwd("sub")).cwd == directory / "sub");
    CHECK(dry_run(command(child("print_cwd")).cwd("/")).cwd == "/");
    directory.file("tool", "#!/bin/sh\n", true);
    CHECK(dry_run(command("./tool").cwd("sub")).file == directory / "./tool"); // relative to ours, not to the child's
}

TEST_CASE("a dry run keeps what was said of streams and descriptors and identity", "[process]") {
    const nothing_leaks check;
    const command c = command(child("cat")).out(stdio::file("/tmp/x")).err(stdio::to_out).pass_fd(7, 0);
    const command d = command(c).user(0).group(5).groups(std::array{6, 7}).inherit_signals();
    const start_plan plan = dry_run(d, stdio::null);
    CHECK(plan.streams == std::array<std::string, 3>{"null", "> /tmp/x", "to out"});
    CHECK(plan.what.stdio_of(1)->as_file()->path == "/tmp/x");
    CHECK(plan.what.passed_fds().size() == 1);
    CHECK(plan.what.identity().user == 0U);
    CHECK(plan.what.identity().groups == std::vector<gid_t>{6, 7});
    CHECK(plan.what.inherits_signals());
    const std::array<std::string, 3> pipes{"pipe", "pipe", "pipe"}; // as for async_process
    CHECK(dry_run(command(child("cat"))).streams == pipes);
    const std::array<std::string, 3> terminal{"terminal", "terminal", "null"};
    CHECK(dry_run(command(child("cat")).pty().err(stdio::null)).streams == terminal);
}

TEST_CASE("a dry run is told in one line", "[process]") {
    const nothing_leaks check;
    const std::string cat = child("cat");
    CHECK(dry_run(command(cat)).to_string() == cat + "  (file " + cat + ", in pipe, out pipe, err pipe)");
    const command c = command(cat, "a b", secret("pw"), "c\nd")
                          .arg0("dog")
                          .cwd("/")
                          .env("CC", "x y")
                          .unset_env("LANG")
                          .env("TOKEN", secret("pw"))
                          .in(stdio::text("12345"))
                          .out(stdio::append("/tmp/a log"))
                          .err(stdio::to_out)
                          .pass_fd(5, 0)
                          .inherit_signals();
    CHECK(dry_run(c).to_string() == cat + " 'a b' *** 'c\\x0ad'  (file " + cat +
                                        ", arg0 dog, cwd /, env +CC='x y' -LANG +TOKEN=***, in text of 5 bytes, out >> "
                                        "'/tmp/a log', err to out, fd 5 from 0, signals inherited)");
    CHECK(dry_run(command(cat).ignore_signals(SIGPIPE, SIGHUP).block_signals(SIGUSR1)).to_string() ==
          cat + "  (file " + cat + ", in pipe, out pipe, err pipe, blocks SIGUSR1, ignores SIGHUP SIGPIPE)");
    const command e = command(cat)
                          .clear_env()
                          .in(stdio::file("/in"))
                          .out(stdio::fd(1))
                          .err(stdio::inherit)
                          .user(1)
                          .groups(std::array<int, 0>())
                          .new_session();
    CHECK(dry_run(e).to_string() ==
          cat + "  (file " + cat + ", env cleared, in < /in, out fd 1, err inherit, user 1, groups none, new session)");
}

TEST_CASE("a dry run tells the bounds and what is kept and what is accepted", "[process]") {
    const std::string cat = child("cat");
    const std::string shown = dry_run(command(cat)
                                          .timeout(90s)
                                          .idle_timeout(1500ms)
                                          .grace(0s)
                                          .drain(20ms)
                                          .capture_out(capture::head_tail(10, 20))
                                          .capture_err(capture::tail(5))
                                          .ok_codes(0, 3))
                                  .to_string();
    CHECK(shown == cat + "  (file " + cat +
                       ", in pipe, out pipe, err pipe, timeout 90 s, idle timeout 1.5 s, grace 0 ms, drain 20 ms, "
                       "capture of out the first 10 and the last 20 bytes, capture of err the last 5 bytes, "
                       "ok codes 0 3)");
    const std::string other = dry_run(command(cat).capture(capture::all(7)).unchecked()).to_string();
    CHECK(other.find("capture of out all up to 7 bytes, capture of err all up to 7 bytes, unchecked") !=
          std::string::npos);
}

// Seen to fail: files for the streams that are opened.
TEST_CASE("a dry run makes and opens nothing", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string out = directory / "out";
    const command c = command(child("echo_args")).out(stdio::file(out)).in(stdio::text("x")).err(stdio::socket);
    static_cast<void>(dry_run(c));
    CHECK_FALSE(std::filesystem::exists(out));
    CHECK(no_children());
}

TEST_CASE("a dry run fails as the start would", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string plain = directory.file("plain", "x");
    const std::string cat = child("cat");
    event_loop loop;
    for (const command& c :
         {command("no such program"), command("cat").env("PATH", "/nowhere"), command("/no/such/program"),
          command(plain), command(directory.path()), command(plain + "/x"), command(cat).cwd("/no/such/directory"),
          command(cat).cwd(plain), command(cat).in(stdio::fd(1'000'000)), command(cat).pass_fd(4, 1'000'000),
          command("/no/such/program").cwd("/no/such/directory")}) {
        const std::string real = start_failure([&] { async_process p(c); });
        CHECK_FALSE(real.empty());
        CHECK(start_failure([&] { static_cast<void>(dry_run(c)); }) == real);
    }
}

TEST_CASE("a dry run refuses a command that contradicts itself as the start would", "[process]") {
    const nothing_leaks check;
    const std::string cat = child("cat");
    event_loop loop;
    for (const command& c : {command(cat).reach(reach::group), command(cat).reach(reach::cgroup),
                             command(cat).pty().in(stdio::null).out(stdio::null).err(stdio::null)}) {
        CHECK_THROWS_AS(async_process(c), usage_error);
        CHECK_THROWS_AS(dry_run(c), usage_error);
    }
}

TEST_CASE("a dry run needs no loop", "[process]") {
    CHECK(event_loop::try_current() == nullptr);
    CHECK(dry_run(command(child("cat"))).argv.size() == 1);
}
