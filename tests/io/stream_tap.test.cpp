// SPDX-License-Identifier: BSL-1.0
//
// A tap sees every byte that comes, whoever reads it and by what way.
#include <coproc/io/stream_tap.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/io/pump.hpp>
#include <coproc/io/stream_reader.hpp>
#include <coproc/io/stream_writer.hpp>
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

// Keeps what it has seen, and does with it what a test asks for.
struct witness final : stream_tap {
    void take(std::string_view bytes) override {
        seen += bytes;
        ++calls;
        if (then) then(bytes);
    }
    bool keeps() const noexcept override { return kept; }

    std::string seen;
    int calls = 0;
    bool kept = true;
    std::function<void(std::string_view)> then;
};

// A pipe whose reader has a tap.
struct tapped_pipe {
    explicit tapped_pipe(bool kept = true) {
        tap->kept = kept;
        reader.emplace(std::move(pipe.read));
        reader->tap(tap);
    }

    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    std::shared_ptr<witness> tap = std::make_shared<witness>();
    std::optional<stream_reader> reader;
};

void turns(event_loop& loop, int number) {
    for (int i = 0; i < number; ++i) loop.poll();
}

task<> writes_all(stream_writer& to, std::string_view bytes) {
    co_await to.write_all(bytes);
    to.close();
}

template <class A>
task<std::string> what_is_thrown(A what) {
    try {
        co_await std::move(what);
    } catch (const std::exception& e) {
        co_return e.what();
    }
    co_return "";
}

} // namespace

TEST_CASE("a tap sees what comes though nobody waits and reads find it all the same", "[io]") {
    const nothing_leaks check;
    tapped_pipe it;
    put_into(it.pipe.write, "some ");
    turns(it.loop, 1);
    CHECK(it.tap->seen == "some ");
    put_into(it.pipe.write, "words\n");
    turns(it.loop, 1);
    CHECK(it.tap->seen == "some words\n");
    const auto line = run_in_time(it.reader->read_line());
    CHECK(line == "some words");
    CHECK(it.tap->seen == "some words\n");
}

TEST_CASE("a tap sees each byte once by whatever it is read", "[io]") {
    const nothing_leaks check;
    tapped_pipe it;
    stream_writer writer(std::move(it.pipe.write));
    const std::string line = "a line of text\n";
    const std::string bulk = alphabet(several_mib);
    const auto read = [&]() -> task<> {
        stream_reader& r = *it.reader;
        const auto first = co_await r.read_line();
        CHECK(first == "a line of text");
        const auto second = co_await r.next_line();
        CHECK(second == "a line of text");
        const std::string third = co_await r.read_until("\n");
        CHECK(third == line);
        std::string exact = co_await r.read_exactly(bulk.size() / 2);
        std::vector<char> into(200000); // straight into this, without a tap
        while (exact.size() < bulk.size()) {
            const std::size_t n =
                co_await r.read_some(std::span(into).first(std::min(into.size(), bulk.size() - exact.size())));
            exact.append(into.data(), n);
        }
        CHECK((exact == bulk));
        const std::string rest = co_await r.read_all();
        CHECK(rest == line);
    };
    const std::string all = line + line + line + bulk + line;
    run_in_time(when_all(read(), writes_all(writer, all)));
    CHECK((it.tap->seen == all));
}

TEST_CASE("a tap has seen a byte before any read yields it", "[io]") {
    tapped_pipe it;
    stream_writer writer(std::move(it.pipe.write));
    const std::string bytes = alphabet(300000);
    const auto read = [&]() -> task<> {
        std::size_t got = 0;
        for (;;) {
            const std::string some = co_await it.reader->read(1000);
            if (some.empty()) break;
            got += some.size();
            CHECK(it.tap->seen.size() >= got);
        }
        CHECK(got == bytes.size());
    };
    run_in_time(when_all(read(), writes_all(writer, bytes)));
}

TEST_CASE("a tap sees what a pump moves", "[io]") {
    const nothing_leaks check;
    tapped_pipe it;
    stream_writer feeder(std::move(it.pipe.write));
    platform::pipe_ends second = platform::make_pipe();
    stream_writer to(std::move(second.write));
    stream_reader taker(std::move(second.read));
    const std::string bytes = alphabet(several_mib);
    const auto moving = [&]() -> task<> {
        const std::uint64_t moved = co_await pump(*it.reader, to);
        CHECK(moved == bytes.size());
        to.close();
    };
    auto all = run_in_time(when_all(writes_all(feeder, bytes), moving(), taker.read_all()));
    CHECK((std::get<2>(all) == bytes));
    CHECK((it.tap->seen == bytes));
}

