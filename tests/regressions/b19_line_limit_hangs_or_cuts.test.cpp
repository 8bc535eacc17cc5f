// SPDX-License-Identifier: BSL-1.0
//
// The limit of a line that turns into a hang, a loss or a silent cut.
//
// What users saw: "Separator is not found, and chunk exceed the limit" after 64 KiB, and from then on nothing, with the
// child stuck; lines that came cut in two, or without their middle; a delimiter that was not seen because it lay across
// two chunks.
// Root cause: the reader threw and nobody took the bytes away, so that the child blocked on a full pipe; a splitter
// that looked at one chunk at a time. Reports: cocotb-test #217 and many threads about asyncio's limit of 64 KiB;
// swift-subprocess 195fcee (cut, then throw), #78 (PR #91, a separator cut by the buffer). Why not here:
// read_buffer::take_line_view passes over exactly the line that is too long, however much of it is still to come, and
// the next read begins behind it; find() searches again what may be the beginning of a delimiter.
#include <optional>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

// A line of a million bytes between two short ones: what comes of them.
task<std::vector<std::string>> lines_of(long_line policy) {
    async_process p(child("flood"), "1:3", "1:=", "1:1000000", "1:=", "1:5", "1:=");
    p.out().line_limit(10, policy);
    std::vector<std::string> seen;
    for (bool ended = false; !ended;) {
        try {
            std::optional<std::string> line = co_await p.read_line();
            ended = !line;
            if (line) seen.push_back(std::move(*line));
        } catch (const line_too_long& e) {
            seen.push_back(std::to_string(e.limit()) + " passed");
        }
    }
    const exit_status s = co_await p.wait(); // the child was not stuck
    CHECK(s.success());
    co_return seen;
}

using texts = std::vector<std::string>;

} // namespace

// Seen to fail: take_line_view throwing without passing over the line; it threw for ever, ended by the time
// limit.
TEST_CASE("after a line that is too long reading goes on at the next one", "[regression][process]") {
    const nothing_leaks check;
    CHECK(run_in_time(lines_of(long_line::fail)) == texts{"abc", "10 passed", "abcde"});
}

TEST_CASE("a line that is too long is dealt with as was said and never silently", "[regression][process]") {
    const nothing_leaks check;
    CHECK(run_in_time(lines_of(long_line::truncate)) == texts{"abc", "abcdefghij", "abcde"});
    CHECK(run_in_time(lines_of(long_line::skip)) == texts{"abc", "abcde"});
    const texts pieces = run_in_time(lines_of(long_line::split));
    REQUIRE(pieces.size() == 100002);
    std::string middle;
    for (std::size_t i = 1; i + 1 < pieces.size(); ++i) middle += pieces[i];
    CHECK((middle == alphabet(1000000)));
}

// Seen to fail: read_buffer::find beginning at d.searched, with no overlap; incomplete_read was thrown.
TEST_CASE("a delimiter is found wherever the chunks cut it", "[regression]") {
    event_loop loop;
    const std::string delimiter = "--end--";
    for (std::size_t cut = 1; cut < delimiter.size(); ++cut) {
        stream_reader reader;
        const auto feed = [&]() -> task<> {
            co_await yield();
            reader.feed("text" + delimiter.substr(0, cut));
            co_await yield();
            reader.feed(delimiter.substr(cut) + "rest");
            reader.feed_eof();
        };
        const auto talk = [&]() -> task<std::string> {
            auto both = co_await when_all(reader.read_until(delimiter), feed());
            co_return std::move(std::get<0>(both));
        };
        CHECK(run_in_time(talk()) == "text--end--");
    }
}
