// SPDX-License-Identifier: BSL-1.0
#include <coproc/io/line_stream.hpp>

#include <string>
#include <vector>

#include <coproc/coro/task.hpp>

#include "support/catch.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {
task<std::vector<std::string>> all_of(line_stream lines) {
    std::vector<std::string> seen;
    while (auto line = co_await lines.next()) seen.emplace_back(*line);
    co_return seen;
}
} // namespace

TEST_CASE("a line_stream is a loop over the lines of its reader", "[io]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("a\r\n\nlast");
    reader.feed_eof();
    CHECK(run_in_time(all_of(reader.lines())) == std::vector<std::string>{"a", "", "last"});
    CHECK(run_in_time(all_of(reader.lines())).empty());
}

TEST_CASE("two line_streams of one reader share its lines", "[io]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("a\nb\nc\n");
    const auto talk = [&]() -> task<> {
        line_stream one = reader.lines();
        line_stream other = one;
        const auto first = co_await one.next();
        CHECK(first == "a");
        const auto second = co_await other.next();
        CHECK(second == "b");
        const auto third = co_await one.next();
        CHECK(third == "c");
    };
    run_in_time(talk());
}

TEST_CASE("a line_stream throws what its reader throws and goes on behind it", "[io]") {
    event_loop loop;
    stream_reader reader;
    reader.line_limit(3);
    reader.feed("long line\nok\n");
    const auto talk = [&]() -> task<> {
        line_stream lines = reader.lines();
        bool thrown = false;
        try {
            co_await lines.next();
        } catch (const line_too_long&) {
            thrown = true;
        }
        CHECK(thrown);
        const auto next = co_await lines.next();
        CHECK(next == "ok");
    };
    run_in_time(talk());
}
