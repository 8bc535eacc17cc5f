// SPDX-License-Identifier: BSL-1.0
//
// Which pipes are enlarged, and which never are: the user has only so much of pipe buffers, and may have none left.
#if defined(__linux__)

#include <coproc/io/stream_reader.hpp>
#include <coproc/io/stream_writer.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/sleep.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

constexpr int usual = platform::usual_pipe_size;
constexpr int bulk = platform::bulk_pipe_size;

int size_of(const unique_fd& pipe) { return ::fcntl(pipe.get(), F_GETPIPE_SZ); }

// Not where pages are larger, or where whoever runs the tests has spent his pipe buffers.
bool pipes_are_usual() {
    const platform::pipe_ends fresh = platform::make_pipe();
    if (size_of(fresh.read) == usual) return true;
    WARN("pipes are not of the usual size here: not tested");
    return false;
}

// As many bytes as the pipe holds, put in and read again.
task<> carry_a_full_pipe(const unique_fd& end, stream_reader& reader) {
    for (std::size_t left = fill(end); left != 0;) {
        const std::string some = co_await reader.read(left);
        left -= some.size();
    }
}

struct bulk_reader {
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    stream_reader reader{std::move(pipe.read)};
};

struct bulk_writer {
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    stream_writer writer{std::move(pipe.write)};
};

} // namespace

TEST_CASE("a pipe that is full whenever it is read is enlarged and not before that is seen", "[io]") {
    if (!pipes_are_usual()) return;
    const nothing_leaks check;
    bulk_reader it;
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < 4; ++i) { // the first of them in small reads
            CHECK(size_of(it.pipe.write) == usual);
            co_await carry_a_full_pipe(it.pipe.write, it.reader);
        }
        for (int i = 0; i < 2; ++i) co_await carry_a_full_pipe(it.pipe.write, it.reader);
        CHECK(size_of(it.pipe.write) == bulk);
        for (int i = 0; i < 10; ++i) co_await carry_a_full_pipe(it.pipe.write, it.reader);
        CHECK(size_of(it.pipe.write) == bulk);
    };
    run_in_time(talk());
}

TEST_CASE("a pipe is enlarged for its reader once", "[io]") {
    if (!pipes_are_usual()) return;
    bulk_reader it;
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < 10; ++i) co_await carry_a_full_pipe(it.pipe.write, it.reader);
        CHECK(size_of(it.pipe.write) == bulk);
        REQUIRE(::fcntl(it.pipe.write.get(), F_SETPIPE_SZ, usual) == usual);
        for (int i = 0; i < 10; ++i) co_await carry_a_full_pipe(it.pipe.write, it.reader);
        CHECK(size_of(it.pipe.write) == usual);
        // The next one is another pipe.
        it.pipe = platform::make_pipe();
        it.reader.open(platform::nonblocking(std::move(it.pipe.read)));
        for (int i = 0; i < 10; ++i) co_await carry_a_full_pipe(it.pipe.write, it.reader);
        CHECK(size_of(it.pipe.write) == bulk);
    };
    run_in_time(talk());
}

TEST_CASE("a stream of small messages keeps the pipe that it was born with", "[io]") {
    if (!pipes_are_usual()) return;
    bulk_reader in;
    platform::pipe_ends pipe = platform::make_pipe();
    stream_writer writer(std::move(pipe.write));
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < 2000; ++i) {
            put_into(in.pipe.write, std::string(1000, 'x'));
            const std::string some = co_await in.reader.read(100'000);
            CHECK(some.size() == 1000);
            co_await writer.write_all(some);
            CHECK(take_from(pipe.read) == some);
        }
        // A full pipe now and then is not many in a row.
        for (int i = 0; i < 10; ++i) {
            co_await carry_a_full_pipe(in.pipe.write, in.reader);
            put_into(in.pipe.write, "small");
            const std::string small = co_await in.reader.read(100'000);
            CHECK(small == "small");
        }
    };
    run_in_time(talk());
    CHECK(size_of(in.pipe.write) == usual);
    CHECK(size_of(pipe.read) == usual);
}

