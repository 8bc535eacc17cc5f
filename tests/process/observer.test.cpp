// SPDX-License-Identifier: BSL-1.0
//
// Who observes a loop is told what becomes of its children; what is printed of that is one line an event.
#include <coproc/process/observer.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/platform/pipe.hpp>
#include <coproc/process/async_process.hpp>
#include <coproc/process/shell.hpp>
#include <coproc/process/start.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/failing_allocations.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// What it was told, and what would be printed of it.
class observer_notes final : public process_observer {
public:
    void on_start(const start_event& e) noexcept override { take("start", e.pid, e.to_string()); }
    void on_failed_start(const failed_start_event& e) noexcept override {
        take("failed", e.pid, e.to_string());
        stages.push_back(e.error.stage());
    }
    void on_signal(const signal_event& e) noexcept override {
        take(signal_name(e.number) + (e.delivered ? " delivered" : " not delivered"), e.pid, e.to_string());
    }
    void on_exit(const exit_event& e) noexcept override {
        take("exit", e.pid, e.to_string());
        statuses.push_back(e.status);
        CHECK(e.elapsed > 0ns);
    }

    std::vector<std::string> events, lines;
    std::vector<int> pids;
    std::vector<spawn_stage> stages;
    std::vector<exit_status> statuses;

private:
    void take(const std::string& what, int pid, const std::string& line) {
        events.push_back(what);
        pids.push_back(pid);
        lines.push_back(line);
    }
};

using told_events = std::vector<std::string>;

command quiet(const command& c) { return command(c).in(stdio::null).out(stdio::null).err(stdio::null); }

task<exit_status> to_its_end(command c) {
    async_process p(c);
    co_return co_await p.wait();
}
task<> start_and_wait(command c) {
    async_process p = co_await start(c);
    co_await p.wait();
}
task<> until_told(const observer_notes& n, std::size_t events) {
    while (n.events.size() < events) co_await sleep_for(1ms);
}

// What a process of its own prints to its stderr while it does `f()` with that value of COPROC_TRACE.
template <class F>
told_events traced_lines(const char* value, F f) {
    const temporary_directory directory;
    const std::string path = directory.file("stderr", "");
    const int code = in_a_fork([&] {
        ::setenv("COPROC_TRACE", value, 1);
        const unique_fd file = open_file(path, O_WRONLY | O_APPEND);
        ::dup2(file.get(), 2);
        f();
        return 0;
    });
    CHECK(code == 0);
    return pieces(content_of(path), '\n');
}

} // namespace

TEST_CASE("an observer is told of the start of a child and of its end", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        observer_notes n;
        event_loop::current().observe(n);
        async_process p(child("exit_with"), "3");
        const int pid = *p.pid();
        CHECK(n.events == told_events{"start"});
        co_await p.wait();
        CHECK(n.events == told_events{"start", "exit"});
        CHECK(n.pids == std::vector<int>{pid, pid});
        CHECK(n.statuses == std::vector<exit_status>{exit_status::exited(3)});
    };
    run_in_time(talk());
}

TEST_CASE("what an observer is told of a start is the command itself", "[process]") {
    const nothing_leaks check;
    struct : process_observer {
        void on_start(const start_event& e) noexcept override {
            args = e.what.args();
            cwd = e.what.cwd();
            unset_is_pipe = e.unset.is(stdio::pipe);
        }
        told_events args;
        std::string cwd;
        bool unset_is_pipe = false;
    } seen;
    event_loop loop;
    loop.observe(seen);
    loop.run(to_its_end(command(child("exit_with"), "0", "b c").cwd("/")));
    CHECK(seen.args == told_events{"0", "b c"});
    CHECK(seen.cwd == "/");
    CHECK(seen.unset_is_pipe);
}

