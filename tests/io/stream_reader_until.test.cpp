// SPDX-License-Identifier: BSL-1.0
//
// read_until, held against a search in the whole text: the match that ends first, wherever the bytes were cut.
#include <coproc/io/stream_reader.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/sleep.hpp>

#include "io/cuts.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/run_in_time.hpp"
#include "support/sanitizers.hpp"

using namespace coproc;

namespace {

using words = std::vector<std::string>;

// What the contract says, read off the whole text: each found part, then "<too long>" or "<end>" and the rest.
words in_one_go(std::string_view text, const std::vector<std::string_view>& delimiters, std::size_t limit) {
    words seen;
    for (;;) {
        std::size_t end = 0; // the shortest beginning of the text that ends with a delimiter
        std::size_t longest = 0;
        while (longest == 0 && ++end <= text.size()) {
            for (const std::string_view delimiter : delimiters) {
                if (text.substr(0, end).ends_with(delimiter)) longest = std::max(longest, delimiter.size());
            }
        }
        const std::size_t before = longest != 0 ? end - longest : text.size();
        if (before > limit || longest == 0) {
            seen.emplace_back(before > limit ? "<too long>" : "<end>");
            seen.emplace_back(text);
            return seen;
        }
        seen.emplace_back(text.substr(0, end));
        text.remove_prefix(end);
    }
}

template <class Read>
words in_chunks(std::string_view text, unsigned cut, std::size_t limit, Read read) {
    stream_reader reader;
    reader.line_limit(limit);
    words seen;
    bool over = false;
    const auto take = [&] {
        while (!over) {
            auto reading = read(reader);
            if (!reading.await_ready()) return;
            try {
                seen.push_back(reading.await_resume());
            } catch (const line_too_long&) {
                seen.emplace_back("<too long>");
                over = true;
            } catch (const incomplete_read& e) {
                seen.emplace_back("<end>");
                seen.push_back(e.partial());
                over = true;
            }
        }
    };
    for_each_chunk(text, cut, [&](std::string_view chunk) {
        reader.feed(chunk);
        take();
    });
    reader.feed_eof();
    take();
    if (seen.size() < 2 || seen[seen.size() - 2] != "<end>") { // the buffer was left as it is
        auto rest = reader.read_all();
        if (rest.await_ready()) seen.push_back(rest.await_resume());
    }
    return seen;
}

template <class... Delimiters>
void hold_against_the_whole(std::string_view letters, std::size_t longest, Delimiters... delimiters) {
    event_loop loop;
    for_each_text(letters, under_sanitizer ? longest - 1 : longest, [&](std::string_view text) {
        for (const std::size_t limit : {1U, 2U, 3U, 100U}) {
            const words expected = in_one_go(text, {delimiters...}, limit);
            for_each_cut(text, [&](unsigned cut) {
                const words seen =
                    in_chunks(text, cut, limit, [&](stream_reader& r) { return r.read_until(delimiters...); });
                if (seen == expected) return;
                CAPTURE(pieces_of(text, cut), limit);
                CHECK(seen == expected);
            });
        }
    });
}

} // namespace

TEST_CASE("no read_until depends on how the bytes were cut", "[io]") {
    hold_against_the_whole("ab", 6, "a");
    hold_against_the_whole("ab", 6, "ab");
    hold_against_the_whole("ab", 7, "aaa"); // overlaps itself
    hold_against_the_whole("ab", 6, "aba", "bb");
    hold_against_the_whole("ab", 6, "b", "ab"); // end together: what comes before the longer one counts
    hold_against_the_whole("ab", 7, "abab", "ba", "aaaa");
    hold_against_the_whole("\r\nE", 5, "\r\n", "\n", "E\r");
}

TEST_CASE("of several delimiters the one that ends first wins", "[io]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("one\r\ntwo\nthreeENDfour");
    reader.feed_eof();
    const auto talk = [&]() -> task<words> {
        words seen;
        try {
            for (;;) seen.push_back(co_await reader.read_until("\r\n", std::string("\n"), std::string_view("END")));
        } catch (const incomplete_read& e) {
            seen.push_back(e.partial());
        }
        co_return seen;
    };
    CHECK(run_in_time(talk()) == words{"one\r\n", "two\n", "threeEND", "four"});
}

