// SPDX-License-Identifier: BSL-1.0
//
// Reading what a child writes, whatever else is awaited meanwhile.
#include <stdexcept>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {
const std::string several_mib_of_stdout = "1:" + std::to_string(several_mib);
const std::string several_mib_of_stderr = "2:" + std::to_string(several_mib);
} // namespace

TEST_CASE("read_line gives the lines of stdout and then says that there are no more", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("lines"), "1000");
        for (int i = 0; i < 1000; ++i) {
            const auto line = co_await p.read_line();
            REQUIRE(line);
            CHECK(*line == "line " + std::to_string(i));
        }
        for (int i = 0; i < 3; ++i) {
            const auto none = co_await p.read_line();
            CHECK_FALSE(none);
        }
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        const auto none = co_await p.read_line();
        CHECK_FALSE(none);
    };
    run_in_time(talk());
}

TEST_CASE("stdout and stderr are two streams", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("shout"));
        const std::string out = co_await p.read_stdout();
        const std::string err = co_await p.read_stderr();
        CHECK(out == "out\n");
        CHECK(err == "err\n");
    };
    run_in_time(talk());
}

TEST_CASE("the lines of both outputs come as views", "[process]") {
    const nothing_leaks check;
    const auto count = [](line_stream lines) -> task<std::size_t> {
        std::size_t bytes = 0;
        while (auto line = co_await lines.next()) bytes += line->size();
        co_return bytes;
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("flood"), "1:10", "2:20", "1:=", "2:=", "1:5", "2:=");
        const std::size_t err = co_await count(p.stream_stderr());
        const std::size_t out = co_await count(p.stream_stdout());
        CHECK(err == 20);
        CHECK(out == 15);
    };
    run_in_time(talk());
}

TEST_CASE("a conversation can go line by line for a thousand rounds", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        for (int i = 0; i < 1000; ++i) {
            const std::string line = "round " + std::to_string(i);
            co_await p.write_stdin(line + "\n");
            const auto echo = co_await p.read_line();
            REQUIRE(echo);
            CHECK(*echo == line);
        }
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("ten thousand lines come back from a child complete and in order", "[process]") {
    const nothing_leaks check;
    const auto write = [](async_process& p) -> task<> {
        std::string all;
        for (int i = 0; i < 10000; ++i) all += "line " + std::to_string(i) + (i % 3 == 0 ? "\r\n" : "\n");
        co_await p.write_stdin(all);
        p.close_stdin();
    };
    const auto read = [](async_process& p) -> task<int> {
        line_stream lines = p.stream_stdout();
        int n = 0;
        while (auto line = co_await lines.next()) {
            if (*line != "line " + std::to_string(n)) FAIL("not line " << n << ": " << *line);
            ++n;
        }
        co_return n;
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("cat"));
        auto both = co_await when_all(write(p), read(p));
        CHECK(std::get<1>(both) == 10000);
    };
    run_in_time(talk());
}

TEST_CASE("output of a pipe and a byte more or less comes complete", "[process]") {
    const nothing_leaks check;
    for (const std::size_t size : {65535U, 65536U, 65537U, 1000000U}) {
        const auto talk = [&]() -> task<> {
            async_process p(child("flood"), "1:" + std::to_string(size));
            const std::string out = co_await p.read_stdout();
            CHECK((out == alphabet(size)));
        };
        run_in_time(talk());
    }
}

TEST_CASE("messages of a megabyte go to and fro", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        for (int i = 0; i < 3; ++i) {
            const std::string message(999999, static_cast<char>('a' + i));
            auto both = co_await when_all(p.write_stdin(message), p.out().read_exactly(message.size()));
            CHECK((std::get<1>(both) == message));
        }
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a reader that throws in the middle of a flood holds up nobody", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("endless"));
        static_cast<void>(co_await p.out().read_exactly(100000));
        throw std::runtime_error("enough");
    };
    CHECK_THROWS_AS(run_in_time(talk()), std::runtime_error);
}