// Seen to fail: bytes that are fetched for a read before those that are buffered.
TEST_CASE("a large read gets what is buffered first and then its bytes straight from the pipe", "[io]") {
    const nothing_leaks check;
    bulk_reader it;
    const auto talk = [&]() -> task<> {
        const std::string sent = alphabet(50'000);
        put_into(it.pipe.write, sent);
        std::string seen = co_await it.reader.read_exactly(10); // and buffers more
        std::vector<char> into(1'000'000);
        while (seen.size() < sent.size()) {
            const std::size_t got = co_await it.reader.read_some(into);
            seen.append(into.data(), got);
        }
        CHECK((seen == sent));
        put_into(it.pipe.write, sent);
        const std::size_t at_once = co_await it.reader.read_some(into);
        CHECK(at_once == sent.size());
        CHECK((std::string(into.data(), at_once) == sent));
        CHECK(it.reader.buffered() == 0);
        it.pipe.write.reset();
        const std::size_t at_the_end = co_await it.reader.read_some(into);
        CHECK(at_the_end == 0);
        CHECK(it.reader.at_eof());
    };
    run_in_time(talk());
}

// Seen to fail: a read that waits fetching to where it wants its bytes.
TEST_CASE("a large read that is cancelled at the moment of arrival has taken nothing", "[io]") {
    const nothing_leaks check;
    bulk_reader it;
    const std::string sent = alphabet(60'000);
    std::vector<char> into(1'000'000);
    const auto writer = [&]() -> task<> { // comes due in the turn that tells of the bytes, and first
        co_await yield();
        put_into(it.pipe.write, sent);
        co_await yield();
    };
    const auto talk = [&]() -> task<> {
        auto first = co_await when_any(it.reader.read_some(into), writer());
        CHECK(first.index == 1);
        it.pipe.write.reset();
        const std::string seen = co_await it.reader.read_all();
        CHECK((seen == sent));
    };
    run_in_time(talk());
}

TEST_CASE("a pipe is enlarged when as much again as it holds is still to be written", "[io]") {
    if (!pipes_are_usual()) return;
    const nothing_leaks check;
    const std::string twice(2 * std::size_t{usual}, 'x');
    bulk_writer little_less;
    little_less.writer.write(twice.substr(1));
    CHECK(size_of(little_less.pipe.read) == usual);
    CHECK(little_less.writer.buffered() == usual - 1);
    bulk_writer it;
    it.writer.write(twice);
    CHECK(size_of(it.pipe.read) == bulk);
    CHECK(it.writer.buffered() == 0);
    CHECK(take_from(it.pipe.read) == twice);
    // Once.
    REQUIRE(::fcntl(it.pipe.read.get(), F_SETPIPE_SZ, usual) == usual);
    it.writer.write(twice);
    CHECK(size_of(it.pipe.read) == usual);
    CHECK(it.writer.buffered() == usual);
}

TEST_CASE("a write_all of bulk arrives whole through the enlarged pipe", "[io]") {
    if (!pipes_are_usual()) return;
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    stream_writer writer(std::move(pipe.write));
    stream_reader reader(std::move(pipe.read));
    const std::string bytes = alphabet(5'000'000);
    const auto write = [&]() -> task<> {
        co_await writer.write_all(bytes);
        writer.close();
    };
    auto both = run_in_time(when_all(write(), reader.read_all()));
    CHECK(std::get<1>(both) == bytes);
}

TEST_CASE("a pipe that somebody has made small or large stays as it is", "[io]") {
    for (const int size : {4096, 1 << 20}) {
        bulk_writer it;
        if (::fcntl(it.pipe.read.get(), F_SETPIPE_SZ, size) != size) continue; // larger pages, or nothing left
        it.writer.write(std::string(3'000'000, 'x'));
        CHECK(it.writer.buffered() == 3'000'000 - static_cast<std::size_t>(size));
        CHECK(size_of(it.pipe.read) == size);
    }
}

TEST_CASE("a user who has no pipe buffers left is served by the pipes as they are", "[io]") {
    if (!pipes_are_usual()) return;
    if (::geteuid() != 0) return; // root has as many as he likes, and this user's are needed by other tests
    const int code = in_a_fork([] {
        if (::setgid(61234) != 0 || ::setuid(61234) != 0) return 1;
        platform::pipe_ends before = platform::make_pipe();
        if (size_of(before.read) != usual) return 2;
        std::vector<platform::pipe_ends> hoard;
        for (int refused = 0; refused == 0 && hoard.size() < 200;) {
            hoard.push_back(platform::make_pipe());
            if (::fcntl(hoard.back().read.get(), F_SETPIPE_SZ, 1 << 20) < 0) refused = errno;
            if (refused != 0 && refused != EPERM) return 3;
        }
        platform::pipe_ends poor = platform::make_pipe();
        if (size_of(poor.read) >= usual) return 4; // there is no such limit here
        for (platform::pipe_ends* const pipe : {&before, &poor}) {
            const int size = size_of(pipe->read);
            const int watched = ::dup(pipe->read.get());
            event_loop loop;
            stream_writer writer(std::move(pipe->write));
            stream_reader reader(std::move(pipe->read));
            const std::string bytes = alphabet(3'000'000);
            const auto write = [&]() -> task<> {
                co_await writer.write_all(bytes);
                writer.close();
            };
            auto both = loop.run(when_all(write(), reader.read_all()));
            if (std::get<1>(both) != bytes) return 5;
            if (::fcntl(watched, F_GETPIPE_SZ) != size) return 6;
        }
        return 0;
    });
    CHECK((code == 0 || code == 4));
}

#endif
