// SPDX-License-Identifier: BSL-1.0
#include <coproc/io/stream_writer.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/sleep.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/driven.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// Whether a write of these bytes is ended by whoever closes the writer meanwhile.
task<bool> ends_canceled(stream_writer& writer, std::string bytes) {
    try {
        co_await writer.write_all(bytes);
    } catch (const stream_error& e) {
        co_return e.code() == std::errc::operation_canceled;
    }
    co_return false;
}

struct piped_writer {
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    stream_writer writer{std::move(pipe.write)};

    // What is in the pipe and what will come, until `size` bytes are there.
    task<std::string> drained(std::size_t size) {
        std::string all;
        while (all.size() < size) {
            const std::string some = take_from(pipe.read);
            all += some;
            if (some.empty()) co_await yield();
        }
        co_return all;
    }
};

constexpr std::size_t large = 1'000'000; // more than a pipe holds, also one that is enlarged for bulk

bool is_broken_pipe(const stream_error& e) { return e.code() == std::errc::broken_pipe; }

} // namespace

// ---- write_all ----

TEST_CASE("write_all is done when all of it is in the pipe", "[io]") {
    const nothing_leaks check;
    piped_writer it;
    const auto talk = [&]() -> task<> { co_await it.writer.write_all("hello"); };
    run_in_time(talk());
    CHECK(take_from(it.pipe.read) == "hello");
    CHECK(it.writer.buffered() == 0);
}

TEST_CASE("write_all waits while the pipe is full", "[io]") {
    const nothing_leaks check;
    piped_writer it;
    const std::string bytes = alphabet(large);
    bool done = false;
    const auto writing = [&]() -> task<> {
        co_await it.writer.write_all(bytes);
        done = true;
    };
    const auto reading = [&]() -> task<std::string> {
        for (int i = 0; i < 10; ++i) co_await yield();
        CHECK_FALSE(done);
        co_return co_await it.drained(bytes.size());
    };
    auto both = run_in_time(when_all(writing(), reading()));
    CHECK(std::get<1>(both) == bytes);
    CHECK(done);
}

TEST_CASE("write_all of a temporary string is safe until it is done", "[io]") {
    piped_writer it;
    const auto writing = [&]() -> task<> { co_await it.writer.write_all(std::string(large, 'x')); };
    auto both = run_in_time(when_all(writing(), it.drained(large)));
    CHECK(std::get<1>(both) == std::string(large, 'x'));
}

TEST_CASE("write_all of nothing is done at once even if the pipe is full", "[io]") {
    piped_writer it;
    it.writer.write(alphabet(large));
    const auto talk = [&]() -> task<> { co_await it.writer.write_all(""); };
    run_in_time(talk());
}

TEST_CASE("sizes around those of pipes and pages arrive exactly", "[io]") {
    piped_writer it;
    for (const std::size_t size : {4095U, 4096U, 4097U, 8192U, 8193U, 65535U, 65536U, 65537U, 219263U, 219264U}) {
        const std::string bytes = alphabet(size);
        auto both = run_in_time(when_all(it.writer.write_all(bytes), it.drained(size)));
        CHECK(std::get<1>(both) == bytes);
    }
}

TEST_CASE("a second write_all while the first one waits is a mistake that the first one survives", "[io]") {
    piped_writer it;
    const std::string bytes = alphabet(large);
    const auto second = [&]() -> task<> {
        bool refused = false;
        try {
            co_await it.writer.write_all("x");
        } catch (const usage_error&) {
            refused = true;
        }
        CHECK(refused);
    };
    auto all = run_in_time(when_all(it.writer.write_all(bytes), second(), it.drained(large)));
    CHECK(std::get<2>(all) == bytes);
}

TEST_CASE("a write_all that is cancelled has written a part and the next one follows it", "[io]") {
    piped_writer it;
    const std::string bytes = alphabet(large);
    const auto talk = [&]() -> task<std::string> {
        auto waited = co_await when_any(it.writer.write_all(bytes), yield());
        CHECK(waited.index == 1);
        std::string all = take_from(it.pipe.read);
        CHECK_FALSE(all.empty());
        CHECK(all == bytes.substr(0, all.size()));
        co_await it.writer.write_all("next");
        co_return take_from(it.pipe.read);
    };
    CHECK(run_in_time(talk()) == "next");
}