TEST_CASE("a pump from a stream with a tap takes no more than its other side does", "[io]") {
    tapped_pipe it;
    stream_writer feeder(std::move(it.pipe.write));
    const platform::pipe_ends second = platform::make_pipe();
    stream_writer to(unique_fd(::dup(second.write.get())));
    const std::string bytes = alphabet(several_mib);
    {
        const driven feeding = drive(writes_all(feeder, bytes));
        const driven moving = drive(pump(*it.reader, to));
        turns(it.loop, 100);
        CHECK(it.tap->seen.size() < 1000000);
        CHECK(it.reader->dropped() == 0);
    }
    feeder.abort();
    std::string all = take_from(second.read);
    to.abort();
    all += run_in_time(it.reader->read_all());
    CHECK((all == it.tap->seen));
    CHECK(bytes.starts_with(all));
}

TEST_CASE("a tap sees what is fed", "[io]") {
    event_loop loop;
    stream_reader reader(loop);
    const auto tap = std::make_shared<witness>();
    reader.tap(tap);
    reader.feed("one\n");
    reader.feed("two");
    CHECK(tap->seen == "one\ntwo");
    reader.feed_eof();
    CHECK(run_in_time(reader.read_all()) == "one\ntwo");
}

TEST_CASE("a tap on a file sees it to its end", "[io]") {
    const nothing_leaks check;
    const temporary_directory directory;
    event_loop loop;
    const std::string bytes = alphabet(several_mib);
    stream_reader reader(open_file(directory.file("file", bytes), O_RDONLY));
    const auto tap = std::make_shared<witness>();
    reader.tap(tap);
    for (int i = 0; i < 100 && !reader.at_eof() && reader.is_open(); ++i) loop.poll();
    CHECK((tap->seen == bytes));
    const std::string read = run_in_time(reader.read_all());
    CHECK((read == bytes));
}

TEST_CASE("a stream with a tap is taken in however much that is and keeps what its limit says", "[io]") {
    tapped_pipe it;
    stream_writer writer(std::move(it.pipe.write));
    it.reader->unread_limit(1000);
    const std::string bytes = alphabet(several_mib);
    run_in_time(writes_all(writer, bytes)); // nothing of the reader is awaited
    while (it.reader->is_open()) it.loop.poll();
    const std::string rest = run_in_time(it.reader->read_all());
    CHECK((it.tap->seen == bytes));
    CHECK((rest == bytes.substr(bytes.size() - 1000)));
    CHECK(it.reader->dropped() == bytes.size() - 1000);
}

TEST_CASE("behind a tap that keeps nothing there is only the end", "[io]") {
    tapped_pipe it(false);
    stream_writer writer(std::move(it.pipe.write));
    const std::string bytes = alphabet(several_mib);
    auto both = run_in_time(when_all(it.reader->read_all(), writes_all(writer, bytes)));
    CHECK(std::get<0>(both).empty());
    CHECK((it.tap->seen == bytes));
    CHECK(it.reader->arrived() == bytes.size());
    CHECK(it.reader->dropped() == 0);
}

TEST_CASE("a line that is passed over is seen by a tap", "[io]") {
    tapped_pipe it;
    it.reader->line_limit(4, long_line::skip);
    put_into(it.pipe.write, "a long line that comes ");
    turns(it.loop, 2);
    const driven reading = drive(it.reader->read_line());
    CHECK_FALSE(reading.done());
    put_into(it.pipe.write, "in pieces\nok\n");
    turns(it.loop, 2);
    CHECK(reading.done());
    CHECK(it.tap->seen == "a long line that comes in pieces\nok\n");
}

// ---- what it throws ----

TEST_CASE("what a tap throws the read that waits throws and the next one finds the bytes", "[io]") {
    tapped_pipe it;
    it.tap->then = [&](std::string_view) {
        it.tap->then = nullptr;
        throw std::runtime_error("the tap");
    };
    const auto talk = [&]() -> task<> {
        auto both = co_await when_all(what_is_thrown(it.reader->read_exactly(100)), [&]() -> task<> {
            put_into(it.pipe.write, "line\n");
            co_return;
        }());
        CHECK(std::get<0>(both) == "the tap");
        const auto line = co_await it.reader->read_line();
        CHECK(line == "line");
    };
    run_in_time(talk());
}

TEST_CASE("what a tap has thrown the next read throws once though there are bytes", "[io]") {
    tapped_pipe it;
    it.tap->then = [](std::string_view) { throw std::runtime_error("the tap"); };
    put_into(it.pipe.write, "one\n");
    turns(it.loop, 1);
    put_into(it.pipe.write, "two\n");
    turns(it.loop, 1);
    it.pipe.write.reset();
    turns(it.loop, 1);
    CHECK(it.tap->calls == 2); // it goes on
    const auto talk = [&]() -> task<> {
        const std::string first = co_await what_is_thrown(it.reader->read_line());
        CHECK(first == "the tap");
        const std::string all = co_await it.reader->read_all();
        CHECK(all == "one\ntwo\n");
    };
    run_in_time(talk());
}

