// SPDX-License-Identifier: BSL-1.0
#include <coproc/io/pump.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/with_timeout.hpp>

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

constexpr std::size_t much = (std::size_t{4} << 20) + 1;

// What is fed into one pipe, pumped into another, and taken from there.
struct two_pipes {
    event_loop loop;
    platform::pipe_ends source = platform::make_pipe();
    platform::pipe_ends sink = platform::make_pipe();
    stream_writer feeder{std::move(source.write)};
    stream_reader from{std::move(source.read)};
    stream_writer to{std::move(sink.write)};
    stream_reader taker{std::move(sink.read)};
};

struct into_pipe {
    event_loop loop;
    platform::pipe_ends sink = platform::make_pipe();
    stream_writer to{std::move(sink.write)};
    stream_reader taker{std::move(sink.read)};
};

task<> feed_all(stream_writer& feeder, std::string_view bytes) {
    co_await feeder.write_all(bytes);
    feeder.close();
}

// A pump that closes what it has filled.
task<std::uint64_t> pump_and_close(stream_reader& from, stream_writer& to) {
    const std::uint64_t bytes = co_await pump(from, to);
    to.close();
    co_return bytes;
}

unique_fd file_with(const temporary_directory& directory, std::string_view content) {
    const std::string path = directory.file("file", content);
    unique_fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    ::unlink(path.c_str());
    return fd;
}

std::string content_of_file(int fd) {
    std::string all(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
    REQUIRE(::pread(fd, all.data(), all.size(), 0) == static_cast<ssize_t>(all.size()));
    return all;
}

template <class Read>
task<bool> is_refused(Read read) {
    try {
        co_await std::move(read);
    } catch (const usage_error&) {
        co_return true;
    }
    co_return false;
}

template <class A>
task<std::error_code> error_of(A what) {
    try {
        co_await std::move(what);
    } catch (const stream_error& e) {
        co_return e.code();
    }
    co_return std::error_code();
}

bool sigpipe_is_pending() {
    sigset_t pending;
    ::sigpending(&pending);
    return sigismember(&pending, SIGPIPE) == 1;
}

} // namespace

// ---- between all kinds of things ----

TEST_CASE("a pump carries four mebibytes and a byte from pipe to pipe", "[io]") {
    const nothing_leaks check;
    two_pipes it;
    const std::string bytes = alphabet(much);
    auto all = run_in_time(when_all(feed_all(it.feeder, bytes), pump_and_close(it.from, it.to), it.taker.read_all()));
    CHECK(std::get<1>(all) == much);
    CHECK((std::get<2>(all) == bytes));
    CHECK(it.from.at_eof());
    CHECK(it.to.written() == much);
    CHECK(it.to.accepted() == much);
}

TEST_CASE("a pump carries single bytes and closes neither side", "[io]") {
    two_pipes it;
    const auto feeding = [&]() -> task<> {
        for (const char c : std::string_view("one by one")) {
            co_await it.feeder.write_all({&c, 1});
            const std::string got = co_await it.taker.read(100);
            CHECK(got == std::string(1, c));
        }
        it.feeder.close();
    };
    auto both = run_in_time(when_all(pump(it.from, it.to), feeding()));
    CHECK(std::get<0>(both) == 10);
    CHECK_FALSE(it.to.is_closing());
    it.to.write("more");
    const auto talk = [&]() -> task<std::string> { co_return co_await it.taker.read(100); };
    CHECK(run_in_time(talk()) == "more");
}

TEST_CASE("a pump of nothing is done at the end of its reader", "[io]") {
    two_pipes it;
    it.feeder.close();
    CHECK(run_in_time(pump(it.from, it.to)) == 0);
    CHECK(run_in_time(pump(it.from, it.to)) == 0); // and again
}

TEST_CASE("what is buffered already goes before what comes", "[io]") {
    two_pipes it;
    const auto talk = [&]() -> task<std::string> {
        it.from.feed("fed|");
        it.feeder.write("line\nrest|");
        const auto line = co_await it.from.read_line();
        CHECK(line == "fed|line");
        CHECK(it.from.buffered() == 5);
        it.feeder.write("later");
        it.feeder.close();
        const std::uint64_t bytes = co_await pump_and_close(it.from, it.to);
        CHECK(bytes == 10);
        co_return co_await it.taker.read_all();
    };
    CHECK(run_in_time(talk()) == "rest|later");
}