TEST_CASE("a delimiter that begins first does not win over one that ends first", "[io]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("xabcdx");
    const auto talk = [&]() -> task<std::string> { co_return co_await reader.read_until("abcd", "bc"); };
    CHECK(run_in_time(talk()) == "xabc");
    CHECK(reader.buffered() == 2);
}

TEST_CASE("a read_until with several delimiters can be moved before it is awaited", "[io]") {
    event_loop loop;
    stream_reader reader;
    auto made = reader.read_until("long delimiter", ";");
    auto moved = std::move(made);
    const auto feeder = [&]() -> task<> {
        reader.feed("a long ");
        co_await yield();
        reader.feed("delimiter;");
    };
    auto both = run_in_time(when_all(std::move(moved), feeder()));
    CHECK(std::get<0>(both) == "a long delimiter");
}

TEST_CASE("each of several delimiters must be something", "[io]") {
    event_loop loop;
    stream_reader reader;
    CHECK_THROWS_AS(static_cast<void>(reader.read_until("a", "")), std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(reader.read_until("", "a")), std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(reader.read_until("a", "b", std::string())), std::invalid_argument);
}

TEST_CASE("a read_until beyond the line limit says so and leaves the bytes", "[io]") {
    const long_line policy = GENERATE(long_line::fail, long_line::split, long_line::truncate, long_line::skip);
    event_loop loop;
    stream_reader reader;
    reader.line_limit(3, policy);
    reader.feed("abcdef");
    const auto talk = [&]() -> task<std::string> {
        std::string said;
        for (int i = 0; i < 2; ++i) { // and says it again, since nothing has changed
            said.clear();
            try {
                co_await reader.read_until(";");
            } catch (const line_too_long& e) {
                CHECK(e.limit() == 3);
                said = e.what();
            }
        }
        CHECK(reader.buffered() == 6);
        CHECK(reader.dropped() == 0);
        reader.line_limit(6, policy);
        reader.feed(";rest");
        const std::string found = co_await reader.read_until(";");
        CHECK(found == "abcdef;");
        co_return said;
    };
    CHECK(run_in_time(talk()) == "cannot read a line of \"stream\": more than 3 bytes: line too long");
}

TEST_CASE("a read_until that waits is woken when what came is beyond the limit", "[io]") {
    event_loop loop;
    stream_reader reader;
    reader.line_limit(3);
    const auto reading = [&]() -> task<bool> {
        try {
            co_await reader.read_until("==", "=;=");
        } catch (const line_too_long&) {
            co_return true;
        }
        co_return false;
    };
    const auto feeder = [&]() -> task<> {
        reader.feed("abc=;");
        co_await yield();
        co_await yield();
        CHECK(reader.buffered() == 5); // it may still be one that begins within the limit
        reader.feed("x");
    };
    auto both = run_in_time(when_all(reading(), feeder()));
    CHECK(std::get<0>(both));
    CHECK(reader.buffered() == 6);
}

TEST_CASE("a read_until that was cancelled begins its search anew", "[io]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&]() -> task<words> {
        words seen;
        reader.feed("a|b");
        auto waited = co_await when_any(reader.read_until("zz"), yield());
        CHECK(waited.index == 1);
        seen.push_back(co_await reader.read_until("|"));
        auto again = co_await when_any(reader.read_until("||", "bz"), yield());
        CHECK(again.index == 1);
        reader.feed("zc");
        seen.push_back(co_await reader.read_until("zz", "z"));
        co_return seen;
    };
    CHECK(run_in_time(talk()) == words{"a|", "bz"});
}

TEST_CASE("a search for a delimiter looks at each byte once", "[io]") {
    event_loop loop;
    stream_reader reader;
    const auto feeder = [&]() -> task<> {
        const std::string piece(1000, 'x'); // each of them may be the beginning of the delimiter
        for (int i = 0; i < 5000; ++i) {
            reader.feed(piece);
            if (i % 10 == 0) co_await yield();
        }
        reader.feed("y");
    };
    // All of it for each piece would be 12 GB, byte by byte.
    auto both = run_in_time(when_all(reader.read_until("xy", "END"), feeder()));
    CHECK(std::get<0>(both).size() == 5000001);
}
