// SPDX-License-Identifier: BSL-1.0
//
// Rule 3: cancelling loses nothing, not even at the moment of arrival: in the very turn of the loop in which what was
// waited for has come, and whoever waited has been told but not resumed.
//
// One coroutine finds that moment by looking in every turn. It began to look before the other was told, so in each turn
// it comes first. Streams without a child stand in tests/io/stream_reader.test.cpp; a thousand rounds of mixed reads in
// tests/endurance.
#include <algorithm>
#include <csignal>
#include <cstddef>
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

constexpr int attempts = 100;

// Sends what `cat` will send back, and completes in the turn in which it does.
task<> echo(async_process& p, const std::string& bytes) {
    co_await p.write_stdin(bytes);
    while (p.out().buffered() < bytes.size()) co_await yield();
}

// `verb(p)` waits for the echo of a line and is cancelled when it comes.
template <class Verb>
task<> cancel_at_arrival(Verb verb) {
    async_process p(child("cat"));
    for (int i = 0; i < attempts; ++i) {
        const std::string text = "round " + std::to_string(1000 + i);
        const std::string line = text + "\n";
        auto first = co_await when_any(verb(p), echo(p, line));
        CHECK(first.index == 1);
        CHECK(p.out().buffered() == line.size());
        const auto found = co_await p.read_line();
        CHECK(found == text);
    }
}
constexpr std::size_t line_size = 11;

// Has the child end, and completes in the turn in which it is reaped.
task<> end(async_process& p) {
    p.close_stdin();
    while (p.pid()) co_await yield();
}

// `verb(p)` waits for the end of a child and is cancelled when it comes.
template <class Verb>
task<> cancel_at_exit(Verb verb, exit_status expected) {
    for (int i = 0; i < attempts; ++i) {
        async_process p(child("answer"), "9");
        auto first = co_await when_any(verb(p), end(p));
        CHECK(first.index == 1);
        const exit_status s = co_await p.wait();
        CHECK(s == expected);
        CHECK(p.usage());
    }
}

} // namespace

// Seen to fail: with bytes that are taken out of the buffer when the reader is scheduled, and kept in its awaiter.
TEST_CASE("every read that is cancelled when its bytes come leaves them to the next", "[process]") {
    const nothing_leaks check;
    SECTION("read_line") {
        run_in_time(cancel_at_arrival([](async_process& p) { return p.read_line(); }));
    }
    SECTION("next_line") {
        run_in_time(cancel_at_arrival([](async_process& p) { return p.out().next_line(); }));
    }
    SECTION("read") {
        run_in_time(cancel_at_arrival([](async_process& p) { return p.out().read(1000); }));
    }
    SECTION("read_some") {
        char buffer[100];
        run_in_time(cancel_at_arrival([&buffer](async_process& p) { return p.out().read_some(buffer); }));
    }
    SECTION("read_exactly") {
        run_in_time(cancel_at_arrival([](async_process& p) { return p.out().read_exactly(line_size); }));
    }
    SECTION("read_until") {
        run_in_time(cancel_at_arrival([](async_process& p) { return p.out().read_until("\n"); }));
    }
    SECTION("read_stdout") {
        run_in_time(cancel_at_arrival([](async_process& p) { return p.read_stdout(); }));
    }
    SECTION("a stream of lines") {
        const auto next = [](async_process& p) -> task<> {
            line_stream lines = p.stream_stdout();
            co_await lines.next();
        };
        run_in_time(cancel_at_arrival(next));
    }
}

// Seen to fail: with a stream_reader that gives what it has back when a read to the end is cancelled.
TEST_CASE("a read to the end that is cancelled when the end comes leaves all of it to the next", "[process]") {
    const nothing_leaks check;
    const auto until_closed = [](async_process& p) -> task<> {
        const std::size_t before = open_pipes();
        co_await p.write_stdin("all of it");
        p.close_stdin();
        while (open_pipes() > before - 2) co_await yield(); // stdin here, and stdout with its end
    };
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < attempts; ++i) {
            async_process p(command(child("cat")).err(stdio::null));
            auto first = co_await when_any(p.read_stdout(), until_closed(p));
            CHECK(first.index == 1);
            const std::string out = co_await p.read_stdout();
            CHECK(out == "all of it");
        }
    };
    run_in_time(talk());
}