TEST_CASE("an observer is told of each start that fails", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    observer_notes n;
    loop.observe(n);
    const command missing("/no/such/program", "x");
    CHECK_THROWS_AS(async_process(missing), spawn_error);
    CHECK_THROWS_AS(async_process("no such program"), spawn_error);
    CHECK_THROWS_AS(async_process(command(child("cat")).cwd("/no/such/directory")), spawn_error);
    CHECK_THROWS_AS(async_process(command(child("cat")).in(stdio::file("/no/such/file"))), spawn_error);
    CHECK(n.events == told_events(4, "failed"));
    CHECK(n.pids == std::vector<int>(4, 0));
    CHECK(n.stages ==
          std::vector<spawn_stage>{spawn_stage::exec, spawn_stage::exec, spawn_stage::cwd, spawn_stage::redirect});
    CHECK(n.lines[0] == "[-] failed /no/such/program x  (cannot start \"/no/such/program\": exec failed: No such file "
                        "or directory)");
}

// Its child is made before it is known whether there is a program.
TEST_CASE("of a start that nobody waited for an observer is told the end of the story", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    observer_notes n;
    loop.observe(n);
    loop.run(start_and_wait(command(child("exit_with"), "0")));
    CHECK(n.events == told_events{"start", "exit"});
    CHECK(n.pids[0] == n.pids[1]);
    observer_notes m;
    loop.observe(m);
    n.unlink();
    CHECK_THROWS_AS(loop.run(start_and_wait(command("/no/such/program"))), spawn_error);
    REQUIRE_FALSE(m.events.empty());
    CHECK(m.events.back() == "failed");
    if (m.events.size() == 2) {
        CHECK(m.events.front() == "start");
        CHECK(m.pids[0] > 0);
        CHECK(m.pids[0] == m.pids[1]);
    } else {
        CHECK(m.pids == std::vector<int>{0}); // where children cannot be made in this way
    }
    CHECK_THROWS_AS(loop.run(start_and_wait(command("no such program"))), spawn_error);
    CHECK(m.events.back() == "failed");
    CHECK(m.pids.back() == 0);
}

#if defined(__linux__)
// Its program is being written when it is launched, and has been when somebody asks for it.
TEST_CASE("a start that is tried again is told as another one", "[process]") {
    const temporary_directory directory;
    const std::string path = directory / "prog";
    std::filesystem::copy_file(child("hush"), path);
    const auto story = [](unique_fd& writer, const observer_notes& n, const std::string& program) -> task<int> {
        auto under_way = start(command(program));
        if (n.events == told_events{"failed"}) co_return 0; // children are not made in this way here
        if (n.events != told_events{"start"}) co_return 1;
        siginfo_t info{};
        ::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | __WALL);
        writer.reset();
        {
            async_process p = co_await std::move(under_way);
            if (n.events != told_events{"start", "failed", "start"}) co_return 2;
            if (n.pids[0] != n.pids[1] || n.pids[1] == n.pids[2] || n.pids[2] != *p.pid()) co_return 3;
            p.kill();
            co_await p.wait();
        }
        co_return n.events.back() == "exit" && n.stages == std::vector{spawn_stage::exec} ? 0 : 4;
    };
    CHECK(in_a_fork([&] { // nobody else may hold the copy open for writing
              unique_fd writer = open_file(path, O_WRONLY);
              event_loop loop;
              observer_notes n;
              loop.observe(n);
              return loop.run(story(writer, n, path));
          }) == 0);
}
#endif

TEST_CASE("an observer is told of each signal that we send and whether it was delivered", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        observer_notes n;
        event_loop::current().observe(n);
        async_process p(child("ignore_term"));
        const auto ready = co_await p.read_line();
        CHECK(ready == "ready");
        p.interrupt();
        p.send_signal(0); // asks, and sends nothing
        co_await p.stop(1ms);
        CHECK(n.events == told_events{"start", "SIGINT delivered", "SIGTERM delivered", "SIGKILL delivered", "exit"});
        CHECK(n.statuses.back() == exit_status::signaled(SIGKILL));
        CHECK_FALSE(p.kill()); // nothing is sent to what has been reaped
        CHECK(n.events.size() == 5);
        CHECK(n.lines[1] == "[" + std::to_string(n.pids[0]) + "] signal SIGINT delivered to " + child("ignore_term"));
    };
    run_in_time(talk());
}

TEST_CASE("a signal that the system refuses is told as not delivered", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    observer_notes n;
    loop.observe(n);
    async_process p(child("hold"));
    CHECK_FALSE(p.send_signal(12345));
    CHECK(n.events == told_events{"start", "signal 12345 not delivered"});
}