TEST_CASE("what the writer has buffered goes before what is pumped", "[io]") {
    two_pipes it;
    const std::string head(300000, '-');
    it.to.write(head);
    CHECK(it.to.buffered() > 0);
    auto all = run_in_time(when_all(feed_all(it.feeder, "tail"), pump_and_close(it.from, it.to), it.taker.read_all()));
    CHECK(std::get<1>(all) == 4);
    CHECK((std::get<2>(all) == head + "tail"));
}

TEST_CASE("a pump does not carry the rest of a long line that is passed over", "[io]") {
    two_pipes it;
    it.from.line_limit(3, long_line::truncate);
    const auto talk = [&]() -> task<std::string> {
        it.feeder.write("abcdef");
        const auto head = co_await it.from.read_line();
        CHECK(head == "abc");
        it.feeder.write("gh");
        const driven moving = drive(pump(it.from, it.to));
        CHECK_FALSE(moving.done());
        it.feeder.write("i\n12\n");
        while (it.to.written() == 0) co_await yield();
        it.feeder.write("34\n");
        it.feeder.close();
        while (!moving.done()) co_await yield();
        it.to.close();
        co_return co_await it.taker.read_all();
    };
    CHECK(run_in_time(talk()) == "12\n34\n");
    CHECK(it.from.dropped() == 7);
}

TEST_CASE("a pump carries from memory into a pipe", "[io]") {
    into_pipe it;
    stream_reader from;
    const std::string bytes = alphabet(much);
    const auto feeding = [&]() -> task<> {
        from.feed(std::string_view(bytes).substr(0, much - 1));
        co_await yield();
        co_await yield();
        from.feed(std::string_view(bytes).substr(much - 1));
        co_await yield();
        from.feed_eof();
    };
    auto all = run_in_time(when_all(pump_and_close(from, it.to), feeding(), it.taker.read_all()));
    CHECK(std::get<0>(all) == much);
    CHECK((std::get<2>(all) == bytes));
}

TEST_CASE("a pump carries from a file into a pipe", "[io]") {
    const nothing_leaks check;
    const temporary_directory directory;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{65537}, much}) {
        into_pipe it;
        const std::string bytes = alphabet(size);
        stream_reader from(file_with(directory, bytes));
        auto all = run_in_time(when_all(pump_and_close(from, it.to), it.taker.read_all()));
        CHECK(std::get<0>(all) == size);
        CHECK((std::get<1>(all) == bytes));
    }
}

TEST_CASE("a pump carries from a pipe into a file", "[io]") {
    const nothing_leaks check;
    const temporary_directory directory;
    for (const int flags : {0, O_APPEND}) { // into the second the kernel will not
        two_pipes it;
        unique_fd file = file_with(directory, "");
        const unique_fd seen(::dup(file.get()));
        ::fcntl(file.get(), F_SETFL, flags);
        stream_writer to(std::move(file));
        to.write("head|");
        const std::string bytes = alphabet(much);
        auto all = run_in_time(when_all(feed_all(it.feeder, bytes), pump_and_close(it.from, to)));
        CHECK(std::get<1>(all) == much);
        CHECK((content_of_file(seen.get()) == "head|" + bytes));
        CHECK(to.written() == 5 + much);
    }
}

TEST_CASE("a pump carries from a file into a file", "[io]") {
    const temporary_directory directory;
    event_loop loop;
    const std::string bytes = alphabet(much);
    stream_reader from(file_with(directory, bytes));
    unique_fd file = file_with(directory, "");
    const unique_fd seen(::dup(file.get()));
    stream_writer to(std::move(file));
    CHECK(run_in_time(pump(from, to)) == much);
    CHECK((content_of_file(seen.get()) == bytes));
}