TEST_CASE("a write_all that was cut short can be resumed and nothing is lost or doubled", "[io]") {
    piped_writer it;
    const std::string before = GENERATE(std::string(), alphabet(large)); // what is buffered already goes first
    const std::string bytes(large, '-');
    it.writer.write(before);
    int attempts = 0;
    const auto writing = [&]() -> task<> {
        std::string_view rest = bytes;
        while (!rest.empty()) {
            ++attempts;
            const std::uint64_t was = it.writer.accepted();
            const bool done =
                co_await with_timeout(it.writer.write_all(rest), std::chrono::microseconds(attempts % 50));
            rest.remove_prefix(static_cast<std::size_t>(it.writer.accepted() - was));
            CHECK(done == rest.empty());
        }
    };
    const auto reading = [&]() -> task<std::string> {
        std::string all;
        while (all.size() < before.size() + bytes.size()) {
            all += take_from(it.pipe.read, 7777);
            CHECK(it.writer.written() >= all.size());
            co_await yield();
        }
        co_return all;
    };
    auto both = run_in_time(when_all(writing(), reading()));
    CHECK((std::get<1>(both) == before + bytes));
    CHECK(attempts > 1);
    CHECK(it.writer.written() == before.size() + bytes.size());
    CHECK(it.writer.accepted() == it.writer.written());
}

TEST_CASE("written counts what the pipe has taken and accepted what the caller need not keep", "[io]") {
    piped_writer it;
    CHECK(it.writer.written() == 0);
    it.writer.write("head");
    CHECK(it.writer.written() == 4);
    it.writer.write(alphabet(large));
    CHECK(it.writer.written() + it.writer.buffered() == 4 + large);
    CHECK(it.writer.accepted() == 4 + large);
    CHECK(it.writer.written() < it.writer.accepted());
    auto waited = run_in_time(when_any(it.writer.write_all("never"), yield()));
    CHECK(waited.index == 1);
    CHECK(it.writer.accepted() == 4 + large); // none of it, since others go first
    CHECK(run_in_time(it.drained(4 + large)).size() == 4 + large);
    CHECK(it.writer.written() == 4 + large);
}

TEST_CASE("to write nothing asks the kernel nothing", "[io]") {
    piped_writer it;
    it.pipe.read.reset(); // a write(2), even of nothing, might notice
    it.writer.write("");
    const auto talk = [&]() -> task<> {
        co_await it.writer.write_all("");
        co_await it.writer.drain();
    };
    run_in_time(talk());
    CHECK(it.writer.accepted() == 0);
}

TEST_CASE("half a mebibyte passes through a reader that sips", "[io]") {
    piped_writer it;
    const std::string bytes = alphabet(512 << 10);
    const auto sipping = [&]() -> task<std::string> {
        std::string all;
        while (all.size() < bytes.size()) {
            all += take_from(it.pipe.read, 997);
            co_await yield();
        }
        co_return all;
    };
    auto both = run_in_time(when_all(it.writer.write_all(bytes), sipping()));
    CHECK((std::get<1>(both) == bytes));
}

// ---- write and drain ----

TEST_CASE("write never waits", "[io]") {
    piped_writer it;
    const std::string bytes = alphabet(large);
    it.writer.write(bytes);
    CHECK(it.writer.buffered() > 0);
    CHECK(it.writer.buffered() < large); // what fits went at once
    CHECK(run_in_time(it.drained(large)) == bytes);
    CHECK(it.writer.buffered() == 0);
}

TEST_CASE("write_lines adds nothing between", "[io]") {
    piped_writer it;
    it.writer.write_lines(std::vector<std::string>{"a\n", "b", "", "c\n"});
    CHECK(take_from(it.pipe.read) == "a\nbc\n");
}

TEST_CASE("bytes leave in the order of the calls", "[io]") {
    piped_writer it;
    const std::string head = alphabet(large);
    const std::string body(large, '-');
    const auto writing = [&]() -> task<> {
        it.writer.write(head);
        it.writer.write("|");
        co_await it.writer.write_all(body);
        it.writer.write("|");
        co_await it.writer.write_all("end");
    };
    const std::string expected = head + "|" + body + "|end";
    auto both = run_in_time(when_all(writing(), it.drained(expected.size())));
    CHECK((std::get<1>(both) == expected));
}