TEST_CASE("lines of a child that are too long are cut or passed over as its reader says", "[process]") {
    const nothing_leaks check;
    const long_line policy = GENERATE(long_line::split, long_line::truncate, long_line::skip);
    const auto talk = [&]() -> task<std::vector<std::size_t>> {
        async_process p(child("flood"), "1:5", "1:=", "1:2500000", "1:=", "1:7", "1:=");
        p.out().line_limit(1000000, policy);
        std::vector<std::size_t> sizes;
        line_stream lines = p.stream_stdout();
        while (auto line = co_await lines.next()) sizes.push_back(line->size());
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        co_return sizes;
    };
    using sizes = std::vector<std::size_t>;
    const sizes expected = policy == long_line::split      ? sizes{5, 1000000, 1000000, 500000, 7}
                           : policy == long_line::truncate ? sizes{5, 1000000, 7}
                                                           : sizes{5, 7};
    CHECK(run_in_time(talk()) == expected);
}

TEST_CASE("what a child wrote stays readable after it has gone", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), "2:30000", "1:40000", "1:=", "1:10");
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        const auto line = co_await p.read_line();
        CHECK(line == alphabet(40000));
        const std::string rest = co_await p.read_stdout();
        CHECK(rest == alphabet(10));
        const std::string err = co_await p.read_stderr();
        CHECK(err == alphabet(30000));
    };
    run_in_time(talk());
}

TEST_CASE("a grandchild that holds the pipes delays readers but not wait", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("leave_heir"));
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(5));
        const auto early = co_await p.read_line();
        CHECK(early == "early");
        auto waited = co_await with_timeout(p.read_line(), 20ms);
        CHECK_FALSE(waited); // no end yet: somebody holds the pipe
        p.close_stdin();
        const auto late = co_await p.read_line();
        CHECK(late == "late");
        const auto none = co_await p.read_line();
        CHECK_FALSE(none);
    };
    run_in_time(talk());
}

// ---- no order of awaits can deadlock ----

TEST_CASE("a child that floods stderr while we read stdout goes on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), several_mib_of_stderr, "1:5", "1:=");
        const auto line = co_await p.read_line();
        CHECK(line == "abcde");
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        const std::string err = co_await p.read_stderr();
        CHECK((err == alphabet(several_mib)));
        CHECK(p.err().dropped() == 0);
    };
    run_in_time(talk());
}

TEST_CASE("a child that floods stdout while we read stderr goes on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), several_mib_of_stdout, "2:5");
        const std::string err = co_await p.read_stderr();
        CHECK(err == "abcde");
        const std::string out = co_await p.read_stdout();
        CHECK((out == alphabet(several_mib)));
    };
    run_in_time(talk());
}

TEST_CASE("a child that floods both outputs while we only wait goes on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), several_mib_of_stderr, several_mib_of_stdout);
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        const std::string out = co_await p.read_stdout();
        const std::string err = co_await p.read_stderr();
        CHECK((out == alphabet(several_mib)));
        CHECK((err == alphabet(several_mib)));
    };
    run_in_time(talk());
}

TEST_CASE("a child that floods while we wait with a timeout goes on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), several_mib_of_stderr, several_mib_of_stdout);
        const auto s = co_await p.wait(30s);
        CHECK(s == exit_status::exited(0));
        const std::string out = co_await p.read_stdout();
        CHECK((out == alphabet(several_mib)));
    };
    run_in_time(talk());
}

TEST_CASE("a child that answers while we only write goes on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        const std::string bytes = alphabet(several_mib);
        co_await p.write_stdin(bytes);
        p.close_stdin();
        const std::string out = co_await p.read_stdout();
        CHECK((out == bytes));
    };
    run_in_time(talk());
}

TEST_CASE("a child that answers while we drain goes on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        const std::string bytes = alphabet(several_mib);
        p.in().write(bytes);
        co_await p.in().drain();
        p.close_stdin();
        co_await p.in().wait_closed();
        const std::string out = co_await p.read_stdout();
        CHECK((out == bytes));
    };
    run_in_time(talk());
}

