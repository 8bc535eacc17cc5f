// SPDX-License-Identifier: BSL-1.0
//
// The memory of a stream: taken from its loop while there are bytes in it, and not a moment longer.
#include <coproc/io/stream_reader.hpp>
#include <coproc/io/stream_writer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/loop/sleep.hpp>

#include "support/catch.hpp"
#include "support/driven.hpp"
#include "support/pipes.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

struct stream_on_a_pipe {
    explicit stream_on_a_pipe(event_loop& loop) : reader(loop) {
        reader.open(platform::nonblocking(std::move(pipe.read)));
    }
    platform::pipe_ends pipe = platform::make_pipe();
    stream_reader reader;
};

constexpr std::size_t one_block = block_pool::smallest;

} // namespace

TEST_CASE("a hundred streams that are dry share one block", "[io]") {
    event_loop loop;
    std::vector<std::unique_ptr<stream_on_a_pipe>> streams;
    for (int i = 0; i < 100; ++i) streams.push_back(std::make_unique<stream_on_a_pipe>(loop));
    const auto talk = [&]() -> task<> {
        for (int round = 0; round < 3; ++round) {
            for (auto& s : streams) {
                put_into(s->pipe.write, "line\nrest\n");
                const auto first = co_await s->reader.read_line();
                CHECK(first == "line");
                CHECK(loop.blocks()->kept() == 0);
                const auto second = co_await s->reader.read_line();
                CHECK(second == "rest");
                CHECK(loop.blocks()->kept() == one_block);
            }
        }
    };
    run_in_time(talk());
    std::vector<driven> waiting; // and so they do while they are waited for
    for (auto& s : streams) waiting.push_back(drive(s->reader.read_line()));
    loop.poll();
    CHECK(loop.blocks()->kept() == one_block);
}

TEST_CASE("every way to read the last byte gives the block back", "[io]") {
    event_loop loop;
    stream_on_a_pipe it(loop);
    const auto talk = [&]() -> task<> {
        char into[16];
        const auto all_is_back = [&] { CHECK(loop.blocks()->kept() == one_block); };
        put_into(it.pipe.write, "abc");
        static_cast<void>(co_await it.reader.read_some(into));
        all_is_back();
        put_into(it.pipe.write, "abc");
        static_cast<void>(co_await it.reader.read(10));
        all_is_back();
        put_into(it.pipe.write, "abc");
        static_cast<void>(co_await it.reader.read_exactly(3));
        all_is_back();
        put_into(it.pipe.write, "abc");
        static_cast<void>(co_await it.reader.read_until("c"));
        all_is_back();
        put_into(it.pipe.write, "abc");
        it.pipe.write.reset();
        static_cast<void>(co_await it.reader.read_all());
        all_is_back();
        const bool at_end = (co_await it.reader.read(1)).empty();
        CHECK(at_end);
        all_is_back();
    };
    run_in_time(talk());
}

TEST_CASE("the block of a view is nobody else's until the next operation on its reader", "[io]") {
    event_loop loop;
    stream_on_a_pipe held(loop);
    stream_on_a_pipe busy(loop);
    const auto talk = [&]() -> task<> {
        put_into(held.pipe.write, "the only line\n");
        const std::optional<std::string_view> line = co_await held.reader.next_line();
        for (int i = 0; i < 10; ++i) {
            put_into(busy.pipe.write, "something else altogether\n");
            const auto other = co_await busy.reader.read_line();
            CHECK(other == "something else altogether");
        }
        CHECK(line == "the only line");
        put_into(held.pipe.write, "another\n");
        const std::optional<std::string_view> next = co_await held.reader.next_line();
        CHECK(next == "another");
    };
    run_in_time(talk());
}

TEST_CASE("a writer that has written everything has given its block back", "[io]") {
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    stream_writer writer(std::move(pipe.write));
    const auto talk = [&]() -> task<> {
        writer.write(std::string(300'000, 'x')); // more than the pipe takes
        CHECK(writer.buffered() != 0);
        const std::size_t while_buffered = loop.blocks()->kept();
        while (writer.buffered() != 0) {
            static_cast<void>(take_from(pipe.read));
            co_await yield();
        }
        CHECK(loop.blocks()->kept() > while_buffered);
    };
    run_in_time(talk());
}

TEST_CASE("a stream may be destroyed after its loop", "[io]") {
    std::optional<event_loop> loop(std::in_place);
    stream_reader reader(*loop);
    stream_writer writer(*loop);
    reader.feed("unread");
    loop.reset();
    CHECK(reader.buffered() == 6);
}