TEST_CASE("a write that would overtake a write_all is refused and the write_all survives it", "[io]") {
    piped_writer it;
    const std::string bytes = alphabet(large);
    const auto other = [&]() -> task<std::string> {
        CHECK_THROWS_AS(it.writer.write("tail"), usage_error); // the write_all has begun, and waits
        co_return co_await it.drained(large);
    };
    auto both = run_in_time(when_all(it.writer.write_all(bytes), other()));
    CHECK((std::get<1>(both) == bytes));
    it.writer.write("tail");
    CHECK(take_from(it.pipe.read) == "tail");
}

TEST_CASE("drain is done at once while little is buffered", "[io]") {
    piped_writer it;
    it.writer.water_marks(1 << 20, 0);
    it.writer.write(alphabet(large));
    CHECK(it.writer.buffered() > 0);
    const auto talk = [&]() -> task<> { co_await it.writer.drain(); };
    run_in_time(talk());
    CHECK(it.writer.buffered() > 0);
}

TEST_CASE("drain waits from above the high-water mark until the low-water mark", "[io]") {
    piped_writer it;
    it.writer.water_marks(100000, 1000);
    it.writer.write(alphabet(large));
    REQUIRE(it.writer.buffered() > 100000);
    std::size_t left = large;
    const auto draining = [&]() -> task<> {
        co_await it.writer.drain();
        left = it.writer.buffered();
    };
    const auto reading = [&]() -> task<> {
        while (it.writer.buffered() > 1000) {
            CHECK(left == large); // not yet
            static_cast<void>(take_from(it.pipe.read, 4096));
            co_await yield();
        }
    };
    run_in_time(when_all(draining(), reading()));
    CHECK(left <= 1000);
}

TEST_CASE("a low-water mark above the high one is the high one", "[io]") {
    piped_writer it;
    it.writer.water_marks(0, 1000);
    it.writer.write(alphabet(large));
    auto both = run_in_time(when_all(it.writer.drain(), it.drained(large)));
    static_cast<void>(both);
    CHECK(it.writer.buffered() == 0);
}

TEST_CASE("any number of coroutines can wait for a drain", "[io]") {
    piped_writer it;
    it.writer.write(alphabet(large));
    int woken = 0;
    const auto draining = [&]() -> task<> {
        co_await it.writer.drain();
        ++woken;
    };
    std::vector<task<>> many;
    for (int i = 0; i < 10; ++i) many.push_back(draining());
    run_in_time(when_all(when_all(std::move(many)), it.drained(large)));
    CHECK(woken == 10);
}

TEST_CASE("a cancelled drain leaves the others waiting", "[io]") {
    piped_writer it;
    it.writer.write(alphabet(large));
    const auto cancelled = [&]() -> task<> {
        auto waited = co_await when_any(it.writer.drain(), yield());
        CHECK(waited.index == 1);
    };
    run_in_time(when_all(cancelled(), it.writer.drain(), it.drained(large)));
    CHECK(it.writer.buffered() == 0);
}

// ---- the end ----

TEST_CASE("close lets the reader see the end behind what was buffered", "[io]") {
    const nothing_leaks check;
    piped_writer it;
    it.writer.write(alphabet(large));
    it.writer.close();
    CHECK(it.writer.is_closing());
    auto both = run_in_time(when_all(it.writer.wait_closed(), it.drained(large)));
    CHECK((std::get<1>(both) == alphabet(large)));
    char byte = 0;
    CHECK(::read(it.pipe.read.get(), &byte, 1) == 0);
}

TEST_CASE("write_eof is close since a pipe has one direction", "[io]") {
    piped_writer it;
    CHECK_FALSE(it.writer.is_closing());
    it.writer.write_eof();
    CHECK(it.writer.is_closing());
    char byte = 0;
    CHECK(::read(it.pipe.read.get(), &byte, 1) == 0);
}

TEST_CASE("close can be called again", "[io]") {
    piped_writer it;
    it.writer.write(alphabet(large));
    it.writer.close();
    it.writer.close();
    CHECK(run_in_time(it.drained(large)).size() == large);
    it.writer.close();
    const auto talk = [&]() -> task<> { co_await it.writer.wait_closed(); };
    run_in_time(talk());
}

TEST_CASE("wait_closed waits for somebody to close", "[io]") {
    piped_writer it;
    const auto closing = [&]() -> task<> {
        co_await yield();
        it.writer.close();
    };
    run_in_time(when_all(it.writer.wait_closed(), closing()));
}