TEST_CASE("a reader that takes one line does not stall a child that somebody else waits for", "[process]") {
    const nothing_leaks check;
    // One write(2) of several MiB: once it has begun, the kernel has no further news until it is done.
    for (const char* line : {"1:5", "1:50000"}) {
        const auto talk = [line]() -> task<> {
            async_process p(child("flood"), line, "1:=", several_mib_of_stdout);
            auto both = co_await when_all(p.wait(), p.read_line());
            CHECK(std::get<0>(both).success());
            const std::string rest = co_await p.read_stdout();
            CHECK((rest == alphabet(several_mib)));
        };
        run_in_time(talk());
    }
}

TEST_CASE("a reader that takes a few bytes does not stall a child that somebody else waits for", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), several_mib_of_stdout);
        auto both = co_await when_all(p.wait(), p.out().read(10));
        CHECK(std::get<0>(both).success());
        const std::string rest = co_await p.read_stdout();
        CHECK((std::get<1>(both) + rest == alphabet(several_mib)));
    };
    run_in_time(talk());
}

TEST_CASE("a reader that is cancelled does not stall a child that somebody else waits for", "[process]") {
    const nothing_leaks check;
    for (int turns = 0; turns < 20; ++turns) {
        const auto cancelled = [](async_process& p, int n) -> task<> {
            const auto pause = [](int m) -> task<> {
                for (int i = 0; i < m; ++i) co_await yield();
            };
            co_await when_any(p.out().read(10), pause(n));
        };
        const auto talk = [&]() -> task<> {
            async_process p(child("flood"), "1:300000");
            auto both = co_await when_all(p.wait(), cancelled(p, turns));
            CHECK(std::get<0>(both).success());
        };
        run_in_time(talk());
    }
}

TEST_CASE("beyond the unread limit the oldest bytes are dropped and counted", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), several_mib_of_stderr, several_mib_of_stdout);
        p.err().unread_limit(100000);
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        const std::string err = co_await p.read_stderr();
        CHECK(err.size() <= 100000 + 262144); // what was still in the pipe comes on top, which may be a large one
        CHECK(err.size() + p.err().dropped() == several_mib);
        CHECK((err == alphabet(several_mib).substr(p.err().dropped())));
        const std::string out = co_await p.read_stdout();
        CHECK((out == alphabet(several_mib)));
        CHECK(p.out().dropped() == 0);
    };
    run_in_time(talk());
}

TEST_CASE("nothing is dropped while somebody reads however much there is", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), several_mib_of_stdout);
        p.out().unread_limit(0);
        const std::string out = co_await p.read_stdout();
        CHECK((out == alphabet(several_mib)));
        CHECK(p.out().dropped() == 0);
    };
    run_in_time(talk());
}

TEST_CASE("a child whom nobody awaits feels that nobody reads", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), several_mib_of_stdout);
        co_await sleep_for(20ms);
        CHECK(p.out().buffered() == 0);
        CHECK(p.running());
        const std::string out = co_await p.read_stdout();
        CHECK((out == alphabet(several_mib)));
    };
    run_in_time(talk());
}

TEST_CASE("a child that writes for ever does not hold up the loop", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("endless"));
        p.out().unread_limit(100000);
        while (p.out().dropped() == 0) {
            const auto none = co_await p.wait(10ms);
            CHECK_FALSE(none);
        }
        auto all = co_await with_timeout(p.read_stdout(), 20ms);
        CHECK_FALSE(all);
        co_await p.stop(0s);
    };
    run_in_time(talk());
}

TEST_CASE("a line of a child stays in sight while more comes in behind it", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), "1:20", "1:=", several_mib_of_stdout, several_mib_of_stderr);
        line_stream lines = p.stream_stdout();
        const auto line = co_await lines.next();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        const std::string err = co_await p.read_stderr();
        CHECK(line == alphabet(20));
        const auto rest = co_await lines.next();
        CHECK((rest == alphabet(several_mib)));
        CHECK(err.size() == several_mib);
    };
    run_in_time(talk());
}

