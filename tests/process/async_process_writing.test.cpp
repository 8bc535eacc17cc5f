// SPDX-License-Identifier: BSL-1.0
//
// Writing to a child: all of it, in order, and what happens when it does not want it.
#include <csignal>
#include <cstdint>
#include <string>
#include <string_view>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {}

TEST_CASE("write_stdin is done when all is in the pipe and the child sees the end after close_stdin", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("count"));
        co_await p.write_stdin(std::string(1000, 'x'));
        co_await p.write_stdin("");
        co_await p.write_stdin(std::string(several_mib, 'y'));
        p.close_stdin();
        p.close_stdin(); // again does nothing
        const auto line = co_await p.read_line();
        CHECK(line == std::to_string(1000 + several_mib));
    };
    run_in_time(talk());
}

TEST_CASE("close_stdin flushes what was buffered first", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        const std::string bytes = alphabet(several_mib);
        p.in().write(bytes);
        CHECK(p.in().buffered() > 0);
        p.close_stdin();
        const std::string out = co_await p.read_stdout();
        CHECK((out == bytes));
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("writing to a child that does not read any more is a broken pipe and no signal", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        async_process p(child("deaf"));
        const auto ready = co_await p.read_line();
        CHECK(ready == "ready");
        std::string said;
        try {
            co_await p.write_stdin("x");
        } catch (const stream_error& e) {
            CHECK(e.code() == std::errc::broken_pipe);
            said = e.what();
        }
        CHECK(p.running());
        co_await p.stop();
        co_return said;
    };
    CHECK(run_in_time(talk()) == "cannot write \"stdin of " + child("deaf") + "\": Broken pipe");
}

TEST_CASE("a write that waits is woken when the child dies", "[process]") {
    const nothing_leaks check;
    const auto write = [](async_process& p) -> task<bool> {
        try {
            co_await p.write_stdin(std::string(several_mib, 'x'));
        } catch (const stream_error& e) {
            co_return e.code() == std::errc::broken_pipe;
        }
        co_return false;
    };
    const auto kill = [](async_process& p) -> task<> {
        co_await yield();
        p.kill();
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("ignore_term")); // does not read
        auto both = co_await when_all(write(p), kill(p));
        CHECK(std::get<0>(both));
        const exit_status s = co_await p.wait();
        CHECK(s.signal() == SIGKILL);
    };
    run_in_time(talk());
}

TEST_CASE("writing after close_stdin is a mistake", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        p.close_stdin();
        bool refused = false;
        try {
            co_await p.write_stdin("x");
        } catch (const usage_error&) {
            refused = true;
        }
        CHECK(refused);
        CHECK_THROWS_AS(p.in().write("x"), usage_error);
        co_await p.wait();
    };
    run_in_time(talk());
}

TEST_CASE("a write that timed out loses and doubles nothing of what went before", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("ignore_term")); // does not read, so the pipe fills
        auto done = co_await with_timeout(p.write_stdin(alphabet(several_mib)), 5ms);
        CHECK_FALSE(done);
        p.kill();
        co_await p.wait();
    };
    run_in_time(talk());
}

TEST_CASE("a write that timed out can be resumed and the child gets each byte once", "[process]") {
    const nothing_leaks check;
    const std::string bytes = alphabet(several_mib + 1);
    const auto write = [&](async_process& p) -> task<int> {
        std::string_view rest = bytes;
        int timeouts = 0;
        for (bool done = false; !done; timeouts += done ? 0 : 1) {
            const std::uint64_t before = p.in().accepted();
            done = co_await with_timeout(p.write_stdin(rest), std::chrono::microseconds(timeouts));
            rest.remove_prefix(static_cast<std::size_t>(p.in().accepted() - before));
        }
        CHECK(rest.empty());
        p.close_stdin();
        co_return timeouts;
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("cat"));
        auto both = co_await when_all(write(p), p.read_stdout());
        CHECK(std::get<0>(both) > 0);
        CHECK((std::get<1>(both) == bytes));
    };
    run_in_time(talk());
}

// ---- from one child to the next ----

TEST_CASE("a pump carries from one child to the next", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process from(child("flood"), "2:300000", "1:" + std::to_string(several_mib + 1), "2:300000");
        async_process to(child("cat"));
        const auto carry = [&]() -> task<std::uint64_t> {
            const std::uint64_t bytes = co_await pump(from.out(), to.in());
            to.close_stdin();
            co_return bytes;
        };
        auto both = co_await when_all(carry(), to.read_stdout());
        CHECK(std::get<0>(both) == several_mib + 1);
        CHECK((std::get<1>(both) == alphabet(several_mib + 1)));
        const std::string err = co_await from.read_stderr(); // and while it was pumped nobody had to read this
        CHECK(err.size() == 600000);
    };
    run_in_time(talk());
}

