// SPDX-License-Identifier: BSL-1.0
//
// The expressions that users will write without a second thought. Each has temporaries that own memory in a `co_await`
// operand, which is where GCC 12 has destroyed things twice: this file is there to be run under AddressSanitizer.
#include <coproc.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {
// Too long for any string's own pocket.
std::string long_word(char letter) { return std::string(100, letter); }
} // namespace

TEST_CASE("the example of the front page does what it says", "[process]") {
    const nothing_leaks check;
    const auto app = []() -> task<int> {
        async_process cat(child("cat"));
        co_await cat.write_stdin("a\nb\n");
        cat.close_stdin();
        std::string seen;
        while (auto line = co_await cat.read_line()) seen += *line;
        CHECK(seen == "ab");
        exit_status status = co_await cat.wait();
        co_return status.success() ? 0 : 1;
    };
    CHECK(run_in_time(app()) == 0);
}

TEST_CASE("a process made of temporaries within a co_await", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const std::string expected = child("echo_args") + '\0' + long_word('a') + '\0';
        const std::string out = co_await async_process(child("echo_args"), long_word('a')).read_stdout();
        CHECK(out == expected);
        const auto r = co_await async_process(command(child("echo_args")).arg(long_word('a'))).communicate();
        CHECK(r.out == expected);
        const auto s = co_await async_process(command(child("exit_with")).arg(std::string(100, '0') + "3")).wait();
        CHECK(s == exit_status::exited(3));
        const auto t = co_await async_process(command(child("exit_with")).arg(std::string(100, '0') + "4")).wait(30s);
        CHECK(t == exit_status::exited(4));
        const auto u = co_await async_process(child("ignore_term")).stop(0s);
        CHECK(u.signal());
    };
    run_in_time(talk());
}

TEST_CASE("a start of temporaries within a co_await", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const std::string expected = child("echo_args") + '\0' + long_word('a') + '\0';
        async_process p = co_await start(command(child("echo_args"), long_word('a')));
        const std::string out = co_await p.read_stdout();
        CHECK(out == expected);
        const std::string again =
            co_await (co_await start(command(child("echo_args")).arg(long_word('a')).cwd("/"))).read_stdout();
        CHECK(again == expected);
        auto both = co_await when_all(start(command(child("exit_with"), std::string(100, '0') + "3")),
                                      start(command(child("exit_with"), std::string(100, '0') + "4")));
        const exit_status third = co_await std::get<0>(both).wait();
        const exit_status fourth = co_await std::get<1>(both).wait();
        CHECK(third == exit_status::exited(3));
        CHECK(fourth == exit_status::exited(4));
    };
    run_in_time(talk());
}

TEST_CASE("a command built in place with all its verbs", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const auto r = co_await async_process(command(child("print_env"), long_word('a'))
                                                  .arg(long_word('b'))
                                                  .args(std::vector<std::string>(3, long_word('c')))
                                                  .arg0(long_word('d'))
                                                  .clear_env()
                                                  .env(long_word('k'), long_word('v'))
                                                  .env(long_word('e'), std::string(long_word('f')))
                                                  .unset_env(long_word('e'))
                                                  .cwd(std::filesystem::path("/"))
                                                  .in(stdio::null)
                                                  .err(stdio::file(std::string("/dev/") + "null"))
                                                  .on_destroy(destroy::terminate(1s)))
                           .communicate();
        CHECK(r.out == long_word('k') + "=" + long_word('v') + '\0');
    };
    run_in_time(talk());
}

TEST_CASE("words of every kind in place", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const std::string expected = child("echo_args") + '\0' + long_word('a') + '\0';
        const std::string hidden =
            co_await async_process(command(child("echo_args"), secret(long_word('a')))).read_stdout();
        CHECK(hidden == expected);
        const std::string parsed =
            co_await async_process(command::parse(shell_quoted(child("echo_args")) + " '" + long_word('a') + "'"))
                .read_stdout();
        CHECK(parsed == expected);
        const std::string by_shell =
            co_await async_process(shell("echo \"$2$1\"", secret(long_word('a')), long_word('b'))).read_stdout();
        CHECK(by_shell == long_word('b') + long_word('a') + "\n");
        const std::string in_env =
            co_await async_process(command(child("print_env")).clear_env().env("K", secret(long_word('a'))))
                .read_stdout();
        CHECK(in_env == "K=" + long_word('a') + '\0');
    };
    run_in_time(talk());
}