TEST_CASE("a read that is cancelled leaves what a tap has thrown to the next", "[io]") {
    tapped_pipe it;
    std::optional<driven> waiting;
    it.tap->then = [&](std::string_view) { throw std::runtime_error("the tap"); };
    const auto talk = [&]() -> task<> {
        waiting.emplace(drive(it.reader->read_line()));
        put_into(it.pipe.write, "x");
        // Posted functions are called when the read has been scheduled and before it is resumed.
        while (it.tap->calls == 0) {
            it.loop.post([&] {
                if (it.tap->calls != 0) waiting.reset();
            });
            co_await yield();
        }
        CHECK_FALSE(waiting);
        const std::string said = co_await what_is_thrown(it.reader->read_line());
        CHECK(said == "the tap");
    };
    run_in_time(talk());
}

TEST_CASE("a pump throws what the tap of its source throws and loses nothing", "[io]") {
    tapped_pipe it;
    platform::pipe_ends second = platform::make_pipe();
    stream_writer to(std::move(second.write));
    it.tap->then = [](std::string_view) { throw std::runtime_error("the tap"); };
    put_into(it.pipe.write, "bytes");
    it.pipe.write.reset();
    CHECK(run_in_time(what_is_thrown(pump(*it.reader, to))) == "the tap");
    std::string all = take_from(second.read);
    all += run_in_time(it.reader->read_all());
    CHECK(all == "bytes");
}

TEST_CASE("an error that was fed is still thrown after that of a tap", "[io]") {
    event_loop loop;
    stream_reader reader(loop);
    const auto tap = std::make_shared<witness>();
    tap->then = [](std::string_view) { throw std::runtime_error("the tap"); };
    reader.tap(tap);
    reader.feed("x");
    reader.feed_error(std::make_error_code(std::errc::io_error));
    CHECK(run_in_time(what_is_thrown(reader.read(1))) == "the tap");
    for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(run_in_time(reader.read(1)), stream_error);
}

// ---- what it may do ----

// Or else what it destroys might be the coroutine that is just being suspended. Seen to fail: taken in where the read
// begins to wait.
TEST_CASE("a tap is called by the loop and never within a read", "[io]") {
    const temporary_directory directory;
    event_loop loop;
    stream_reader reader(open_file(directory.file("file", "some words"), O_RDONLY)); // which could be read at once
    const auto tap = std::make_shared<witness>();
    bool within = true;
    bool called_within = false;
    tap->then = [&](std::string_view) { called_within = called_within || within; };
    reader.tap(tap);
    stream_group group;
    reader.join(group);
    {
        const driven reading = drive(reader.read_exactly(100));
        group.enter();
        group.leave();
        within = false;
        turns(loop, 2);
    }
    CHECK(tap->seen == "some words");
    CHECK_FALSE(called_within);
}

TEST_CASE("a stream cannot be used by its own tap", "[io]") {
    tapped_pipe it;
    std::string said;
    it.tap->then = [&](std::string_view) {
        try {
            const driven reading = drive(it.reader->read_line());
            static_cast<void>(reading.done());
        } catch (const usage_error& e) {
            said = e.what();
        }
        it.reader->feed("more");
    };
    put_into(it.pipe.write, "x\n");
    turns(it.loop, 1);
    CHECK(said == "stream: used by what sees its bytes while they come");
    CHECK_THROWS_AS(run_in_time(it.reader->read_line()), usage_error); // that of feed
    it.tap->then = nullptr;
    CHECK(run_in_time(it.reader->read_line()) == "x");
}

TEST_CASE("a tap can cancel the read that waits", "[io]") {
    tapped_pipe it;
    std::optional<driven> waiting;
    it.tap->then = [&](std::string_view) { waiting.reset(); };
    waiting.emplace(drive(it.reader->read_exactly(100)));
    put_into(it.pipe.write, "bytes");
    turns(it.loop, 2);
    CHECK_FALSE(waiting);
    it.pipe.write.reset();
    CHECK(run_in_time(it.reader->read_all()) == "bytes");
}

TEST_CASE("a tap can cancel a pump in the middle", "[io]") {
    tapped_pipe it;
    platform::pipe_ends second = platform::make_pipe();
    stream_writer to(std::move(second.write));
    std::optional<driven> moving;
    it.tap->then = [&](std::string_view) { moving.reset(); };
    moving.emplace(drive(pump(*it.reader, to)));
    put_into(it.pipe.write, "bytes");
    turns(it.loop, 2);
    it.pipe.write.reset();
    CHECK(take_from(second.read) + run_in_time(it.reader->read_all()) == "bytes");
}