TEST_CASE("writing after close is a mistake", "[io]") {
    piped_writer it;
    it.writer.close();
    CHECK_THROWS_AS(it.writer.write("x"), usage_error);
    const auto talk = [&]() -> task<> { co_await it.writer.write_all("x"); };
    CHECK_THROWS_AS(run_in_time(talk()), usage_error);
}

TEST_CASE("a writer without a descriptor is closed", "[io]") {
    event_loop loop;
    stream_writer writer;
    CHECK_THROWS_AS(writer.write("x"), usage_error);
    const auto talk = [&]() -> task<> { co_await writer.wait_closed(); };
    run_in_time(talk());
}

TEST_CASE("closing under a write_all that waits ends it with an error", "[io]") {
    piped_writer it;
    const auto closing = [&]() -> task<> {
        co_await yield();
        it.writer.close();
    };
    auto both = run_in_time(when_all(ends_canceled(it.writer, std::string(large, 'x')), closing()));
    CHECK(std::get<0>(both));
}

TEST_CASE("close under a write_all that waits still flushes what was buffered before it", "[io]") {
    const nothing_leaks check;
    piped_writer it;
    const std::string before = alphabet(large);
    it.writer.write(before);
    const auto closing = [&]() -> task<> {
        co_await yield();
        it.writer.close();
        CHECK(it.writer.is_closing());
        co_await it.writer.wait_closed(); // and has no complaint
    };
    auto all = run_in_time(when_all(ends_canceled(it.writer, "never"), closing(), it.drained(large)));
    CHECK(std::get<0>(all));
    CHECK((std::get<2>(all) == before));
    char byte = 0;
    CHECK(::read(it.pipe.read.get(), &byte, 1) == 0);
}

TEST_CASE("abort wakes whoever waits and can be repeated", "[io]") {
    const nothing_leaks check;
    piped_writer it;
    it.writer.write(alphabet(large));
    const auto aborting = [&]() -> task<> {
        co_await yield();
        it.writer.abort();
        it.writer.abort();
        CHECK(it.writer.is_closing());
    };
    auto all = run_in_time(
        when_all(ends_canceled(it.writer, "never"), it.writer.drain(), it.writer.wait_closed(), aborting()));
    CHECK(std::get<0>(all));
    CHECK(it.writer.buffered() == 0);
    it.writer.close(); // nothing more to do
    it.writer.abort();
}

TEST_CASE("a writer that is opened again leaves the last stream and its error behind", "[io]") {
    const nothing_leaks check;
    piped_writer it;
    it.writer.write(alphabet(large)); // so that the loop watches it
    const bool broken = GENERATE(false, true);
    if (broken) {
        it.pipe.read.reset();
        CHECK_THROWS_AS(run_in_time(it.writer.drain()), stream_error);
    }
    it.pipe = platform::make_pipe();
    it.writer.open(platform::nonblocking(std::move(it.pipe.write)));
    CHECK(it.writer.buffered() == 0);
    CHECK(it.writer.accepted() == 0);
    CHECK_FALSE(it.writer.is_closing());
    const std::string bytes(large, '-');
    auto both = run_in_time(when_all(it.writer.write_all(bytes), it.drained(large)));
    CHECK((std::get<1>(both) == bytes));
    CHECK(it.writer.written() == large);
}

TEST_CASE("abort drops what is buffered", "[io]") {
    const nothing_leaks check;
    piped_writer it;
    it.writer.write(alphabet(large));
    it.writer.abort();
    CHECK(it.writer.buffered() == 0);
    const std::string got = take_from(it.pipe.read);
    CHECK(got == alphabet(got.size()));
    CHECK(got.size() < large);
    char byte = 0;
    CHECK(::read(it.pipe.read.get(), &byte, 1) == 0);
}

TEST_CASE("a writer that is destroyed drops what is buffered", "[io]") {
    const nothing_leaks check;
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    {
        stream_writer writer(std::move(pipe.write));
        writer.write(alphabet(large));
    }
    CHECK(take_from(pipe.read).size() < large);
    pipe = {};
    loop.poll(); // nobody is told of anything
}

// ---- errors ----