TEST_CASE("a limit on lines holds for the output of a child", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        async_process p(child("flood"), "1:100000", "1:=", "1:3", "1:=");
        p.out().line_limit(1000);
        std::string said;
        try {
            co_await p.read_line();
        } catch (const line_too_long& e) {
            said = e.what();
        }
        const auto next = co_await p.read_line();
        CHECK(next == "abc");
        co_return said;
    };
    CHECK(run_in_time(talk()) ==
          "cannot read a line of \"stdout of " + child("flood") + "\": more than 1000 bytes: line too long");
}

// ---- one process in several coroutines ----

TEST_CASE("one coroutine can write while another reads and a third waits", "[process]") {
    const nothing_leaks check;
    const std::string bytes = alphabet(several_mib);
    const auto write = [](async_process& p, const std::string& what) -> task<> {
        co_await p.write_stdin(what);
        p.close_stdin();
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("cat"));
        auto all = co_await when_all(write(p, bytes), p.read_stdout(), p.read_stderr(), p.wait());
        CHECK((std::get<1>(all) == bytes));
        CHECK(std::get<2>(all).empty());
        CHECK(std::get<3>(all).success());
    };
    run_in_time(talk());
}

TEST_CASE("two reads of one output at once are a mistake and of two outputs none", "[process]") {
    const nothing_leaks check;
    const auto second = [](async_process& p) -> task<bool> {
        bool refused = false;
        try {
            co_await p.read_line();
        } catch (const usage_error&) {
            refused = true;
        }
        p.close_stdin();
        co_return refused;
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("cat"));
        auto all = co_await when_all(p.read_stdout(), p.read_stderr(), second(p));
        CHECK(std::get<2>(all));
    };
    run_in_time(talk());
}

TEST_CASE("a cancelled read of a child loses nothing", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        std::string expected;
        for (int i = 0; i < 200; ++i) {
            const std::string piece = std::to_string(i) + ",";
            expected += piece;
            co_await p.write_stdin(piece);
            // At times before the echo, at times behind it, and at times just then.
            auto waited = co_await with_timeout(p.read_line(), std::chrono::microseconds(i));
            CHECK_FALSE(waited);
        }
        p.close_stdin();
        const std::string all = co_await p.read_stdout();
        CHECK(all == expected);
    };
    run_in_time(talk());
}

// ---- moving ----

TEST_CASE("a process can be moved while a coroutine is parked on its stream", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process first(child("cat"));
        const auto mover = [](async_process& from) -> task<> {
            co_await yield(); // the read waits by now
            async_process second = std::move(from);
            co_await second.write_stdin("hello\n");
            second.close_stdin();
            const exit_status s = co_await second.wait();
            CHECK(s.success());
            from = std::move(second); // so that the stream lives until its reader has its line
        };
        auto both = co_await when_all(first.read_line(), mover(first));
        CHECK(std::get<0>(both) == "hello");
    };
    run_in_time(talk());
}

TEST_CASE("a moved process keeps its streams and what they hold", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::vector<async_process> many;
        for (int i = 0; i < 10; ++i) { // the vector moves them as it grows
            many.emplace_back(child("cat"));
            stream_reader& out = many.back().out();
            co_await many.back().write_stdin(std::to_string(i) + "\nrest");
            const auto line = co_await many.back().read_line();
            CHECK(line == std::to_string(i));
            async_process moved = std::move(many.back());
            CHECK(&moved.out() == &out);
            many.back() = std::move(moved);
        }
        for (async_process& each : many) {
            each.close_stdin();
            const std::string rest = co_await each.read_stdout();
            CHECK(rest == "rest");
        }
    };
    run_in_time(talk());
}

TEST_CASE("a process that was moved from is empty and says so", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("hold"));
        async_process q = std::move(p);
        CHECK_THROWS_AS(p.running(), usage_error);
        CHECK_THROWS_AS(p.pid(), usage_error);
        CHECK_THROWS_AS(static_cast<void>(p.wait()), usage_error);
        CHECK_THROWS_AS(p.close_stdin(), usage_error);
        CHECK_THROWS_AS(p.kill(), usage_error);
        q.close_stdin();
        const exit_status s = co_await q.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}
