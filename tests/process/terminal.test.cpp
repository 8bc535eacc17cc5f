// SPDX-License-Identifier: BSL-1.0
//
// terminal: a child that has a pseudo-terminal in place of pipes, from its first prompt to the hang-up.
#include <coproc/process/terminal.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/io/pump.hpp>
#include <coproc/process/async_process.hpp>
#include <coproc/process/describe_command.hpp>
#include <coproc/process/find_program.hpp>
#include <coproc/process/spawn.hpp>
#include <coproc/process/start.hpp>
#include <coproc/process/with_process.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/readable.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// What it shows until its end. Nothing is typed.
task<std::string> shown_by(command c) {
    async_process p(c);
    std::string all = co_await p.read_stdout();
    const exit_status s = co_await p.wait();
    CHECK(s.success());
    co_return all;
}
task<std::string> shown_by_start_of(command c) {
    async_process p = co_await start(c);
    std::string all = co_await p.read_stdout();
    const exit_status s = co_await p.wait();
    CHECK(s.success());
    co_return all;
}

// As with a human who does not look: nothing is echoed.
terminal unseen() { return terminal().echo(false); }

std::string description(const char* size, const char* echo, const char* lines) {
    std::string text = "terminals: yes yes yes\r\nsize: ";
    text.append(size).append("\r\necho: ").append(echo).append("\r\nlines: ").append(lines).append("\r\n");
    text += "can be opened by its name: yes\r\nis the controlling one: yes\r\n";
    return text += "session is mine: yes\r\nI am in its foreground: yes\r\n";
}

#if defined(__linux__)
// Has ended and can be waited for, without our loop being told.
void wait_behind_the_loop(const async_process& p) {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(p.pid().value()), &info, WEXITED | WNOWAIT);
}
#endif

task<std::optional<std::error_code>> failure_of_writing(async_process& p, std::string bytes) {
    try {
        co_await p.write_stdin(bytes);
    } catch (const stream_error& e) {
        co_return e.code();
    }
    co_return std::nullopt;
}

} // namespace

TEST_CASE("a child on a terminal finds it in all three places and in the session that it leads",
          "[process][spawn_fork]") {
    const nothing_leaks check;
    const command c(child("describe_terminal"));
    CHECK(run_in_time(shown_by(command(c).pty())) == description("24 80", "yes", "yes"));
    CHECK(run_in_time(shown_by(command(c).pty(1, 65535))) == description("1 65535", "yes", "yes"));
    CHECK(run_in_time(shown_by(command(c).pty(terminal(50, 132).echo(false)))) == description("50 132", "no", "yes"));
    CHECK(run_in_time(shown_by(c)) == "terminals: no no no\n"); // without one it is told otherwise
}

TEST_CASE("a child that nobody waits for has the same terminal", "[process][spawn_fork]") {
    const nothing_leaks check;
    const command c = command(child("describe_terminal")).pty(7, 9);
    CHECK(run_in_time(shown_by_start_of(c)) == description("7 9", "yes", "yes"));
    CHECK(run_in_time(shown_by_start_of(command(child("flood"), "1:300000").pty())) == alphabet(300000));
}

TEST_CASE("a raw terminal puts no lines together and shows line ends as they are", "[process][spawn_fork]") {
    const nothing_leaks check;
    std::string expected = description("24 80", "no", "no");
    for (std::size_t at = 0; (at = expected.find('\r')) != std::string::npos;) expected.erase(at, 1);
    CHECK(run_in_time(shown_by(command(child("describe_terminal")).pty(terminal().raw()))) == expected);
    expected.replace(expected.find("echo: no"), 8, "echo: yes");
    CHECK(run_in_time(shown_by(command(child("describe_terminal")).pty(terminal().echo(true).raw()))) == expected);
    CHECK(run_in_time(shown_by(command(child("describe_terminal")).pty(terminal().raw().raw(false)))) ==
          description("24 80", "yes", "yes"));
}