TEST_CASE("a pump carries into the null device and from it", "[io]") {
    two_pipes it;
    stream_writer nowhere(unique_fd(::open("/dev/null", O_WRONLY | O_CLOEXEC)));
    const std::string bytes = alphabet(much);
    auto all = run_in_time(when_all(feed_all(it.feeder, bytes), pump(it.from, nowhere)));
    CHECK(std::get<1>(all) == much);
    stream_reader nothing(unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    CHECK(run_in_time(pump(nothing, it.to)) == 0);
}

TEST_CASE("an endless pump lets others have their turns and can be cut short", "[io]") {
    event_loop loop;
    stream_reader from(unique_fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)));
    stream_writer nowhere(unique_fd(::open("/dev/null", O_WRONLY | O_CLOEXEC)));
    const auto done = run_in_time(with_timeout(pump(from, nowhere), 5ms));
    CHECK_FALSE(done);
    CHECK(nowhere.written() > 0);
}

// ---- back-pressure ----

TEST_CASE("a pump takes from its reader no more than its writer takes", "[io]") {
    two_pipes it;
#if defined(F_SETPIPE_SZ)
    platform::pipe_ends small = platform::make_pipe();
    ::fcntl(small.write.get(), F_SETPIPE_SZ, 4096);
    it.to.open(platform::nonblocking(std::move(small.write)));
    it.taker.open(platform::nonblocking(std::move(small.read)));
#endif
    const std::string bytes = alphabet(512 << 10);
    bool fed = false;
    const auto feeding = [&]() -> task<> {
        co_await feed_all(it.feeder, bytes);
        fed = true;
    };
    const auto sipping = [&]() -> task<std::string> {
        for (int i = 0; i < 20; ++i) co_await yield();
        CHECK_FALSE(fed); // it stands, up to whoever feeds it
        CHECK(it.from.buffered() <= 65536);
#if defined(__linux__)
        CHECK(it.from.buffered() == 0); // nothing has come through our memory
#endif
        std::string all;
        for (;;) {
            const std::string some = co_await it.taker.read(1000);
            if (some.empty()) co_return all;
            all += some;
        }
    };
    // The pump begins before there is anything, and goes on by splice all the same.
    auto all = run_in_time(when_all(pump_and_close(it.from, it.to), feeding(), sipping()));
    CHECK(std::get<0>(all) == bytes.size());
    CHECK((std::get<2>(all) == bytes));
}

TEST_CASE("a pump whose last byte fills the pipe is done without anybody who reads", "[io]") {
    const temporary_directory directory;
    platform::pipe_ends measured = platform::make_pipe();
    const std::size_t size = fill(measured.write);
    SECTION("from a pipe that has ended") {
        two_pipes it;
        it.feeder.write(std::string(size, 'x'));
        it.feeder.close();
        CHECK(run_in_time(pump(it.from, it.to)) == size);
    }
    SECTION("from a pipe that ends later") {
        two_pipes it;
        it.feeder.write(std::string(size, 'x'));
        const auto closing = [&]() -> task<> {
            co_await sleep_for(1ms);
            it.feeder.close();
        };
        auto both = run_in_time(when_all(pump(it.from, it.to), closing()));
        CHECK(std::get<0>(both) == size);
    }
    SECTION("from a file") {
        into_pipe it;
        stream_reader from(file_with(directory, std::string(size, 'x')));
        CHECK(run_in_time(pump(from, it.to)) == size);
    }
}

// ---- cut short ----

TEST_CASE("a pump that is cancelled loses and doubles nothing and can be resumed", "[io]") {
    two_pipes it;
    const std::string bytes = alphabet(much);
    int cancelled = 0;
    const auto pumping = [&]() -> task<std::uint64_t> {
        for (;; ++cancelled) {
            const std::uint64_t before = it.to.accepted();
            const auto moved =
                co_await with_timeout(pump(it.from, it.to), std::chrono::microseconds(cancelled % 40 * 10));
            if (!moved) continue;
            CHECK(*moved == it.to.accepted() - before);
            it.to.close();
            co_return it.to.accepted();
        }
    };
    auto all = run_in_time(when_all(feed_all(it.feeder, bytes), pumping(), it.taker.read_all()));
    CHECK(std::get<1>(all) == much);
    CHECK((std::get<2>(all) == bytes));
    CHECK(cancelled > 0);
}

