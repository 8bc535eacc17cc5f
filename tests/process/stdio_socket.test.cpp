// SPDX-License-Identifier: BSL-1.0
//
// Streams by pairs of sockets: whatever can be done with a pipe, where the kernel's sockets are not as its pipes.
#include <coproc/process/async_process.hpp>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <coproc/coro/when_all.hpp>
#include <coproc/io/pump.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/with_timeout.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/system_call_filter.hpp"

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER)
#include <sys/syscall.h>
#endif

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// All three by sockets.
template <class... Words>
command by_sockets(const char* name, const Words&... words) {
    command c(child(name), words...);
    return c.in(stdio::socket).out(stdio::socket).err(stdio::socket);
}

// What a write says; nothing if it is done.
task<std::error_code> error_of_writing(async_process& p, std::string bytes) {
    std::error_code said;
    try {
        co_await p.write_stdin(bytes);
    } catch (const stream_error& e) {
        said = e.code();
    }
    co_return said;
}

} // namespace

TEST_CASE("a child can have sockets and does not see that ours never block", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process names(by_sockets("name_stdio", "2"));
        const std::string kinds = co_await names.read_stderr();
        CHECK(kinds == "socket\nsocket\nsocket\n");
        async_process flags(by_sockets("describe_stdio", "1"));
        const std::string blocking = co_await flags.read_stdout();
        CHECK(blocking == "blocking\nblocking\nblocking\n");
    };
    run_in_time(talk());
}

TEST_CASE("every verb of reading and the end work by sockets", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(by_sockets("cat"));
        co_await p.write_stdin("one\r\ntwo\nthree;four and then");
        const auto one = co_await p.read_line();
        CHECK(one == "one");
        const auto two = co_await p.out().next_line();
        CHECK(two == "two");
        const std::string three = co_await p.out().read_until(";");
        CHECK(three == "three;");
        const std::string four = co_await p.out().read_exactly(4);
        CHECK(four == "four");
        const std::string some = co_await p.out().read(5);
        CHECK(some == " and ");
        char into[16];
        const std::size_t n = co_await p.out().read_some(into);
        CHECK(std::string(into, n) == "then");
        p.in().write(alphabet(several_mib));
        p.close_stdin(); // what is buffered goes first
        const std::string rest = co_await p.read_stdout();
        CHECK((rest == alphabet(several_mib)));
        const auto none = co_await p.read_line();
        CHECK_FALSE(none);
        CHECK(p.out().at_eof());
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a thousand questions and answers go to and fro by sockets", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(by_sockets("cat"));
        for (int i = 0; i < 1000; ++i) {
            const std::string text = "line " + std::to_string(i);
            co_await p.write_stdin(text + "\n");
            const auto back = co_await p.read_line();
            CHECK(back == text);
        }
    };
    run_in_time(talk());
}

TEST_CASE("no order of awaits deadlocks with sockets either", "[process]") {
    const nothing_leaks check;
    const std::string to_out = "1:" + std::to_string(several_mib);
    const std::string to_err = "2:" + std::to_string(several_mib);
    const auto talk = [&]() -> task<> {
        async_process waited(by_sockets("flood", to_err, to_out));
        const exit_status s = co_await waited.wait();
        CHECK(s.success());
        const std::string out = co_await waited.read_stdout();
        CHECK((out == alphabet(several_mib)));
        const std::string err = co_await waited.read_stderr();
        CHECK((err == alphabet(several_mib)));

        async_process written(by_sockets("cat"));
        co_await written.write_stdin(alphabet(several_mib));
        written.close_stdin();
        const std::string echo = co_await written.read_stdout();
        CHECK((echo == alphabet(several_mib)));
    };
    run_in_time(talk());
}

TEST_CASE("communicate carries much in both directions by sockets", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(by_sockets("cat"));
        co_return co_await p.communicate(alphabet(several_mib));
    };
    const result r = run_in_time(talk());
    CHECK((r.out == alphabet(several_mib)));
    CHECK(r.status.success());
}

TEST_CASE("what was written to a socket before the exit is read after it", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 50; ++i) {
            async_process p(by_sockets("flood", "1:65536", "2:4096"));
            if (i % 2 == 0) co_await p.wait();
            const std::string out = co_await p.read_stdout();
            const std::string err = co_await p.read_stderr();
            CHECK((out == alphabet(65536)));
            CHECK((err == alphabet(4096)));
            const exit_status s = co_await p.wait();
            CHECK(s.success());
        }
    };
    run_in_time(talk());
}

TEST_CASE("a child that is gone with bytes unread is a broken pipe and no signal", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 20; ++i) {
            async_process p(command(child("wait_for_signal")).in(stdio::socket));
            static_cast<void>(co_await p.read_line());
            co_await p.write_stdin("never read");
            p.kill();
            co_await p.wait();
            const std::error_code first = co_await error_of_writing(p, "x");
            CHECK(first == std::errc::broken_pipe);
            const std::error_code again = co_await error_of_writing(p, "x");
            CHECK(again == std::errc::broken_pipe);
        }
    };
    run_in_time(talk());
}