TEST_CASE("with_process with a command and a body in place", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::string seen;
        const exit_status s =
            co_await with_process(command(child("echo_args")).arg(long_word('a')), [&](async_process& p) -> task<> {
                std::string local = long_word('l');
                seen = co_await p.read_stdout();
                seen += local;
            });
        CHECK(s.success());
        CHECK(seen == child("echo_args") + '\0' + long_word('a') + '\0' + long_word('l'));
        const exit_status t =
            co_await with_process(command(child("cat")).env("KEY", long_word('v')),
                                  [](async_process& p) -> task<> { co_await p.write_stdin(long_word('w') + "\n"); });
        CHECK(t.success());
    };
    run_in_time(talk());
}

TEST_CASE("with_process whose body throws what owns memory", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        try {
            co_await with_process(command(child("hold")).arg(long_word('a')), [](async_process&) -> task<> {
                co_await yield();
                throw std::runtime_error(long_word('e'));
            });
        } catch (const std::runtime_error& e) {
            co_return e.what();
        }
        co_return "nothing thrown";
    };
    CHECK(run_in_time(talk()) == long_word('e'));
}

TEST_CASE("writing a temporary string", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("count"));
        co_await p.write_stdin(std::string(100, 'a'));
        co_await p.write_stdin(std::string(500000, 'b')); // waits, with the string alive
        co_await p.write_stdin(long_word('c') + long_word('d'));
        co_await p.in().write_all(std::string(100000, 'e'));
        p.close_stdin();
        const auto line = co_await p.read_line();
        CHECK(line == std::to_string(100 + 500000 + 200 + 100000));
    };
    run_in_time(talk());
}

TEST_CASE("communicate with a temporary string", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const result r = co_await async_process(child("cat")).communicate(std::string(300000, 'x') + long_word('y'));
        CHECK((r.out == std::string(300000, 'x') + long_word('y')));
        async_process p(child("cat"));
        const std::string out = (co_await p.communicate(long_word('a'))).check().out;
        CHECK(out == long_word('a'));
    };
    run_in_time(talk());
}

TEST_CASE("reading up to a temporary delimiter", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        co_await p.write_stdin("head" + long_word('-') + "body");
        const std::string head = co_await p.out().read_until(long_word('-'));
        CHECK(head == "head" + long_word('-'));
        const std::string body = co_await p.out().read_exactly(4);
        CHECK(body == "body");
        p.close_stdin();
        co_await p.wait();
    };
    run_in_time(talk());
}

TEST_CASE("a line or a timeout whichever comes first", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        auto nothing_yet = co_await when_any(p.read_line(), sleep_for(1ms));
        CHECK(nothing_yet.index == 1);
        co_await p.write_stdin(long_word('x') + "\n");
        auto first = co_await when_any(p.read_line(), sleep_for(20s));
        REQUIRE(first.index == 0);
        CHECK(std::get<0>(first.value) == long_word('x'));
        co_await p.write_stdin(long_word('y') + "\n");
        if (auto line = co_await with_timeout(p.read_line(), 20s)) CHECK(*line == long_word('y'));
        else FAIL("no line");
        p.close_stdin();
        co_await p.wait();
    };
    run_in_time(talk());
}

TEST_CASE("wait for a while and then stop", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        if (!co_await p.wait(2ms)) co_await p.stop();
        CHECK_FALSE(p.running());
        if (co_await p.wait(2ms)) CHECK(p.status()->signal());
        else FAIL("it has ended");
    };
    run_in_time(talk());
}

TEST_CASE("several things of several processes at once", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process a(child("echo_args"), long_word('a'));
        async_process b(command(child("echo_args")).arg(long_word('b')).arg0(""));
        auto both = co_await when_all(a.read_stdout(), b.communicate(long_word('i')), a.wait(), b.wait(20s));
        CHECK(std::get<0>(both) == child("echo_args") + '\0' + long_word('a') + '\0');
        CHECK(std::get<1>(both).out == '\0' + long_word('b') + '\0');
        CHECK(std::get<2>(both).success());
    };
    run_in_time(talk());
}

TEST_CASE("lines as views in a loop", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        async_process p(child("lines"), "100");
        std::string last;
        line_stream lines = p.stream_stdout();
        while (auto line = co_await lines.next()) last = *line;
        co_return last;
    };
    CHECK(run_in_time(talk()) == "line 99");
}

TEST_CASE("checking a result in place throws with all that is known", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        try {
            result r = (co_await async_process(child("sip"), "100").communicate(long_word('x'))).check();
        } catch (const exit_error& e) {
            co_return e.result().out;
        }
        co_return "nothing thrown";
    };
    CHECK(run_in_time(talk()) == long_word('x'));
}

TEST_CASE("a failed start in the middle of an expression leaves nothing", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        try {
            co_await async_process(command("/no/such/" + long_word('p')).arg(long_word('a')))
                .communicate(long_word('i'));
        } catch (const spawn_error& e) {
            co_return e.subject();
        }
        co_return "nothing thrown";
    };
    CHECK(run_in_time(talk()) == "/no/such/" + long_word('p'));
}