TEST_CASE("a terminal of a size that there is not is refused where it is said", "[process]") {
    command c("x");
    CHECK_THROWS_AS(c.pty(0, 80), std::invalid_argument);
    CHECK_THROWS_AS(c.pty(24, -1), std::invalid_argument);
    CHECK_THROWS_AS(c.pty(65536, 80), std::invalid_argument);
    CHECK_THROWS_AS(c.pty(24, (std::int64_t{1} << 32) + 80), std::invalid_argument);
    CHECK_THROWS_AS(terminal(24U, 65536U), std::invalid_argument);
    CHECK_FALSE(c.on_terminal());
    try {
        c.pty(24, 100000);
        FAIL("taken");
    } catch (const std::invalid_argument& e) {
        CHECK(std::string(e.what()) == "a terminal cannot have 100000 columns: 1 to 65535");
    }
    CHECK_THROWS_AS(c.process_group(::getpgrp()).pty(), std::invalid_argument); // it is in a session of ours
    CHECK_FALSE(c.on_terminal());
    CHECK_THROWS_AS(command("x").pty().process_group(::getpgrp()), std::invalid_argument);
    CHECK(command("x").pty(1, 65535).on_terminal()->size() == window_size{1, 65535});
    CHECK(command("x").pty().pty(2, 3).on_terminal()->size() == window_size{2, 3}); // the last word counts
}

TEST_CASE("a terminal is told of in traces", "[process]") {
    CHECK(detail::describe_extras(command("x").pty(2, 3).err(stdio::null), stdio::pipe) ==
          "in terminal, out terminal, err null, new session, terminal 2x3");
    CHECK(detail::describe_extras(command("x").pty(terminal().raw().echo(true)), stdio::pipe) ==
          "in terminal, out terminal, err terminal, new session, terminal 24x80 raw echo");
    CHECK(detail::describe_extras(command("x").pty(terminal().echo(false)), stdio::pipe) ==
          "in terminal, out terminal, err terminal, new session, terminal 24x80 no echo");
}

