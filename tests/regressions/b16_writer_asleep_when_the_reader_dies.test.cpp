// SPDX-License-Identifier: BSL-1.0
//
// A writer that sleeps on when its reader has died.
//
// What users saw: a write to a child's stdin never came back when the child was gone.
// Root cause: on a full pipe whose reader has closed it, epoll reports EPOLLERR alone and no EPOLLOUT; who waits for
// room only, waits for ever.
// Reports: tokio #2174 (PR #2218); the EOF flag of EVFILT_WRITE on FreeBSD.
// Why not here: epoll_backend::translate makes an error or a hang-up a readiness to read and to write, and write(2)
// then says EPIPE.
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

task<bool> breaks(stream_writer& writer, const std::string& bytes) {
    try {
        co_await writer.write_all(bytes);
    } catch (const stream_error& e) {
        co_return e.code() == std::errc::broken_pipe;
    }
    co_return false;
}

} // namespace

// Seen to fail: epoll_backend::translate without `gone ||` for writing, and the writer heeding it; "hangs: nothing came
// of it in 30 s".
TEST_CASE("a write that waits on a full pipe ends when the reader closes it", "[regression]") {
    const nothing_leaks check;
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    fill(pipe.write);
    stream_writer writer(std::move(pipe.write));
    const auto leave = [&]() -> task<> {
        co_await yield();
        co_await yield(); // the writer waits for room by then
        pipe.read.reset();
    };
    const std::string bytes = "more";
    const auto talk = [&]() -> task<bool> {
        auto both = co_await when_all(breaks(writer, bytes), leave());
        co_return std::get<0>(both);
    };
    CHECK(run_in_time(talk()));
}

TEST_CASE("a write to a child that is killed meanwhile ends", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("ignore_term")); // which does not read
        co_await p.read_line();
        const std::string much(1000000, 'x');
        const auto kill_it = [](async_process& q) -> task<> {
            co_await sleep_for(1ms);
            q.kill();
        };
        auto both = co_await when_all(breaks(p.in(), much), kill_it(p));
        CHECK(std::get<0>(both));
        const exit_status s = co_await p.wait();
        CHECK(s.signal() == SIGKILL);
    };
    run_in_time(talk());
}