TEST_CASE("a write to a socket that waits is woken when the child dies", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("wait_for_signal")).in(stdio::socket));
        static_cast<void>(co_await p.read_line());
        const auto end = [&]() -> task<> {
            co_await yield();
            p.kill();
        };
        auto both = co_await when_all(error_of_writing(p, alphabet(several_mib)), end());
        CHECK(std::get<0>(both) == std::errc::broken_pipe);
    };
    run_in_time(talk());
}

TEST_CASE("a child that closes its stdin early is no error to communicate by sockets", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(by_sockets("sip", "10"));
        co_return co_await p.communicate(alphabet(several_mib));
    };
    CHECK(run_in_time(talk()).status == exit_status::exited(3));
}

TEST_CASE("a child whose output nobody wants any more learns it by a socket too", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(by_sockets("flood", "1:10", "1:" + std::to_string(several_mib)));
        static_cast<void>(co_await p.out().read_exactly(10));
        p.out().close();
        const exit_status s = co_await p.wait();
        CHECK_FALSE(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a child cannot write to the socket that is its stdin", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(by_sockets("name_stdio", "0"));
        const exit_status s = co_await p.wait();
        CHECK_FALSE(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("stderr can go where a socket goes", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("shout")).out(stdio::socket).err(stdio::to_out));
        const std::string out = co_await p.read_stdout();
        CHECK(out == "out\nerr\n");
    };
    run_in_time(talk());
}

TEST_CASE("a pump carries from and to sockets", "[process]") {
    const nothing_leaks check;
    const auto from_kind = GENERATE(stdio::pipe, stdio::socket);
    const auto to_kind = GENERATE(stdio::pipe, stdio::socket);
    const auto talk = [&]() -> task<> {
        async_process from(command(child("flood"), "1:" + std::to_string(several_mib + 1)).out(from_kind));
        async_process to(command(child("cat")).in(to_kind).out(to_kind));
        const auto carry = [&]() -> task<std::uint64_t> {
            const std::uint64_t bytes = co_await pump(from.out(), to.in());
            to.close_stdin();
            co_return bytes;
        };
        auto both = co_await when_all(carry(), to.read_stdout());
        CHECK(std::get<0>(both) == several_mib + 1);
        CHECK((std::get<1>(both) == alphabet(several_mib + 1)));
    };
    run_in_time(talk());
}

TEST_CASE("a pump to a child that has had enough of its socket says so and the rest can be had", "[process]") {
    const nothing_leaks check;
    const auto from_kind = GENERATE(stdio::pipe, stdio::socket);
    const auto talk = [&]() -> task<> {
        async_process from(command(child("flood"), "1:" + std::to_string(several_mib)).out(from_kind));
        async_process to(command(child("sip"), "10").in(stdio::socket));
        std::error_code said;
        try {
            co_await pump(from.out(), to.in());
        } catch (const stream_error& e) {
            said = e.code();
        }
        CHECK(said == std::errc::broken_pipe);
        const std::string rest = co_await from.read_stdout();
        CHECK(to.in().accepted() + rest.size() == several_mib);
    };
    run_in_time(talk());
}

TEST_CASE("a read from a socket that is cancelled loses nothing", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(by_sockets("cat"));
        std::string expected;
        for (int i = 0; i < 200; ++i) {
            const std::string text = std::to_string(i) + " ";
            expected += text;
            const driven cancelled = drive(p.out().read_exactly(1'000'000)); // more than ever comes
            co_await p.write_stdin(text);
            for (int turns = i % 5; turns != 0; --turns) co_await yield();
        }
        p.close_stdin();
        const std::string got = co_await p.read_stdout();
        CHECK(got == expected);
    };
    run_in_time(talk());
}

TEST_CASE("streams of our own can be sockets", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    stream_reader out(loop);
    stream_writer in(loop);
    const auto talk = [&]() -> task<> {
        for (const stdio::kind kind : {stdio::socket, stdio::pipe, stdio::socket}) {
            async_process p(command(child("cat")).in(kind).out(kind), streams().in(in).out(out));
            co_await in.write_all("text");
            in.close();
            const std::string all = co_await out.read_all();
            CHECK(all == "text");
            co_await p.wait();
        }
    };
    run_in_time(talk());
}

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER)

TEST_CASE("a socket pair that cannot be had is a typed error that names it", "[process][own_descriptors]") {
    const int code = in_a_fork([] {
        if (!filter_system_calls({{SYS_socketpair, EMFILE}})) return 1;
        event_loop loop;
        try {
            async_process p(by_sockets("cat"));
        } catch (const spawn_error& e) {
            if (e.stage() != spawn_stage::pipe || e.code() != std::errc::too_many_files_open) return 2;
            return std::string(e.what()).find("socket pair for stdin") != std::string::npos ? 0 : 3;
        }
        return 4;
    });
    CHECK(code == 0);
}

#endif
