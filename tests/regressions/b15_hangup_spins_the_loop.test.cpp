// SPDX-License-Identifier: BSL-1.0
//
// A hang-up that cannot be masked makes the loop spin, or is taken for the end.
//
// What users saw: while reading was paused the loop turned at 100 % of a CPU; or a hang-up was taken for the end of the
// stream, with bytes still in it.
// Root cause: EPOLLHUP and EPOLLERR are reported with an event mask of 0, too, and come beside data that is still
// there. Reports: h2o #603, cups #4605, oven-sh/bun #33974, fibers #19; bytes lost behind a hang-up: twisted #7932, nim
// #1990, cats-effect #4421. Why not here: registrations are edge-triggered (EPOLLET in epoll_backend::add, EV_CLEAR),
// so a hang-up that nobody acts upon is told once; and the end of a stream is only what read(2) answers with 0
// (stream_reader::read_once).
#include <chrono>
#include <cstdint>
#include <string>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: epoll_backend::add without EPOLLET; "60566 < 20" turns.
TEST_CASE("a loop sleeps though a stream that nobody reads has been hung up", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("flood"), "1:40000", "2:40000");
        const std::string first = co_await p.out().read(1); // watched from now on, and full of bytes
        CHECK(first == "a");
        while (p.running()) co_await sleep_for(1ms);
        event_loop& loop = event_loop::current();
        const std::uint64_t before = loop.turn_number();
        co_await sleep_for(100ms);
        CHECK(loop.turn_number() - before < 20);
        const std::string rest = co_await p.read_stdout();
        CHECK((first + rest == alphabet(40000)));
    };
    run_in_time(talk());
}

// Seen to fail: stream_reader::on_event taking a hang-up for the end; `false`, all bytes were missing.
TEST_CASE("what lies before a hang-up is read to the last byte", "[regression]") {
    const nothing_leaks check;
    event_loop loop;
    for (const std::size_t size : {std::size_t{1}, std::size_t{4095}, std::size_t{4096}, std::size_t{60000}}) {
        platform::pipe_ends pipe = platform::make_pipe();
        stream_reader reader(std::move(pipe.read));
        const auto write_and_leave = [&]() -> task<> {
            co_await yield(); // the reader waits by then
            put_into(pipe.write, alphabet(size));
            pipe.write.reset(); // data and hang-up are one event
        };
        const auto talk = [&]() -> task<std::string> {
            auto both = co_await when_all(reader.read_all(), write_and_leave());
            co_return std::move(std::get<0>(both));
        };
        CHECK((run_in_time(talk()) == alphabet(size)));
    }
}
