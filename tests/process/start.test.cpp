// SPDX-License-Identifier: BSL-1.0
//
// start: everything that holds for the constructor of async_process holds for a start that nobody waits for; and what
// is its own: it may be given up at any moment, and many of them go on at once.
#include <coproc/process/start.hpp>

#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/run.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/task_group.hpp>
#include <coproc/loop/with_timeout.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/readable.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/sanitizers.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

task<result> result_of_start(command c) {
    async_process p = co_await start(c);
    co_return co_await p.communicate("input\n");
}
task<result> result_of_constructor(command c) {
    async_process p(c);
    co_return co_await p.communicate("input\n");
}

task<std::optional<spawn_error>> failure_of_start(command c) {
    try {
        async_process p = co_await start(c);
    } catch (const spawn_error& e) {
        co_return e;
    }
    co_return std::nullopt;
}

} // namespace

TEST_CASE("a start that is awaited yields a process", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p = co_await start(command(child("cat")));
        CHECK(p.running());
        CHECK(p.pid().has_value());
        CHECK(p.command_line() == child("cat"));
        co_await p.write_stdin("a line\n");
        const std::optional<std::string> line = co_await p.read_line();
        CHECK(line == "a line");
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a child that was not waited for is told the same as one that was", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    std::vector<std::string> many;
    for (int i = 0; i < 100; ++i) many.push_back(std::string(static_cast<std::size_t>(i), 'x'));
    const platform::pipe_ends passed = platform::make_pipe();
    for (const command& c : {
             command(child("echo_args"), "", " ", "\"'\\$x`", "\n"),
             command(child("echo_args")).args(many).arg0("another name"),
             command("echo_args").env("PATH", COPROC_TEST_CHILDREN),
             command(child("print_env")),
             command(child("print_env")).clear_env().env("A", "").env("B", "b=c"),
             command(child("print_env")).unset_env("HOME").env("PATH", "/nowhere"),
             command(child("print_cwd")).cwd(directory.path()),
             command(child("shout")).err(stdio::to_out),
             command(child("cat")).in(stdio::text("text")),
             command(child("cat")).in(stdio::file(directory.file("file", "content"))),
             command(child("signal_state")),
             command(child("signal_state")).inherit_signals(),
             command(child("signal_state")).block_signals(SIGUSR1).ignore_signals(SIGHUP),
             command(child("list_fds")),
             command(child("list_fds")).pass_fd(7, passed.read.get()).pass_fd(3, passed.write.get()),
             command(child("exit_with"), "42"),
             command(child("kill_self"), "9"),
         }) {
        CAPTURE(c.to_string());
        const result expected = run_in_time(result_of_constructor(c));
        const result seen = run_in_time(result_of_start(c));
        CHECK((seen.out == expected.out));
        CHECK(seen.err == expected.err);
        CHECK(seen.status == expected.status);
        CHECK(seen.command_line == expected.command_line);
    }
}

TEST_CASE("a start that fails says what the constructor would say and leaves nothing", "[process]") {
    const temporary_directory directory;
    const std::string plain = directory.file("plain", "no program");
    const std::string no_format = directory.file("no_format", "neither", true);
    const std::string script = directory.file("script", "#!/no/such/interpreter\n", true);
    for (const command& c : {
             command("coproc-no-such-program"), command("/no/such/program"), command(plain), command(no_format),
             command(script), command(directory.path()), command(child("cat")).cwd(directory / "missing"),
             command(child("cat")).cwd(plain), command(child("cat")).in(stdio::file(directory / "missing")),
             command(child("cat"), std::string(std::size_t{1} << 22, 'x')), // E2BIG
         }) {
        const nothing_leaks check;
        const std::optional<spawn_error> expected = failure_of(c);
        const std::optional<spawn_error> seen = run_in_time(failure_of_start(c));
        REQUIRE(expected);
        REQUIRE(seen);
        CHECK(seen->stage() == expected->stage());
        CHECK(seen->code() == expected->code());
        CHECK(std::string(seen->what()) == expected->what());
    }
}