TEST_CASE("what is typed is echoed and lines are read without their ends", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process cat(command(child("cat")).pty());
        CHECK(cat.has_terminal());
        CHECK(cat.has_in());
        CHECK(cat.has_out());
        CHECK_FALSE(cat.has_err());
        for (int i = 0; i < 100; ++i) {
            const std::string line = "line " + std::to_string(i);
            co_await cat.write_stdin(line + "\n");
            const std::optional<std::string> echo = co_await cat.read_line();
            CHECK(echo == line);
            const std::optional<std::string> answer = co_await cat.read_line();
            CHECK(answer == line);
        }
        cat.close_stdin();
        const std::optional<std::string> end = co_await cat.read_line();
        CHECK_FALSE(end);
        const exit_status s = co_await cat.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("nothing that was shown before the end is lost", "[process][spawn_fork]") {
    const nothing_leaks check;
    const std::string flood = "1:" + std::to_string(several_mib);
    CHECK((run_in_time(shown_by(command(child("flood"), flood).pty())) == alphabet(several_mib)));
    const auto exit_first = [&]() -> task<> {
        async_process p(command(child("flood"), flood).pty());
        co_await p.wait();
        const std::string all = co_await p.read_stdout();
        CHECK((all == alphabet(several_mib)));
    };
    run_in_time(exit_first());
#if defined(__linux__) // elsewhere a child does not end before what it has written was read
    const auto nobody_looks = []() -> task<> {
        for (int i = 0; i < 50; ++i) {
            async_process p(command(child("flood"), "1:3000").pty()); // as much as the kernel keeps
            wait_behind_the_loop(p);
            const std::string all = co_await p.read_stdout();
            CHECK(all == alphabet(3000));
            co_await p.wait();
        }
    };
    run_in_time(nobody_looks());
#endif
}

TEST_CASE("the end of a terminal is an end and no error in every way of reading", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const auto talk = [&]() -> task<> {
        async_process lines(command(child("lines"), "3").pty());
        std::string all;
        while (auto line = co_await lines.read_line()) all += *line + ";";
        CHECK(std::count(all.begin(), all.end(), ';') == 3);
        const std::optional<std::string> again = co_await lines.read_line();
        CHECK_FALSE(again);

        async_process exactly(command(child("flood"), "1:10").pty());
        const std::string ten = co_await exactly.out().read_exactly(10);
        CHECK(ten == alphabet(10));
        const std::string none = co_await exactly.out().read(1);
        CHECK(none.empty());
        CHECK(exactly.out().at_eof());

        async_process pumped(command(child("flood"), "1:500000").pty());
        const platform::pipe_ends pipe = platform::make_pipe();
        stream_writer to(unique_fd(::dup(pipe.write.get())));
        stream_reader from(unique_fd(::dup(pipe.read.get())));
        auto both = when_all(pump(pumped.out(), to), from.read_exactly(500000));
        const auto moved = co_await std::move(both);
        CHECK(std::get<0>(moved) == 500000);
        CHECK((std::get<1>(moved) == alphabet(500000)));
    };
    run_in_time(talk());
}

TEST_CASE("to close stdin on a terminal is to type the end", "[process][spawn_fork]") {
    const nothing_leaks check;
    for (const std::string_view typed : {"", "a line\n", "a line\nhalf a line", "by return\r"}) {
        const auto talk = [&]() -> task<> {
            async_process cat(command(child("cat")).pty(unseen()));
            if (!typed.empty()) co_await cat.write_stdin(typed);
            cat.close_stdin();
            cat.close_stdin();
            CHECK(cat.in().is_closing());
            CHECK_THROWS_AS(cat.in().write("more"), usage_error);
            const std::string shown = co_await cat.read_stdout();
            std::string expected;
            for (const char c : typed) {
                if (c == '\n' || c == '\r') expected += "\r\n";
                else expected += c;
            }
            CHECK(shown == expected);
            const exit_status s = co_await cat.wait();
            CHECK(s.success());
        };
        CAPTURE(typed);
        run_in_time(talk());
    }
}

TEST_CASE("the end is typed behind what is buffered", "[process]") {
    const nothing_leaks check;
    std::string lines;
    while (lines.size() < 300000) lines.append(alphabet(79)).append("\n");
    std::string shown;
    for (const std::string& line : pieces(lines, '\n')) shown.append(line).append("\r\n");
    const auto talk = [&]() -> task<> {
        async_process cat(command(child("cat")).pty(unseen()));
        cat.in().write(lines);
        CHECK(cat.in().buffered() != 0);
        cat.close_stdin();
        auto both = when_all(cat.read_stdout(), cat.in().wait_closed());
        const auto read = co_await std::move(both);
        CHECK((std::get<0>(read) == shown));
        const exit_status s = co_await cat.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a whole conversation on a terminal has a result", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process cat(command(child("cat")).pty(unseen()));
        const result said = co_await cat.communicate("one\ntwo\n");
        CHECK(said.status.success());
        CHECK(said.out == "one\r\ntwo\r\n");
        CHECK(said.err.empty());
        CHECK_FALSE(said.pipes_abandoned);
        async_process deaf(command(child("exit_with"), "3").pty());
        const result unheard = co_await deaf.communicate(std::string(1000000, '\n'));
        CHECK(unheard.status.code() == 3);
        bool closed = false;
        const exit_status s =
            co_await with_process(command(child("cat")).pty(unseen()), [&](async_process& p) -> task<> {
                co_await p.write_stdin("x\n");
                closed = co_await p.read_line() == "x";
            });
        CHECK(s.success()); // stdin was closed
        CHECK(closed);
    };
    run_in_time(talk());
}

TEST_CASE("a raw terminal passes every byte and megabytes of them in both directions", "[process]") {
    const nothing_leaks check;
    std::string all;
    while (all.size() < 1000000) {
        for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
    }
    const auto talk = [&]() -> task<> {
        async_process cat(command(child("cat")).pty(terminal().raw()));
        auto both = when_all(cat.write_stdin(all), cat.out().read_exactly(all.size()));
        const auto read = co_await std::move(both);
        CHECK((std::get<1>(read) == all));
        cat.close_stdin(); // types nothing: every byte is one like any other
        const std::optional<exit_status> not_yet = co_await cat.wait(0s);
        CHECK_FALSE(not_yet);
        CHECK(cat.out().buffered() == 0);
    };
    run_in_time(talk());
}

TEST_CASE("who writes to a terminal that nobody has any more is told as with a pipe", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process gone(command(child("exit_with"), "0").pty());
        co_await gone.wait();
        const auto short_text = co_await failure_of_writing(gone, "x");
        CHECK(short_text == std::errc::broken_pipe);

        async_process hold(command(child("hold")).pty(terminal().raw()));
        hold.send_signal(SIGSTOP);
        auto both = when_all(failure_of_writing(hold, std::string(several_mib, '.')), [](async_process& p) -> task<> {
            co_await yield(); // the terminal is full by now
            p.kill();
        }(hold));
        const auto failed = co_await std::move(both);
        CHECK(std::get<0>(failed) == std::errc::broken_pipe);

        async_process closed(command(child("hold")).pty(terminal().raw()));
        closed.send_signal(SIGSTOP);
        closed.in().write(std::string(1000000, '.'));
        closed.close_stdin();
        closed.kill();
        bool told = false;
        try {
            co_await closed.in().wait_closed();
        } catch (const stream_error& e) {
            told = e.code() == std::errc::broken_pipe;
        }
        CHECK(told);
    };
    run_in_time(talk());
}