TEST_CASE("a child whose owner is gone is told of until it is reaped", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        observer_notes killed;
        event_loop::current().observe(killed);
        { async_process p(child("hold")); }
        CHECK(killed.events == told_events{"start", "SIGKILL delivered"});
        co_await until_told(killed, 3);
        CHECK(killed.statuses == std::vector<exit_status>{exit_status::signaled(SIGKILL)});
        killed.unlink();

        observer_notes terminated;
        event_loop::current().observe(terminated);
        {
            async_process p(command(child("ignore_term")).on_destroy(destroy::terminate(1ms)));
            const auto ready = co_await p.read_line();
            CHECK(ready == "ready");
        }
        co_await until_told(terminated, 4);
        CHECK(terminated.events == told_events{"start", "SIGTERM delivered", "SIGKILL delivered", "exit"});
        terminated.unlink();

        observer_notes detached;
        event_loop::current().observe(detached);
        { async_process p(command(child("exit_with"), "7").on_destroy(destroy::detach)); }
        co_await until_told(detached, 2);
        CHECK(detached.events == told_events{"start", "exit"});
        CHECK(detached.statuses == std::vector<exit_status>{exit_status::exited(7)});
    };
    run_in_time(talk());
}

TEST_CASE("a signal to a whole group is told once", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        observer_notes n;
        event_loop::current().observe(n);
        async_process p(command(child("hold")).new_process_group());
        p.kill();
        co_await p.wait();
        CHECK(n.events == told_events{"start", "SIGKILL delivered", "exit"});
    };
    run_in_time(talk());
}

TEST_CASE("a child that ends with its loop is told of", "[process]") {
    const nothing_leaks check;
    observer_notes n;
    {
        std::optional<event_loop> loop(std::in_place);
        loop->observe(n);
        async_process p(child("hold"));
        loop.reset();
        CHECK(n.events == told_events{"start", "SIGKILL delivered", "exit"});
    }
    CHECK(n.events.size() == 3);
    CHECK_FALSE(n.linked());
}

TEST_CASE("any number of observers are told in turn and each may go when it likes", "[process]") {
    const nothing_leaks check;
    struct once final : process_observer {
        void on_start(const start_event&) noexcept override {
            ++starts;
            unlink();
        }
        int starts = 0;
    };
    event_loop loop;
    observer_notes first;
    once second;
    auto third = std::make_unique<observer_notes>();
    observer_notes fourth;
    for (process_observer* one : {static_cast<process_observer*>(&first), static_cast<process_observer*>(&second),
                                  static_cast<process_observer*>(third.get()), static_cast<process_observer*>(&fourth)})
        loop.observe(*one);
    loop.observe(first); // is told no more often for that
    loop.run(to_its_end(command(child("exit_with"), "0")));
    CHECK(third->events.size() == 2);
    third.reset();
    loop.run(to_its_end(command(child("exit_with"), "0")));
    CHECK(first.events == told_events{"start", "exit", "start", "exit"});
    CHECK(fourth.events == first.events);
    CHECK(second.starts == 1);
    CHECK(loop.observed());
}

TEST_CASE("an observer hears of one loop at a time", "[process]") {
    const nothing_leaks check;
    observer_notes n;
    event_loop first;
    event_loop second;
    first.observe(n);
    second.observe(n);
    CHECK_FALSE(first.observed());
    first.run(to_its_end(command(child("exit_with"), "0"))); // its child is of the loop that is in a turn
    CHECK(n.events.empty());
    second.run(to_its_end(command(child("exit_with"), "0")));
    CHECK(n.events.size() == 2);
}

TEST_CASE("being observed changes nothing about descriptors that were given away", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        observer_notes n;
        event_loop::current().observe(n);
        platform::pipe_ends pipe = platform::make_pipe();
        std::optional<command> c(std::in_place, child("hold"));
        c->out(stdio::fd(std::move(pipe.write)));
        async_process p = co_await start(*c);
        c.reset();
        p.kill();
        co_await p.wait();
        char byte = 0;
        CHECK(::read(pipe.read.get(), &byte, 1) == 0); // nobody holds the other end
    };
    run_in_time(talk());
}