TEST_CASE("a start outside of a loop is refused", "[process]") {
    const nothing_leaks check;
    CHECK_THROWS_AS(start(command(child("cat"))), usage_error);
}

#if defined(__linux__)

namespace {

bool is_concurrent_here() { return platform::detail::method() == platform::detail::spawn_method::clone3; }

} // namespace

// Seen to fail: starting::begin with detail::spawn alone; 0 > 0.
TEST_CASE("a start is not waited for", "[process]") {
    if (!is_concurrent_here()) return;
    const nothing_leaks check;
    int under_way = 0;
    const auto many = [&]() -> task<> {
        for (int i = 0; i < 100; ++i) {
            auto starting_one = start(command(child("hold")));
            if (!starting_one.await_ready()) ++under_way;
            async_process p = co_await starting_one;
            p.close_stdin();
            co_await p.wait();
        }
    };
    run_in_time(many());
    CHECK(under_way > 0);
}

#endif

TEST_CASE("hundreds of starts at once keep apart", "[process]") {
    const nothing_leaks check;
    const auto one = [](std::string word) -> task<bool> {
        const command c = command(child("echo_args"), word).env("NUMBER", word);
        async_process p = co_await start(c);
        const std::string said = co_await p.read_stdout();
        const exit_status s = co_await p.wait();
        co_return s.success() && pieces(said).back() == word;
    };
    std::vector<task<bool>> all;
    for (int i = 0; i < 200; ++i) all.push_back(one(std::to_string(i)));
    for (const bool right : run_in_time(when_all(std::move(all)))) CHECK(right);
}

TEST_CASE("starts that nobody has awaited yet are more than there is room for at once", "[process]") {
    const nothing_leaks check;
    const auto many = []() -> task<int> {
        std::vector<starting> starts;
        for (int i = 0; i < 150; ++i) starts.push_back(start(command(child("exit_with"), std::to_string(i))));
        int right = 0;
        for (std::size_t i = 0; i < starts.size(); ++i) {
            async_process p = co_await std::move(starts[i]);
            const exit_status s = co_await p.wait();
            right += s == exit_status::exited(static_cast<int>(i)) ? 1 : 0;
        }
        co_return right;
    };
    CHECK(run_in_time(many()) == 150);
}

TEST_CASE("starts that fail are not taken for others", "[process]") {
    const nothing_leaks check;
    const auto many = []() -> task<int> {
        std::vector<starting> starts;
        for (int i = 0; i < 150; ++i)
            starts.push_back(start(command(i % 2 == 0 ? child("exit_with") : "/no/such/program", std::to_string(i))));
        int right = 0;
        for (std::size_t i = 0; i < starts.size(); ++i) {
            std::optional<async_process> p;
            try {
                p = co_await std::move(starts[i]);
            } catch (const spawn_error& e) {
                right += i % 2 == 1 && e.code() == std::errc::no_such_file_or_directory ? 1 : 0;
            }
            if (!p) continue;
            const exit_status s = co_await p->wait();
            right += s == exit_status::exited(static_cast<int>(i)) ? 1 : 0;
        }
        co_return right;
    };
    CHECK(run_in_time(many()) == 150);
}

// Seen to fail: starting keeping its descriptors; hangs.
TEST_CASE("a start that has been awaited holds no pipe of its child", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        auto starting_one = start(command(child("lines"), "one"));
        async_process p = co_await starting_one;
        co_return co_await p.read_stdout(); // to the end, which our own copy would keep from coming
    };
    static_cast<void>(run_in_time(talk()));
}