TEST_CASE("the keys of a terminal signal its foreground", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const auto& [key, signal] : {std::pair("\x03", SIGINT), std::pair("\x1c", SIGQUIT)}) {
            async_process p(command(child("watch_terminal")).pty(unseen()));
            const auto ready = co_await p.read_line();
            CHECK(ready == "ready");
            co_await p.write_stdin(key);
            const auto got = co_await p.read_line();
            CHECK(got == std::to_string(signal));
            const exit_status s = co_await p.wait();
            CHECK(s.code() == signal);
        }
        // In raw mode they are bytes like others.
        async_process p(command(child("cat")).pty(terminal().raw()));
        co_await p.write_stdin("\x03\x1c");
        const std::string bytes = co_await p.out().read_exactly(2);
        CHECK(bytes == "\x03\x1c");
    };
    run_in_time(talk());
}

TEST_CASE("a terminal that is given another size tells the child", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("watch_terminal")).pty(30, 100));
        const auto ready = co_await p.read_line();
        CHECK(ready == "ready");
        CHECK(p.terminal_size() == window_size{30, 100});
        for (int rows = 1; rows < 20; ++rows) {
            CHECK(p.resize(rows, 65535U - static_cast<unsigned>(rows)));
            CHECK(p.terminal_size() == window_size{rows, 65535 - rows});
            const auto told = co_await p.read_line();
            CHECK(told == std::to_string(rows) + " " + std::to_string(65535 - rows));
        }
        CHECK_THROWS_AS(p.resize(0, 80), std::invalid_argument);
        CHECK_THROWS_AS(p.resize(24, 65536), std::invalid_argument);
        CHECK(p.terminal_size() == window_size{19, 65516});
        p.terminate();
        co_await p.wait();
        const std::string rest = co_await p.read_stdout();
        CHECK(rest == "15\r\n");
        CHECK(p.resize(24, 80)); // our end is still there
        p.close_stdin();
        CHECK_FALSE(p.resize(24, 80));
        CHECK_FALSE(p.terminal_size());
        CHECK(p.has_terminal());
    };
    run_in_time(talk());
}

TEST_CASE("what has no terminal has no size of one", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        CHECK_FALSE(p.has_terminal());
        CHECK_THROWS_AS(p.resize(24, 80), usage_error);
        CHECK_THROWS_AS(p.terminal_size(), usage_error);
        co_return;
    };
    run_in_time(talk());
}

TEST_CASE("to let go of a child hangs its terminal up", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        platform::pipe_ends pipe = platform::make_pipe();
        stream_reader news(std::move(pipe.read));
        {
            command c(child("watch_terminal"), "3");
            c.pty().pass_fd(3, std::move(pipe.write)).on_destroy(destroy::detach);
            async_process p(c);
            const auto ready = co_await news.read_line();
            CHECK(ready == "ready");
        }
        const auto got = co_await news.read_line();
        CHECK(got == std::to_string(SIGHUP));
        const auto end = co_await news.read_line();
        CHECK_FALSE(end);
    };
    run_in_time(talk());
    while (::waitpid(-1, nullptr, 0) > 0) { // it was left alone, and so it is ours
    }
}

TEST_CASE("who inherits a terminal loses it with the leader of its session", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("leave_heir")).pty());
        const std::string all = co_await p.read_stdout(); // and it ends although the heir waits for the end of stdin
        CHECK(all == "early\r\n");
        const exit_status s = co_await p.wait();
        CHECK(s.code() == 5);
    };
    run_in_time(talk());
}