TEST_CASE("what a cancelled pump has not moved is there for any other read", "[io]") {
    two_pipes it;
    const std::string bytes = alphabet(much);
    const auto talk = [&]() -> task<std::string> {
        auto none = co_await when_any(pump(it.from, it.to), sleep_for(1ms)); // until the pipe is full
        CHECK(none.index == 1);
        it.to.close();
        std::string all = co_await it.taker.read_all();
        CHECK(all.size() == it.to.accepted());
        all += co_await it.from.read_all();
        co_return all;
    };
    auto both = run_in_time(when_all(talk(), feed_all(it.feeder, bytes)));
    CHECK((std::get<0>(both) == bytes));
}

TEST_CASE("while a pump runs nobody else can read its reader", "[io]") {
    two_pipes it;
    it.feeder.write(std::string(300000, 'x'));
    const auto other = [&](bool full) -> task<> {
        if (full) it.feeder.write(std::string(300000, 'x')); // it waits for room now, and not for bytes
        for (int i = 0; i < 5; ++i) co_await yield();
        const bool read = co_await is_refused(it.from.read(1));
        CHECK(read);
        const bool line = co_await is_refused(it.from.next_line());
        CHECK(line);
        const bool pumped = co_await is_refused(pump(it.from, it.to));
        CHECK(pumped);
    };
    SECTION("while it waits for room") {
        auto any = run_in_time(when_any(pump(it.from, it.to), other(true)));
        CHECK(any.index == 1);
    }
    SECTION("while it waits for bytes") {
        auto any = run_in_time(when_any(pump(it.from, it.to), it.taker.read_exactly(300001), other(false)));
        CHECK(any.index == 2);
    }
    it.from.feed("free again");
    const auto talk = [&]() -> task<std::string> { co_return co_await it.from.read(1); };
    CHECK(run_in_time(talk()).size() == 1);
}

TEST_CASE("a pump is refused where a read or a write waits already or the writer is closed", "[io]") {
    two_pipes it;
    auto one = run_in_time(when_any(it.from.read(1), is_refused(pump(it.from, it.to))));
    CHECK(one.index == 1);
    auto other = run_in_time(when_any(it.to.write_all(std::string(300000, 'x')), is_refused(pump(it.from, it.to))));
    CHECK(other.index == 1);
    it.to.abort();
    CHECK(run_in_time(is_refused(pump(it.from, it.to))));
    it.from.feed("x"); // and nothing of it has stuck
    const auto talk = [&]() -> task<std::string> { co_return co_await it.from.read(1); };
    CHECK(run_in_time(talk()) == "x");
}

// ---- failures ----

TEST_CASE("a pump into a broken pipe says so and loses nothing of what was not taken", "[io]") {
    const nothing_leaks check;
    platform::pipe_ends source = platform::make_pipe();
    platform::pipe_ends sink = platform::make_pipe();
    event_loop loop;
    stream_reader from(std::move(source.read));
    stream_writer to(std::move(sink.write));
    put_into(source.write, "unwanted");
    source.write.reset();
    const bool later = GENERATE(false, true);
    const auto leaving = [&]() -> task<> {
        if (later) co_await yield();
        sink.read.reset();
    };
    if (later) to.write(std::string(300000, 'x')); // so that it waits for room
    auto both = run_in_time(when_all(leaving(), error_of(pump(from, to))));
    CHECK(std::get<1>(both) == std::errc::broken_pipe);
    CHECK_FALSE(sigpipe_is_pending());
    const auto talk = [&]() -> task<std::string> { co_return co_await from.read_all(); };
    CHECK(run_in_time(talk()) == "unwanted");
}