TEST_CASE("a pump to a child that has had enough says so and the rest can be had", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process from(child("flood"), "1:" + std::to_string(several_mib));
        async_process to(child("sip"), "10");
        bool broken = false;
        try {
            co_await pump(from.out(), to.in());
        } catch (const stream_error& e) {
            broken = e.code() == std::errc::broken_pipe;
        }
        CHECK(broken);
        const std::string rest = co_await from.read_stdout();
        CHECK(to.in().accepted() + rest.size() == several_mib);
        CHECK((rest == alphabet(several_mib).substr(several_mib - rest.size())));
        const exit_status s = co_await to.wait();
        CHECK(s == exit_status::exited(3));
    };
    run_in_time(talk());
}

// ---- communicate ----

TEST_CASE("communicate carries much in both directions", "[process]") {
    const nothing_leaks check;
    const std::string bytes = alphabet(several_mib + 1);
    const auto talk = [&]() -> task<result> {
        async_process p(child("cat"));
        co_return co_await p.communicate(bytes);
    };
    const result r = run_in_time(talk());
    CHECK((r.out == bytes));
    CHECK(r.err.empty());
    CHECK(r.status.success());
    CHECK(r.command_line == child("cat"));
    CHECK(r.elapsed > 0s);
    CHECK(r.usage.peak_rss > 0);
}

TEST_CASE("communicate takes floods of both outputs", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("flood"), "2:4000000", "1:4000000", "2:=", "1:=");
        co_return co_await p.communicate();
    };
    const result r = run_in_time(talk());
    CHECK((r.out == alphabet(4000000) + "\n"));
    CHECK((r.err == alphabet(4000000) + "\n"));
}

TEST_CASE("communicate keeps more than the unread limit of an output that is read last", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("flood"), "2:3000000", "1:10");
        p.err().unread_limit(1000);
        co_return co_await p.communicate();
    };
    CHECK((run_in_time(talk()).err == alphabet(3000000)));
}

TEST_CASE("communicate with a child that does not want all of the input is no error", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("sip"), "10");
        co_return co_await p.communicate(alphabet(several_mib));
    };
    const result r = run_in_time(talk());
    CHECK(r.out == "abcdefghij");
    CHECK(r.status == exit_status::exited(3));
}

TEST_CASE("communicate with a child that never reads ends when the child does", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("flood"), "1:10");
        co_return co_await p.communicate(std::string(several_mib, 'x'));
    };
    const result r = run_in_time(talk());
    CHECK(r.out == alphabet(10));
    CHECK(r.status.success());
}

TEST_CASE("communicate with no input lets the child see the end", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("count"));
        co_return co_await p.communicate();
    };
    CHECK(run_in_time(talk()).out == "0\n");
}

TEST_CASE("communicate does with what is piped", "[process]") {
    const nothing_leaks check;
    for (int piped = 0; piped < 8; ++piped) {
        CAPTURE(piped);
        const auto talk = [piped]() -> task<result> {
            command c(child("shout"));
            if ((piped & 1) == 0) c.in(stdio::null);
            if ((piped & 2) == 0) c.out(stdio::null);
            if ((piped & 4) == 0) c.err(stdio::null);
            async_process p(c);
            co_return co_await p.communicate("input");
        };
        const result r = run_in_time(talk());
        CHECK(r.status.success());
        CHECK(r.out == ((piped & 2) != 0 ? "out\n" : ""));
        CHECK(r.err == ((piped & 4) != 0 ? "err\n" : ""));
    }
}

TEST_CASE("communicate goes on from what was written and read before", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("cat"));
        co_await p.write_stdin("one\ntwo\n");
        const auto line = co_await p.read_line();
        CHECK(line == "one");
        p.in().write("three\n");
        co_return co_await p.communicate("four\n");
    };
    CHECK(run_in_time(talk()).out == "two\nthree\nfour\n");
}

TEST_CASE("communicate after stdin was closed gives what there is", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("cat"));
        co_await p.write_stdin("x");
        p.close_stdin();
        co_return co_await p.communicate("too late");
    };
    CHECK(run_in_time(talk()).out == "x");
}

TEST_CASE("communicate again gives the same status and no more output", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("sip"), "2");
        const result first = co_await p.communicate("ab");
        CHECK(first.out == "ab");
        const result second = co_await p.communicate("cd");
        CHECK(second.out.empty());
        CHECK(second.status == exit_status::exited(3));
        CHECK(second.elapsed == first.elapsed);
    };
    run_in_time(talk());
}

TEST_CASE("a communicate that is cancelled while it feeds can be followed by another", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("ignore_term")); // does not read
        auto waited = co_await with_timeout(p.communicate(std::string(several_mib, 'x')), 5ms);
        CHECK_FALSE(waited);
        CHECK(p.running());
        p.kill();
        const result r = co_await p.communicate();
        CHECK(r.status.signal() == SIGKILL);
    };
    run_in_time(talk());
}

TEST_CASE("a communicate that is cancelled loses nothing of what has come", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hush")); // its stdout ends, its stderr does not
        auto waited = co_await with_timeout(p.communicate(), 50ms);
        CHECK_FALSE(waited);
        p.kill();
        const result r = co_await p.communicate();
        CHECK(r.out == "last words\n");
    };
    run_in_time(talk());
}