TEST_CASE("a tap can close its stream or destroy it and itself", "[io]") {
    const nothing_leaks check;
    SECTION("close") {
        tapped_pipe it;
        it.tap->then = [&](std::string_view) { it.reader->close(); };
        put_into(it.pipe.write, "bytes");
        turns(it.loop, 3);
        CHECK(it.tap->calls == 1);
        CHECK(it.reader->at_eof());
    }
    SECTION("destroy") {
        tapped_pipe it;
        witness& tap = *it.tap;
        std::string seen_after;
        const std::string text(100, 'x');
        tap.then = [&seen_after, &it, text](std::string_view) {
            it.reader.reset();
            seen_after = text; // of what it holds itself
        };
        it.tap.reset();
        put_into(it.pipe.write, "bytes");
        turns(it.loop, 3);
        CHECK(seen_after == text);
    }
    SECTION("destroy what is fed") {
        event_loop loop;
        std::optional<stream_reader> reader(loop);
        const auto tap = std::make_shared<witness>();
        tap->then = [&](std::string_view) { reader.reset(); };
        reader->tap(tap);
        reader->feed("x");
        CHECK_FALSE(reader);
    }
}

// As when a sink lets go of its child, and then of the user's own reader of it.
TEST_CASE("a stream whose tap takes it out of its group can be destroyed by that tap afterwards", "[io]") {
    const nothing_leaks check;
    tapped_pipe it;
    stream_group group;
    it.reader->join(group);
    it.tap->then = [&](std::string_view) {
        it.reader->leave_group();
        it.reader.reset();
    };
    put_into(it.pipe.write, "bytes");
    SECTION("by an event") { turns(it.loop, 3); }
    SECTION("asked for") { CHECK_FALSE(it.reader->show_now()); }
    CHECK(it.tap->calls == 1);
    CHECK_FALSE(it.reader);
}

TEST_CASE("a stream whose tap gives it another one can be destroyed by that", "[io]") {
    const nothing_leaks check;
    tapped_pipe it;
    stream_group group;
    it.reader->join(group);
    const auto next = std::make_shared<witness>();
    next->then = [&](std::string_view) { it.reader.reset(); };
    it.tap->then = [&](std::string_view) {
        it.reader->leave_group();
        it.reader->tap(next);
    };
    // More than one read takes, so that both taps are called in one go.
    put_into(it.pipe.write, alphabet(50000));
    CHECK_FALSE(it.reader->show_now());
    CHECK(it.tap->calls == 1);
    CHECK(next->calls == 1);
}

// What the tap is shown lies in the buffer and is not counted as come yet: a read would put its bytes over it.
TEST_CASE("a stream that its tap has taken out of its group is in use until that returns", "[io]") {
    tapped_pipe it;
    stream_group group;
    it.reader->join(group);
    std::optional<driven> reading;
    bool fed = false;
    it.tap->then = [&](std::string_view) {
        it.reader->leave_group();
        reading.emplace(drive(it.reader->read_exactly(4)));
        it.reader->feed("over it");
        fed = true;
    };
    put_into(it.pipe.write, "abcdefgh");
    turns(it.loop, 1);
    CHECK_THROWS_AS(reading->done(), usage_error);
    CHECK_FALSE(fed);
    CHECK(it.tap->calls == 1);
    put_into(it.pipe.write, "ijkl");
    it.pipe.write.reset();
    CHECK(run_in_time(it.reader->read_all()) == "abcdefghijkl");
    CHECK(it.tap->calls == 1);
}

TEST_CASE("a stream that is opened again has no tap", "[io]") {
    tapped_pipe it;
    put_into(it.pipe.write, "one");
    turns(it.loop, 1);
    it.reader->close();
    platform::pipe_ends other = platform::make_pipe();
    put_into(other.write, "two");
    other.write.reset();
    it.reader->open(platform::nonblocking(std::move(other.read)));
    CHECK(run_in_time(it.reader->read_all()) == "two");
    CHECK(it.tap->seen == "one");
    CHECK(it.tap.use_count() == 1);
}

TEST_CASE("a stream that floods its tap leaves time for others", "[io]") {
    const temporary_directory directory;
    event_loop loop;
    const unique_fd file = open_file(directory.file("file", ""), O_WRONLY);
    REQUIRE(::ftruncate(file.get(), 64 << 20) == 0);
    stream_reader reader(open_file(directory / "file", O_RDONLY));
    const auto tap = std::make_shared<witness>();
    reader.tap(tap);
    loop.poll();
    CHECK(tap->seen.size() < std::size_t{3} << 20);
    loop.poll();
    CHECK(tap->seen.size() > std::size_t{1} << 20);
}