TEST_CASE("an event is one line whatever is in it and tells no secret", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    observer_notes n;
    loop.observe(n);
    const command c = command(child("exit_with"), "3", "a\nb\x1b[0m", secret("sesame"))
                          .env("A\nB", "c\nd")
                          .env("TOKEN", secret("sesame"))
                          .unset_env("LANG")
                          .cwd("/")
                          .err(stdio::to_out);
    loop.run(to_its_end(c));
    CHECK_THROWS_AS(async_process(command("/no/such\nprogram", secret("sesame"))), spawn_error);
    for (const std::string& line : n.lines) {
        CHECK(line.find('\n') == std::string::npos);
        CHECK(line.find('\x1b') == std::string::npos);
        CHECK(line.find("sesame") == std::string::npos);
    }
    const std::string pid = "[" + std::to_string(n.pids[0]) + "] ";
    const std::string words = child("exit_with") + " 3 'a\\x0ab\\x1b[0m' ***  (";
    CHECK(n.lines[0] ==
          pid + "start " + words + "cwd /, env +'A\\x0aB'='c\\x0ad' +TOKEN=*** -LANG, in pipe, out pipe, err to out)");
    CHECK(n.lines[1].substr(0, (pid + "exit " + words).size()) == pid + "exit " + words);
    const std::regex facts(
        ".*exited with code 3, elapsed \\d+\\.\\d{3} s, user \\d+\\.\\d{3} s, system \\d+\\.\\d{3} s, "
        "peak \\d+ KiB\\)");
    CHECK(std::regex_match(n.lines[1], facts));
}

TEST_CASE("an exit is told in numbers that do not depend on the language", "[process]") {
    resource_usage usage;
    usage.user_time = 61'002'003us;
    usage.peak_rss = 5 << 20;
    const exit_event e{12, "x", exit_status::exited(0), usage, 1h + 5ms};
    CHECK(e.to_string() ==
          "[12] exit x  (exited with code 0, elapsed 3600.005 s, user 61.002 s, system 0.000 s, peak 5120 KiB)");
}

TEST_CASE("what else a command says is told at its start", "[process]") {
    const command c = command("x")
                          .clear_env()
                          .env("K", "v")
                          .in(stdio::file("/in"))
                          .out(stdio::append("/a log"))
                          .err(stdio::socket)
                          .pass_fd(5, 0)
                          .user(1)
                          .group(2)
                          .groups(std::array{3, 4})
                          .new_process_group();
    CHECK(detail::describe_extras(c, stdio::pipe) ==
          "env cleared +K=v, in < /in, out >> '/a log', err socket, fd 5 from 0, user 1, group 2, groups 3 4, new "
          "process group");
    CHECK(
        detail::describe_extras(command("x").in(4, stdio::file("/in")).out(3, stdio::pipe).pty(24, 80), stdio::pipe) ==
        "in terminal, out terminal, err terminal, out 3 pipe, in 4 < /in, new session, terminal 24x80");
    const command bounded = command("x")
                                .umask(027)
                                .nice(-5)
                                .affinity({65, 0})
                                .limit(RLIMIT_NOFILE, 10, 20)
                                .limit(RLIMIT_CORE, 0, RLIM_INFINITY)
                                .parent_death_signal(SIGTERM)
                                .cgroup("/a b")
                                .reach(reach::descendants);
    CHECK(detail::describe_extras(bounded, stdio::null) ==
          "in null, out null, err null, umask 027, nice -5, processors 0 65, limit RLIMIT_NOFILE 10 20, "
          "limit RLIMIT_CORE 0 unlimited, parent death SIGTERM, cgroup '/a b', reach descendants");
    const command teed =
        command("x").out(stdio::tee(stdio::pipe, stdio::file("/log"))).err(stdio::sink([](std::string_view) {}));
    CHECK(detail::describe_extras(teed, stdio::null) == "in null, out tee (pipe; > /log), err sink");
    CHECK(detail::describe_extras(command("x").new_session(), stdio::null) ==
          "in null, out null, err null, new session");
    CHECK(detail::describe_extras(command("x").process_group(77), stdio::inherit) ==
          "in inherit, out inherit, err inherit, process group 77");
}

// ---- COPROC_TRACE ----