// What the child reads is its own: the words of the command, the environment, the descriptors.
// Seen to fail: plan_copy with the pointers of the plan that it is to copy.
TEST_CASE("the host goes on changing everything while a program is being loaded", "[process]") {
    const nothing_leaks check;
    const auto many = []() -> task<> {
        for (int i = 0; i < rounds(100); ++i) {
            const std::string word(1000, static_cast<char>('a' + i % 26));
            auto c = std::make_unique<command>(child("print_env"), word);
            ::setenv("COPROC_TEST_VARIABLE", word.c_str(), 1);
            auto starting_one = start(*c);
            ::setenv("COPROC_TEST_VARIABLE", "changed", 1);
            ::unsetenv("COPROC_TEST_VARIABLE");
            c.reset();
            const std::string over_it(1000, '!'); // where the command was
            async_process p = co_await starting_one;
            const std::string seen = co_await p.read_stdout();
            const bool right = seen.find("COPROC_TEST_VARIABLE=" + word) != std::string::npos;
            CHECK(right);
        }
    };
    run_in_time(many());
}

TEST_CASE("a start that nobody awaits ends its child", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    for (int i = 0; i < 20; ++i) static_cast<void>(start(command(child("hold"))));
    for (int i = 0; i < 20; ++i) {
        auto moved = start(command(child("hold")));
        const auto there = std::move(moved);
    }
}

TEST_CASE("a start can be cancelled while it is awaited", "[process]") {
    const nothing_leaks check;
    const auto once = []() -> task<> {
        const auto nothing = []() -> task<> { co_return; };
        for (int i = 0; i < 50; ++i) {
            auto first = when_any(start(command(child("hold"))), nothing());
            co_await std::move(first);
            auto timed = with_timeout(start(command(child("hold"))), std::chrono::microseconds(i));
            auto p = co_await std::move(timed);
            if (p) p->kill();
        }
    };
    run_in_time(once());
}

TEST_CASE("a failed start that nobody awaits leaves nothing", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    for (int i = 0; i < 100; ++i) static_cast<void>(start(command("/no/such/program")));
}

TEST_CASE("a start whose command lets go of its child leaves it running when it is given up", "[process]") {
    event_loop loop;
    const temporary_directory directory;
    const std::string fifo = directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const unique_fd ours(::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
    {
        auto given_up = start(
            command(child("cat")).in(stdio::text("still here\n")).out(stdio::file(fifo)).on_destroy(destroy::detach));
    }
    const auto read = [&]() -> task<std::optional<std::string>> {
        stream_reader reader(unique_fd(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)));
        co_return co_await reader.read_line();
    };
    CHECK(loop.run(read()) == "still here");
    const auto reaped = []() -> task<> {
        while (!no_children()) co_await sleep_for(1ms);
    };
    loop.run(reaped());
}

TEST_CASE("a loop can end under a start", "[process]") {
    const nothing_leaks check;
    std::optional<event_loop> loop(std::in_place);
    std::vector<starting> starts;
    for (int i = 0; i < 10; ++i) starts.push_back(start(command(child("hold")), *loop));
    loop.reset();
    CHECK(no_children());
}

TEST_CASE("a start works with streams of our own and refuses those in use", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        stream_reader out;
        async_process p = co_await start(command(child("cat")), streams().out(out));
        CHECK_THROWS_AS(start(command(child("cat")), streams().out(out)), usage_error);
        co_await p.write_stdin("a\n");
        const std::optional<std::string> line = co_await out.read_line();
        CHECK(line == "a");
        p.close_stdin();
        co_await p.wait();
        out.close();
    };
    run_in_time(talk());
}

TEST_CASE("timers and others are served while a program is being loaded", "[process]") {
    const nothing_leaks check;
    const auto both = []() -> task<> {
        int ticks = 0;
        const auto tick = [&]() -> task<> {
            for (int i = 0; i < 20; ++i) {
                co_await sleep_for(50us);
                ++ticks;
            }
        };
        const auto start_many = []() -> task<> {
            for (int i = 0; i < 20; ++i) {
                async_process p = co_await start(command(child("hold")));
                p.kill();
            }
        };
        co_await when_all(tick(), start_many());
        CHECK(ticks == 20);
    };
    run_in_time(both());
}