TEST_CASE("a write that nobody will read is a broken pipe and no signal", "[io]") {
    piped_writer it;
    it.pipe.read.reset();
    const auto talk = [&]() -> task<std::string> {
        for (int i = 0; i < 2; ++i) { // after an error every call throws it
            bool thrown = false;
            try {
                co_await it.writer.write_all("x");
            } catch (const stream_error& e) {
                thrown = true;
                CHECK(is_broken_pipe(e));
            }
            CHECK(thrown);
        }
        try {
            it.writer.write("x");
        } catch (const stream_error& e) {
            co_return e.what();
        }
        co_return "nothing thrown";
    };
    CHECK(run_in_time(talk()) == "cannot write \"stream\": Broken pipe");
    CHECK_THROWS_AS(run_in_time(it.writer.drain()), stream_error);
}

TEST_CASE("write to a broken pipe throws at once", "[io]") {
    piped_writer it;
    it.pipe.read.reset();
    CHECK_THROWS_AS(it.writer.write("x"), stream_error);
}

TEST_CASE("a write_all that waits is woken when the reader goes", "[io]") {
    piped_writer it;
    const auto writing = [&]() -> task<bool> {
        try {
            co_await it.writer.write_all(std::string(large, 'x'));
        } catch (const stream_error& e) {
            co_return is_broken_pipe(e);
        }
        co_return false;
    };
    const auto leaving = [&]() -> task<> {
        co_await sleep_for(1ms);
        it.pipe.read.reset();
    };
    auto both = run_in_time(when_all(writing(), leaving()));
    CHECK(std::get<0>(both));
}

TEST_CASE("a drain that waits is woken when the reader goes", "[io]") {
    piped_writer it;
    it.writer.write(alphabet(large));
    const auto draining = [&]() -> task<bool> {
        try {
            co_await it.writer.drain();
        } catch (const stream_error& e) {
            co_return is_broken_pipe(e);
        }
        co_return false;
    };
    const auto leaving = [&]() -> task<> {
        co_await sleep_for(1ms);
        it.pipe.read.reset();
    };
    auto both = run_in_time(when_all(draining(), draining(), leaving()));
    CHECK(std::get<0>(both));
    CHECK(std::get<1>(both));
    CHECK(it.writer.buffered() == 0); // it will never be written
}

TEST_CASE("a drain after the connection was lost throws at once", "[io]") {
    piped_writer it;
    it.writer.water_marks(0, 0);
    it.writer.write(alphabet(large));
    it.pipe.read.reset();
    CHECK_THROWS_AS(run_in_time(it.writer.drain()), stream_error);
    for (int i = 0; i < 3; ++i) {
        auto again = it.writer.drain();
        CHECK(again.await_ready()); // without a turn of the loop
        CHECK_THROWS_AS(again.await_resume(), stream_error);
    }
}