TEST_CASE("a loop that is to be traced prints what becomes of its children", "[process]") {
    const told_events lines = traced_lines("1", [] {
        run(to_its_end(quiet(command(child("exit_with"), "3"))));
        try {
            event_loop loop;
            async_process p("/no/such/program");
        } catch (const spawn_error&) {
        }
        run(start_and_wait(shell("exit 4")));
        const auto talk = []() -> task<> {
            async_process p(child("hold"));
            p.terminate();
            co_await p.wait();
        };
        run(talk());
    });
    const told_events expected{
        "coproc: \\[\\d+\\] start /\\S*/exit_with 3  \\(in null, out null, err null\\)",
        "coproc: \\[\\d+\\] exit /\\S*/exit_with 3  \\(exited with code 3, elapsed .*\\)",
        "coproc: \\[-\\] failed /no/such/program  \\(cannot start \"/no/such/program\": exec failed: .*\\)",
        "coproc: \\[\\d+\\] start /bin/sh -c 'exit 4'  \\(in pipe, out pipe, err pipe\\)",
        "coproc: \\[\\d+\\] exit /bin/sh -c 'exit 4'  \\(exited with code 4, .*\\)",
        "coproc: \\[\\d+\\] start /\\S*/hold  \\(in pipe, out pipe, err pipe\\)",
        "coproc: \\[\\d+\\] signal SIGTERM delivered to /\\S*/hold",
        "coproc: \\[\\d+\\] exit /\\S*/hold  \\(killed by SIGTERM, .*\\)",
    };
    REQUIRE(lines.size() == expected.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        INFO(lines[i]);
        CHECK(std::regex_match(lines[i], std::regex(expected[i])));
    }
}

TEST_CASE("nothing is printed where nobody asked for it", "[process]") {
    for (const char* value : {"", "0"}) {
        CHECK(traced_lines(value, [] { run(to_its_end(quiet(command(child("exit_with"), "3")))); }).empty());
    }
}

TEST_CASE("whether a loop is traced is looked up once", "[process]") {
    const told_events lines = traced_lines("0", [] {
        event_loop loop;
        ::setenv("COPROC_TRACE", "1", 1);
        loop.run(to_its_end(quiet(command(child("exit_with"), "3"))));
        event_loop later;
        later.run(to_its_end(quiet(command(child("exit_with"), "4"))));
    });
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].find("exit_with 4") != std::string::npos);
}

// Seen to fail: a trace by write(2), which SIGPIPE ends.
TEST_CASE("a trace that nobody can read harms nobody", "[process]") {
    const int code = in_a_fork([] {
        ::setenv("COPROC_TRACE", "1", 1);
        platform::pipe_ends pipe = platform::make_pipe();
        ::dup2(pipe.write.get(), 2);
        pipe = {};
        if (run(to_its_end(quiet(command(child("exit_with"), "3")))).code() != 3) return 1;
        ::close(2);
        if (run(to_its_end(quiet(command(child("exit_with"), "4")))).code() != 4) return 2;
        return 0;
    });
    CHECK(code == 0);
}

TEST_CASE("a tracer can write to any descriptor", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string path = directory.file("trace", "");
    const unique_fd file = open_file(path, O_WRONLY | O_APPEND);
    process_tracer tracer(file.get());
    event_loop loop;
    loop.observe(tracer);
    loop.run(to_its_end(quiet(command(child("exit_with"), "3"))));
    const told_events lines = pieces(content_of(path), '\n');
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].substr(0, 9) == "coproc: [");
    CHECK(std::as_const(lines[1]).find("exited with code 3") != std::string::npos);
}

#if defined(COPROC_TEST_HAS_OWN_NEW)

TEST_CASE("without memory for a line of the trace the child goes on", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const unique_fd file = open_file(directory.file("trace", ""), O_WRONLY | O_APPEND);
    process_tracer tracer(file.get());
    event_loop loop;
    loop.observe(tracer);
    async_process p(child("hold"));
    failing_allocations::fail_from(0, true);
    const bool sent = p.kill();
    CHECK(failing_allocations::fail_no_more());
    CHECK(sent);
    const auto wait = [](async_process& which) -> task<exit_status> { co_return co_await which.wait(); };
    CHECK(loop.run(wait(p)) == exit_status::signaled(SIGKILL));
    CHECK(content_of(directory / "trace").find("killed by SIGKILL") != std::string::npos);
}

#endif