TEST_CASE("a stream that the command names is not the terminal", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const auto talk = [&]() -> task<> {
        async_process apart(command(child("shout")).pty().err(stdio::pipe));
        const result r = co_await apart.communicate();
        CHECK(r.out == "out\r\n");
        CHECK(r.err == "err\n");

        async_process to_file(command(child("shout")).pty().out(stdio::file(directory / "out")));
        CHECK_FALSE(to_file.has_out());
        const std::string on_err = co_await to_file.read_stderr(); // reads the terminal
        CHECK(on_err == "err\r\n");
        CHECK(to_file.resize(3, 4));
        co_await to_file.wait();
        CHECK(std::filesystem::file_size(directory / "out") == 4);

        async_process merged(command(child("shout")).pty().err(stdio::to_out));
        const std::string both = co_await merged.read_stdout();
        CHECK(both == "out\r\nerr\r\n");
        async_process merged_too(command(child("shout")).pty().out(stdio::to_err));
        const std::string both_too = co_await merged_too.read_stderr();
        CHECK(both_too == "out\r\nerr\r\n");

        async_process from_null(command(child("describe_terminal")).pty(5, 6).in(stdio::null));
        CHECK_FALSE(from_null.has_in());
        CHECK(from_null.terminal_size() == window_size{5, 6});
        const auto first = co_await from_null.read_line();
        CHECK(first == "terminals: no yes yes");
        const std::string rest = co_await from_null.read_stdout();
        CHECK(rest.find("is the controlling one: yes") != std::string::npos);

        async_process only_in(command(child("describe_terminal")).pty(8, 9).out(stdio::pipe).err(stdio::pipe));
        CHECK(only_in.terminal_size() == window_size{8, 9});
        const std::string seen = co_await only_in.read_stdout();
        CHECK(seen.find("terminals: yes no no\nsize: 8 9\n") == 0);
    };
    run_in_time(talk());
}

TEST_CASE("a terminal that would be none of the three streams is refused", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    const command c = command(child("cat")).pty().in(stdio::null).out(stdio::pipe).err(stdio::inherit);
    CHECK_THROWS_AS(async_process(c), usage_error);
}

TEST_CASE("there is no stderr where it is the terminal and that is said", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("hold")).pty());
        try {
            static_cast<void>(p.err());
            FAIL("there is one");
        } catch (const usage_error& e) {
            CHECK(std::string(e.what()).find("is its terminal, which out() reads") != std::string::npos);
        }
        co_return;
    };
    run_in_time(talk());
}

TEST_CASE("a terminal is read and written by streams of the user's own", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        stream_reader reader;
        stream_writer writer;
        const command c = command(child("cat")).pty(unseen());
        for (int i = 0; i < 3; ++i) {
            async_process p(c, streams().in(writer).out(reader));
            co_await writer.write_all("typed\n");
            const auto line = co_await reader.read_line();
            CHECK(line == "typed");
            writer.close();
            const auto end = co_await reader.read_line();
            CHECK_FALSE(end);
            co_await p.wait();
        }
        // The writer is one for pipes again.
        async_process plain(command(child("cat")), streams().in(writer));
        co_await writer.write_all("half");
        writer.close();
        const std::string all = co_await plain.read_stdout();
        CHECK(all == "half");
        CHECK_THROWS_AS(async_process(c, streams().err(reader)), usage_error);
    };
    run_in_time(talk());
}

TEST_CASE("a start on a terminal that fails leaves nothing and says why", "[process][spawn_fork]") {
    const std::optional<spawn_error> missing = failure_of(command("/no/such/program").pty());
    REQUIRE(missing);
    CHECK(missing->stage() == spawn_stage::exec);
    CHECK(missing->code() == std::errc::no_such_file_or_directory);
    const std::optional<spawn_error> nowhere = failure_of(command(child("cat")).pty().cwd("/no/such/directory"));
    REQUIRE(nowhere);
    CHECK(nowhere->stage() == spawn_stage::cwd);
}

TEST_CASE("what cannot be the controlling terminal fails at that step", "[process][spawn_fork]") {
    const nothing_leaks check;
    const command c(child("cat"));
    detail::preparation prepared(c, stdio::pipe);
    platform::spawn_plan plan = prepared.plan();
    plan.session.is_new = true;
    plan.terminal = plan.stdio[0]; // a pipe
    platform::child none;
    const platform::spawn_outcome outcome = platform::spawn(plan, none);
    CHECK(outcome.stage == spawn_stage::terminal);
    CHECK(outcome.error == ENOTTY);
    CHECK(detail::describe(outcome, plan) == "taking the terminal failed");
}