TEST_CASE("a writer can be destroyed with a broken pipe that nobody has been told of", "[io]") {
    const nothing_leaks check;
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    const auto talk = [&]() -> task<> {
        {
            stream_writer writer(std::move(pipe.write));
            writer.write(alphabet(large));
            auto waited = co_await when_any(writer.write_all("x"), yield());
            CHECK(waited.index == 1);
            pipe.read.reset(); // the event will find nobody
        }
        co_await yield();
        co_await yield();
    };
    run_in_time(talk());
    sigset_t pending;
    ::sigpending(&pending);
    CHECK(sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("a broken pipe wakes all who wait for a drain", "[io]") {
    piped_writer it;
    it.writer.write(alphabet(large));
    int told = 0;
    const auto draining = [&]() -> task<> {
        try {
            co_await it.writer.drain();
        } catch (const stream_error& e) {
            if (is_broken_pipe(e)) ++told;
        }
    };
    const auto leaving = [&]() -> task<> {
        co_await yield();
        it.pipe.read.reset();
    };
    std::vector<task<>> many;
    for (int i = 0; i < 10; ++i) many.push_back(draining());
    run_in_time(when_all(when_all(std::move(many)), leaving()));
    CHECK(told == 10);
}

TEST_CASE("wait_closed tells when what was buffered could not be written", "[io]") {
    piped_writer it;
    it.writer.write(alphabet(large));
    it.writer.close();
    const auto closing = [&]() -> task<bool> {
        try {
            co_await it.writer.wait_closed();
        } catch (const stream_error& e) {
            co_return is_broken_pipe(e);
        }
        co_return false;
    };
    const auto leaving = [&]() -> task<> {
        co_await sleep_for(1ms);
        it.pipe.read.reset();
    };
    auto both = run_in_time(when_all(closing(), leaving()));
    CHECK(std::get<0>(both));
}

TEST_CASE("whoever waits for the end of the stream learns that a write has failed", "[io]") {
    piped_writer it;
    const auto closing = [&]() -> task<bool> {
        try {
            co_await it.writer.wait_closed();
        } catch (const stream_error& e) {
            co_return is_broken_pipe(e);
        }
        co_return false;
    };
    const auto writing = [&](bool directly) -> task<> {
        co_await yield();
        it.pipe.read.reset();
        try {
            if (directly) co_await it.writer.write_all("x");
            else it.writer.write("x");
        } catch (const stream_error&) {
        }
    };
    SECTION("by write") {
        auto both = run_in_time(when_all(closing(), writing(false)));
        CHECK(std::get<0>(both));
    }
    SECTION("by write_all") {
        auto both = run_in_time(when_all(closing(), writing(true)));
        CHECK(std::get<0>(both));
    }
}

TEST_CASE("what the host has decided about SIGPIPE is left alone", "[io]") {
    struct sigaction before {};
    ::sigaction(SIGPIPE, nullptr, &before);
    REQUIRE(before.sa_handler == SIG_DFL); // so that a SIGPIPE would end this program
    piped_writer it;
    it.pipe.read.reset();
    CHECK_THROWS_AS(it.writer.write("x"), stream_error);
    struct sigaction after {};
    ::sigaction(SIGPIPE, nullptr, &after);
    CHECK(after.sa_handler == SIG_DFL);
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    CHECK(sigismember(&mask, SIGPIPE) == 0);
    sigset_t pending;
    ::sigpending(&pending);
    CHECK(sigismember(&pending, SIGPIPE) == 0);
}

// ---- turns ----

namespace {

// Takes whatever is written as fast as it comes, as a child does that keeps up.
struct never_full {
    event_loop loop;
    stream_writer writer{unique_fd(::open("/dev/null", O_WRONLY | O_CLOEXEC))};
};

// The same, and what was written can be looked at.
struct into_file {
    temporary_directory directory;
    std::string path = directory / "file";
    event_loop loop;
    stream_writer writer{unique_fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600))};
};

task<int> turns_while(const bool& done) {
    int turns = 0;
    while (!done) {
        co_await yield();
        ++turns;
    }
    co_return turns;
}

} // namespace

TEST_CASE("a coroutine that goes on writing little to who keeps up leaves time for others", "[io]") {
    const nothing_leaks check;
    never_full it;
    bool done = false;
    const auto writing = [&]() -> task<> {
        for (int i = 0; i < 10000; ++i) co_await it.writer.write_all("hello\n");
        done = true;
    };
    auto both = run_in_time(when_all(writing(), turns_while(done)));
    CHECK(std::get<1>(both) > 30);
    CHECK(std::get<1>(both) < 1000); // and does not wait for a turn with each
    CHECK(it.writer.written() == 60000);
}

TEST_CASE("a long write to who keeps up leaves time for others", "[io]") {
    const nothing_leaks check;
    never_full it;
    bool done = false;
    const auto writing = [&]() -> task<> {
        co_await it.writer.write_all(std::string(std::size_t{64} << 20, 'x'));
        done = true;
    };
    auto both = run_in_time(when_all(writing(), turns_while(done)));
    CHECK(std::get<1>(both) > 50);
    CHECK(std::get<1>(both) < 1000);
}

TEST_CASE("what takes many turns to be written arrives in order and once", "[io]") {
    const nothing_leaks check;
    const std::string bytes = alphabet(several_mib);
    SECTION("in a file") {
        into_file it;
        run_in_time(it.writer.write_all(bytes));
        CHECK((content_of(it.path) == bytes));
        CHECK(it.writer.accepted() == bytes.size());
    }
    SECTION("from a pipe whose reader keeps up") {
        piped_writer it;
        std::string got;
        std::thread reader([&] {
            for (char some[65536];;) {
                const ssize_t n = ::read(it.pipe.read.get(), some, sizeof some);
                if (n <= 0) break;
                got.append(some, static_cast<std::size_t>(n));
            }
        });
        const auto writing = [&]() -> task<> {
            for (std::size_t at = 0; at < several_mib / 2; at += 7) {
                co_await it.writer.write_all(
                    std::string_view(bytes).substr(at, std::min(several_mib / 2 - at, std::size_t{7})));
            }
            co_await it.writer.write_all(std::string_view(bytes).substr(several_mib / 2));
            it.writer.close();
        };
        run_in_time(writing());
        reader.join();
        CHECK((got == bytes));
    }
}

