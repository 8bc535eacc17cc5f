// SPDX-License-Identifier: BSL-1.0
//
// The kernel says that there is something to read, and then there is not.
#include <fcntl.h>

#include <string>
#include <utility>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/io/stream_reader.hpp>
#include <coproc/loop/sleep.hpp>

#include "support/catch.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("what is readable and then is not delivers nothing and ends nothing", "[io]") {
    const nothing_leaks check;
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    unique_fd copy(::fcntl(pipe.read.get(), F_DUPFD_CLOEXEC, 3));
    // Both are told of every byte, and only one of them can have it.
    stream_reader one(std::move(pipe.read));
    stream_reader other(std::move(copy));
    const auto write = [&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            put_into(pipe.write, "x");
            co_await sleep_for(100us);
        }
        put_into(pipe.write, "\n");
        co_await sleep_for(1ms);
        pipe.write.reset();
    };
    const auto count = [](stream_reader& reader) -> task<std::size_t> {
        std::size_t bytes = 0;
        for (;;) {
            const std::string some = co_await reader.read(100);
            if (some.empty()) co_return bytes; // and not before the end
            CHECK(reader.buffered() == 0);
            bytes += some.size();
        }
    };
    auto all = run_in_time(when_all(count(one), count(other), write()));
    CHECK(std::get<0>(all) + std::get<1>(all) == 21);
    CHECK(one.at_eof());
    CHECK(other.at_eof());
}