TEST_CASE("a terminal for which there is no room is named and leaves nothing", "[process][own_descriptors]") {
    const int code = in_a_fork([] {
        for (int fd = 3; fd < 1024; ++fd) ::close(fd);
        event_loop loop;
        int failures = 0;
        const int first = *open_descriptors().rbegin() + 1;
        for (int room = 0;; ++room) {
            const std::size_t before = open_descriptors().size();
            const rlimit few{static_cast<rlim_t>(first + room), 1024};
            ::setrlimit(RLIMIT_NOFILE, &few);
            std::optional<spawn_error> failure;
            try {
                async_process p(command(child("hold")).pty());
            } catch (const spawn_error& e) {
                failure = e;
            }
            const rlimit many{1024, 1024};
            ::setrlimit(RLIMIT_NOFILE, &many);
            if (!failure) break;
            ++failures;
            if (failure->code() != std::errc::too_many_files_open) return 1;
            if (room < 3 && failure->stage() != spawn_stage::terminal) return 2;
            if (open_descriptors().size() != before) return 3;
            if (!no_children()) return 4;
        }
        return failures >= 3 ? 0 : 5; // our two ends and the child's
    });
    CHECK(code == 0);
}

TEST_CASE("a host without standard streams gives its child a terminal all the same",
          "[process][spawn_fork][own_descriptors]") {
    const int code = in_a_fork([] {
        for (int fd = 0; fd < 3; ++fd) ::close(fd);
        async_process* running = nullptr;
        const auto talk = [&]() -> task<bool> {
            async_process p(command(child("describe_terminal")).pty(7, 8));
            running = &p;
            const std::string all = co_await p.read_stdout();
            co_return all == description("7 8", "yes", "yes");
        };
        const bool same = run(talk());
        for (int fd = 0; fd < 3; ++fd) {
            if (::fcntl(fd, F_GETFD) >= 0) return 1;
        }
        return same && running != nullptr ? 0 : 2;
    });
    CHECK(code == 0);
}

TEST_CASE("the terminal of a child with another identity is its own", "[process][spawn_fork]") {
    if (::geteuid() != 0) return; // only root may give one away
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string copy = directory / "describe_terminal"; // where others may come
    std::filesystem::copy_file(child("describe_terminal"), copy);
    std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(copy, std::filesystem::perms(0755));
    const command c = command(copy).pty().user(65534).group(65534);
    CHECK(run_in_time(shown_by(c)) == description("24 80", "yes", "yes"));
}

TEST_CASE("many terminals at once are all heard", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::vector<task<std::string>> all;
        for (int i = 0; i < 20; ++i) all.push_back(shown_by_start_of(command(child("flood"), "1:20000").pty()));
        const std::vector<std::string> shown = co_await when_all(std::move(all));
        for (const std::string& each : shown) CHECK(each == alphabet(20000));
    };
    run_in_time(talk());
}

// Of the system, where they are installed.

TEST_CASE("the programs of the system see the terminal", "[process]") {
    const nothing_leaks check;
    if (detail::find_program("tty", "/usr/bin:/bin").error == 0) {
        const std::string name = run_in_time(shown_by(command("tty").pty()));
        CHECK(name.find("/dev/") == 0);
    }
    if (detail::find_program("stty", "/usr/bin:/bin").error == 0) {
        CHECK(run_in_time(shown_by(command("stty", "size").pty(33, 77))) == "33 77\r\n");
    }
}

TEST_CASE("a shell controls its jobs on the terminal", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process shell(
            command("/bin/sh", "-c", "set -m; \"$0\"; echo after $?", child("watch_terminal")).pty(unseen()));
        const auto ready = co_await shell.read_line();
        CHECK(ready == "ready");
        CHECK(shell.resize(11, 22));
        const auto told = co_await shell.read_line();
        CHECK(told == "11 22");
        co_await shell.write_stdin("\x03"); // not for the shell, which is in the background meanwhile
        const auto got = co_await shell.read_line();
        CHECK(got == "2");
        const auto after = co_await shell.read_line();
        CHECK(after == "after 2");
        const exit_status s = co_await shell.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a child that has closed its terminal before it ends is not hung up on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("hush")).pty().in(stdio::null).err(stdio::null));
        const std::string shown = co_await p.out().read_all();
        CHECK(shown == "last words\r\n");
        p.send_signal(SIGUSR1);
        const exit_status ended = co_await p.wait();
        CHECK(ended.signal() == SIGUSR1); // a hang-up would have been before
    };
    run_in_time(talk());
}