TEST_CASE("a write that waits for its next turn can be cancelled and resumed", "[io]") {
    const nothing_leaks check;
    into_file it;
    const std::string bytes = alphabet(several_mib);
    {
        const driven writing = drive(it.writer.write_all(bytes));
        CHECK_FALSE(writing.done());
    }
    CHECK(it.writer.accepted() > 0);
    CHECK(it.writer.accepted() < bytes.size());
    if (GENERATE(false, true)) it.loop.poll();
    run_in_time(it.writer.write_all(std::string_view(bytes).substr(it.writer.accepted())));
    CHECK((content_of(it.path) == bytes));
}

TEST_CASE("a writer can be destroyed or opened again in the middle of what takes many turns", "[io]") {
    const nothing_leaks check;
    event_loop loop;
    const temporary_directory directory;
    const auto open_file = [&](const char* name) {
        return unique_fd(::open((directory / name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    };
    std::optional<stream_writer> writer(open_file("one"));
    const std::string bytes = alphabet(several_mib);
    {
        const driven writing = drive(writer->write_all(bytes));
        CHECK_FALSE(writing.done());
    }
    if (GENERATE(false, true)) {
        writer->open(open_file("two"));
        loop.poll();
        run_in_time(writer->write_all("two"));
        CHECK(content_of(directory / "two") == "two");
    } else {
        writer.reset();
        loop.poll();
    }
    CHECK(bytes.starts_with(content_of(directory / "one")));
}

TEST_CASE("an abort ends a write that waits for its next turn", "[io]") {
    const nothing_leaks check;
    never_full it;
    const auto aborting = [&]() -> task<> {
        co_await yield();
        it.writer.abort();
    };
    auto both = run_in_time(when_all(ends_canceled(it.writer, std::string(std::size_t{64} << 20, 'x')), aborting()));
    CHECK(std::get<0>(both));
}

// Or else a program that writes to its child from here and there would learn that turns are limited: each of these has
// room, and none would have to wait.
TEST_CASE("who waits only for the next turn is in nobody's way", "[io]") {
    const nothing_leaks check;
    piped_writer it;
    std::string all;
    std::vector<task<>> many;
    const auto writing = [&](std::string line) -> task<> {
        all += line;
        co_await it.writer.write_all(line);
    };
    for (int i = 0; i < 2000; ++i) many.push_back(writing(std::to_string(i) + "\n"));
    SECTION("another write_all") { run_in_time(when_all(std::move(many))); }
    SECTION("a write") {
        const auto ending = [&]() -> task<> {
            it.writer.write("end");
            all += "end";
            co_return;
        };
        run_in_time(when_all(when_all(std::move(many)), ending()));
    }
    SECTION("to close") {
        const auto closing = [&]() -> task<> {
            it.writer.close();
            co_return;
        };
        run_in_time(when_all(when_all(std::move(many)), closing()));
    }
    CHECK((take_from(it.pipe.read) == all));
}

// ---- files ----

TEST_CASE("a regular file can be written", "[io]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string path = directory / "file";
    event_loop loop;
    stream_writer writer(unique_fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
    const std::string bytes = alphabet(large);
    const auto talk = [&]() -> task<> {
        writer.write("head|");
        co_await writer.write_all(bytes);
        co_await writer.drain();
        writer.close();
        co_await writer.wait_closed();
    };
    run_in_time(talk());
    CHECK((content_of(path) == "head|" + bytes));
}

TEST_CASE("a file that is opened for appending is appended to", "[io]") {
    const temporary_directory directory;
    const std::string path = directory.file("log", "old\n");
    event_loop loop;
    stream_writer writer(unique_fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)));
    writer.write("new\n");
    CHECK(content_of(path) == "old\nnew\n");
}

TEST_CASE("a write that fails says what of and why", "[io]") {
    event_loop loop;
    stream_writer writer(unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    std::string said;
    try {
        writer.write("x");
    } catch (const stream_error& e) {
        said = e.what();
    }
    CHECK(said == "cannot write \"stream\": Bad file descriptor");
}