TEST_CASE("a SIGPIPE of the host that is pending stays so and none is added", "[io]") {
    struct sigaction disposition {};
    ::sigaction(SIGPIPE, nullptr, &disposition);
    REQUIRE(disposition.sa_handler == SIG_DFL); // so that a SIGPIPE would end this program
    sigset_t sigpipe;
    sigset_t before;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
    const bool was_pending = GENERATE(false, true);
    if (was_pending) ::raise(SIGPIPE);
    {
        two_pipes it;
        it.feeder.write("unwanted");
        it.taker.close();
        CHECK(run_in_time(error_of(pump(it.from, it.to))) == std::errc::broken_pipe);
    }
    CHECK(sigpipe_is_pending() == was_pending);
    ::signal(SIGPIPE, SIG_IGN); // takes off what is pending
    ::sigaction(SIGPIPE, &disposition, nullptr);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE("a pump from what cannot be read says so after what was buffered has gone", "[io]") {
    into_pipe it;
    stream_reader from(unique_fd(::open("/", O_RDONLY | O_CLOEXEC)));
    from.feed("buffered");
    CHECK(run_in_time(error_of(pump(from, it.to))) == std::errc::is_a_directory);
    it.to.close();
    const auto talk = [&]() -> task<std::string> { co_return co_await it.taker.read_all(); };
    CHECK(run_in_time(talk()) == "buffered");
}

TEST_CASE("a pump whose reader is broken off says so", "[io]") {
    two_pipes it;
    const auto breaking = [&](bool full) -> task<> {
        for (int i = 0; i < 5; ++i) co_await yield();
        it.from.feed_error(std::make_error_code(std::errc::io_error));
        if (full) co_await it.taker.read_exactly(300000); // there is room, and the pump is told
    };
    SECTION("while it waits for bytes") {
        auto both = run_in_time(when_all(error_of(pump(it.from, it.to)), breaking(false)));
        CHECK(std::get<0>(both) == std::errc::io_error);
    }
    SECTION("while it waits for room") {
        it.to.write(std::string(300000, 'x'));
        it.from.feed("y");
        auto both = run_in_time(when_all(error_of(pump(it.from, it.to)), breaking(true)));
        CHECK(std::get<0>(both) == std::errc::io_error);
        CHECK(it.from.buffered() == 1);
    }
}

TEST_CASE("a pump whose writer is closed says so", "[io]") {
    two_pipes it;
    const auto closing = [&](bool full) -> task<> {
        if (full) it.feeder.write(std::string(300000, 'x'));
        for (int i = 0; i < 5; ++i) co_await yield();
        it.to.close();
        if (!full) it.feeder.write("x"); // or else there would be nothing to write, and no error
    };
    SECTION("while it waits for room") {
        auto both = run_in_time(when_all(error_of(pump(it.from, it.to)), closing(true)));
        CHECK(std::get<0>(both) == std::errc::operation_canceled);
    }
    SECTION("while it waits for bytes") {
        auto both = run_in_time(when_all(error_of(pump(it.from, it.to)), closing(false)));
        CHECK(std::get<0>(both) == std::errc::operation_canceled);
    }
}

// ---- in the company of others ----

TEST_CASE("nothing that is pumped is dropped while others of its group wait", "[io]") {
    two_pipes it;
    stream_group group;
    it.from.join(group);
    it.from.unread_limit(0);
    const std::string head(300000, '-');
    it.to.write(head); // so that the pump waits for room at first, and nobody reads
    const std::string early = alphabet(50000);
    const auto read_one = [&]() -> task<std::string> { co_return co_await it.from.read(1); };
    auto first = run_in_time(when_all(read_one(), it.feeder.write_all(early))); // leaves some in each buffer
    CHECK(std::get<0>(first) == "a");
    REQUIRE(it.from.dropped() == 0);
    const auto later = [&]() -> task<std::string> {
        for (int i = 0; i < 5; ++i) co_await yield();
        it.feeder.write("late"); // an event for the reader
        for (int i = 0; i < 5; ++i) co_await yield();
        it.feeder.close();
        co_return co_await it.taker.read_all();
    };
    auto both = run_in_time(when_all(pump_and_close(it.from, it.to), later()));
    CHECK((std::get<1>(both) == head + early.substr(1) + "late"));
    CHECK(it.from.dropped() == 0);
}

TEST_CASE("after a pump its reader goes on collecting for its group", "[io]") {
    two_pipes it;
    stream_group group;
    it.from.join(group);
    group_stay somebody_waits;
    somebody_waits.enter(&group);
    const std::string bytes = alphabet(512 << 10);
    const auto talk = [&]() -> task<> {
        auto none = co_await when_any(pump(it.from, it.to), sleep_for(1ms)); // stands, with the pipe full
        CHECK(none.index == 1);
    };
    // Nobody reads, and yet all of it is taken in.
    run_in_time(when_all(talk(), feed_all(it.feeder, bytes)));
    CHECK(it.to.written() + it.from.buffered() <= bytes.size());
    const auto rest = [&]() -> task<std::string> { co_return co_await it.from.read_all(); };
    CHECK(it.to.written() + run_in_time(rest()).size() == bytes.size());
}