// Seen to fail: with a status that goes to those who wait and is not kept.
TEST_CASE("every wait that is cancelled when the child ends leaves the status to the next", "[process]") {
    const nothing_leaks check;
    SECTION("wait") {
        run_in_time(cancel_at_exit([](async_process& p) { return p.wait(); }, exit_status::exited(9)));
    }
    SECTION("wait for so long at the most") {
        run_in_time(cancel_at_exit([](async_process& p) { return p.wait(1h); }, exit_status::exited(9)));
    }
    SECTION("stop") {
        run_in_time(cancel_at_exit([](async_process& p) { return p.stop(1h); }, exit_status::signaled(SIGTERM)));
    }
    SECTION("communicate") {
        run_in_time(cancel_at_exit([](async_process& p) { return p.communicate(); }, exit_status::exited(9)));
    }
}

// Seen to fail: with a child_watch that wakes one of those who wait.
TEST_CASE("a wait that is cancelled when the child ends takes nothing from others who wait", "[process]") {
    const nothing_leaks check;
    const auto cancelled = [](async_process& p) -> task<> {
        auto first = co_await when_any(p.wait(), end(p));
        CHECK(first.index == 1);
    };
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < attempts; ++i) {
            async_process p(child("answer"), "9");
            auto all = co_await when_all(p.wait(), cancelled(p), p.wait(1h));
            CHECK(std::get<0>(all) == exit_status::exited(9));
            CHECK(std::get<2>(all) == exit_status::exited(9));
        }
    };
    run_in_time(talk());
}

// Seen to fail: with a communicate that takes stdout as soon as that has ended.
TEST_CASE("a communicate that is cancelled when the child ends leaves all output to the next", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < attempts; ++i) {
            async_process p(child("answer"), "9");
            auto first = co_await when_any(p.communicate("through"), end(p));
            CHECK(first.index == 1);
            const result r = co_await p.communicate();
            CHECK(r.out == "through");
            CHECK(r.status == exit_status::exited(9));
        }
    };
    run_in_time(talk());
}

// Seen to fail: with a write_all that leaves its rest to the buffer when it is cancelled; with one that breaks the
// stream then.
TEST_CASE("a write that is cancelled has written a part and the next one follows it", "[process]") {
    const nothing_leaks check;
    constexpr std::size_t size = 70000; // more than fits
    constexpr int blocks = 250;         // each of a byte of its own
    const auto until_echoed = [](async_process& p, std::size_t bytes) -> task<> {
        while (p.out().buffered() < bytes) co_await yield();
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("cat"));
        p.out().unread_limit(static_cast<std::size_t>(-1));
        std::vector<bool> whole;
        for (int i = 0; i < blocks; ++i) {
            const std::string block(size, static_cast<char>(i));
            const std::size_t enough = p.out().buffered() + static_cast<std::size_t>(i % 9) * 9000;
            auto first = co_await when_any(p.write_stdin(block), until_echoed(p, enough));
            whole.push_back(first.index == 0);
            CHECK(p.in().buffered() == 0); // no part of it comes later
        }
        p.close_stdin();
        const std::string out = co_await p.read_stdout();
        std::size_t at = 0;
        for (std::size_t i = 0; i < whole.size(); ++i) {
            const std::size_t begin = at;
            while (at < out.size() && at - begin < size && out[at] == static_cast<char>(i)) ++at;
            CAPTURE(i);
            CHECK((at - begin == size || !whole[i]));
        }
        CHECK(at == out.size());
        CHECK(p.out().dropped() == 0);
        CHECK(std::count(whole.begin(), whole.end(), true) < blocks);
    };
    run_in_time(talk());
}

// Seen to fail: with a drain that drops what is buffered when it is cancelled.
TEST_CASE("a drain or a close that is cancelled when it is done has lost nothing", "[process]") {
    const nothing_leaks check;
    const auto until_buffered = [](async_process& p, std::size_t most) -> task<> {
        while (p.in().buffered() > most) co_await yield();
    };
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < attempts / 4; ++i) {
            async_process p(child("cat"));
            const std::string bytes = alphabet(1'000'000);
            constexpr std::size_t little_enough = 100000; // not nothing: what is dropped would be missed
            p.in().water_marks(little_enough, little_enough);
            p.in().write(bytes);
            auto drained = co_await when_any(p.in().drain(), until_buffered(p, little_enough));
            CHECK(drained.index == 1);
            p.in().write(bytes);
            p.close_stdin();
            auto closed = co_await when_any(p.in().wait_closed(), until_buffered(p, 0));
            CHECK(closed.index == 1);
            const std::string out = co_await p.read_stdout();
            CHECK((out == bytes + bytes));
        }
    };
    run_in_time(talk());
}