TEST_CASE("a loop that lives in another one tells of a start that is done", "[process][native_handle]") {
    const nothing_leaks check;
    event_loop loop;
    bool done = false;
    const auto talk = [&]() -> task<> {
        async_process p = co_await start(command(child("hold")));
        done = true;
        p.kill();
        co_await p.wait();
        loop.stop();
    };
    task_group group;
    group.start(talk());
    while (!done || !no_children()) {
        REQUIRE(readable(loop.native_handle(), 30000));
        loop.poll();
    }
    const auto join = [&]() -> task<> { co_await group.join(); };
    loop.run(join());
}

TEST_CASE("many threads start at once without waiting", "[process]") {
    const nothing_leaks check;
    const auto talk = [](int number) -> task<bool> {
        for (int i = 0; i < rounds(25); ++i) {
            async_process p = co_await start(command(child("cat")));
            const std::string said = std::to_string(number) + "/" + std::to_string(i);
            const result r = co_await p.communicate(said);
            if (r.out != said || !r.status.success()) co_return false;
        }
        co_return true;
    };
    std::vector<std::thread> threads;
    std::vector<char> right(4);
    for (int number = 0; number < 4; ++number) {
        threads.emplace_back([&, number] { right[static_cast<std::size_t>(number)] = run(talk(number)); });
    }
    for (std::thread& t : threads) t.join();
    for (const char each : right) CHECK(each == 1);
}

#if defined(__linux__)

// Seen to fail: launch::run without all_signals_blocked and clone3 without CLONE_CLEAR_SIGHAND.
TEST_CASE("a signal that comes while a program is being loaded does not run the host's handler in the child",
          "[process][dies_before_exec]") {
    const int code = in_a_fork([] {
        ::setpgid(0, 0);
        static pid_t the_host = ::getpid();
        static std::atomic<int> strangers{0};
        struct sigaction action {};
        action.sa_handler = [](int) {
            if (::syscall(SYS_getpid) != the_host) ++strangers;
        };
        ::sigaction(SIGUSR1, &action, nullptr);
        std::atomic<bool> enough{false};
        std::thread everybody([&] {
            while (!enough) ::kill(0, SIGUSR1);
        });
        const auto talk = []() -> task<> {
            for (int i = 0; i < rounds(300); ++i) {
                async_process p = co_await start(command(child("hold"))); // dies of it, once it is itself
                p.close_stdin();
                co_await p.wait();
            }
        };
        run(talk());
        enough = true;
        everybody.join();
        return strangers == 0 ? 0 : 1;
    });
    CHECK(code == 0);
}

TEST_CASE("a start that is not waited for is tried again while the program is busy", "[process]") {
    const temporary_directory directory;
    const std::string path = directory / "prog";
    std::filesystem::copy_file(child("exit_with"), path);
    const int code = in_a_fork([&] {
        static int writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        ::signal(SIGALRM, [](int) { ::close(writer); });
        const itimerval soon{{0, 0}, {0, 2000}};
        ::setitimer(ITIMER_REAL, &soon, nullptr); // in a pause between two attempts
        const auto talk = [&]() -> task<exit_status> {
            async_process p = co_await start(command(path, "3"));
            co_return co_await p.wait();
        };
        return run(talk()) == exit_status::exited(3) ? 0 : 1;
    });
    CHECK(code == 0);
}

TEST_CASE("another identity is taken by a child that shares no memory however it is started", "[process]") {
    if (::geteuid() != 0) return;
    const nothing_leaks check;
    const command c = command(child("print_identity")).user(12345).group(23456);
    const result expected = run_in_time(result_of_constructor(c));
    const result seen = run_in_time(result_of_start(c));
    CHECK(seen.out == expected.out);
    CHECK(seen.out.find("12345") != std::string::npos);
}

#endif
