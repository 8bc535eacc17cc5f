// SPDX-License-Identifier: BSL-1.0
//
// expect, held against a search in every beginning of the whole text; what it says when nothing is found, and that it
// takes nothing but what it has found.
#include <coproc/io/expect.hpp>

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <coproc/core/unique_fd.hpp>
#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/coro/when_any.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/with_timeout.hpp>
#include <coproc/platform/pipe.hpp>

#include "io/dialogues.hpp"
#include "support/catch.hpp"
#include "support/failing_allocations.hpp"
#include "support/pipes.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// What the contract says, read off the whole text: the first beginning of it that holds a pattern.
std::vector<std::string> dialogue_in_one_go(std::string_view text, std::size_t limit,
                                            const std::vector<std::string_view>& patterns, bool end_is_one = false) {
    std::vector<std::string> seen;
    for (;;) {
        const std::size_t most = std::min(limit, text.size());
        std::optional<expectation> found;
        for (std::size_t n = 0; n <= most && !found; ++n) {
            for (std::size_t i = 0; i < patterns.size() && !found; ++i) {
                const std::string_view beginning = text.substr(0, n);
                const std::size_t at = beginning.find(patterns[i]);
                if (at == std::string_view::npos) continue;
                found.emplace();
                found->index = i;
                found->before = beginning.substr(0, at);
                found->match = beginning.substr(at);
            }
        }
        if (!found && end_is_one && text.size() <= limit) {
            found.emplace();
            found->index = patterns.size();
            found->before = text;
        }
        if (!found) {
            seen.push_back(as_word(text.size() > limit ? "too long" : "end", text));
            return seen;
        }
        seen.push_back(as_word(*found));
        if (found->match.empty()) return seen;
        text.remove_prefix(found->before.size() + found->match.size());
    }
}

template <class... Texts>
void hold_dialogues_against_the_whole(std::string_view letters, std::size_t longest, Texts... texts) {
    for_each_dialogue(
        letters, longest,
        [&](std::string_view text, std::size_t limit) { return dialogue_in_one_go(text, limit, {texts...}); },
        [&](stream_reader& r) { return expect(r, texts...); });
    for_each_dialogue(
        letters, longest,
        [&](std::string_view text, std::size_t limit) { return dialogue_in_one_go(text, limit, {texts...}, true); },
        [&](stream_reader& r) { return expect(r, texts..., eof); });
}

task<std::string> what_expect_throws(stream_reader& reader, std::vector<pattern> patterns) {
    try {
        co_await expect(reader, 0s, patterns);
    } catch (const error& e) {
        co_return e.what();
    }
    co_return "nothing";
}

// All from one text to another.
struct bracketed {
    bracketed(std::string from, std::string to) : open(std::move(from)), close(std::move(to)) {}
    std::string open, close;
};

} // namespace

// What a user does to have a pattern of his own.
template <>
struct coproc::matcher<bracketed> {
    explicit matcher(const bracketed& b) : both(b) {}
    [[nodiscard]] std::optional<text_match> find(std::string_view seen, std::size_t) const {
        const std::size_t open = seen.find(both.open);
        if (open == std::string_view::npos) return std::nullopt;
        const std::size_t close = seen.find(both.close, open + both.open.size());
        if (close == std::string_view::npos) return std::nullopt;
        if (both.open == "throw") throw std::length_error("thrown by a pattern");
        return text_match(open, close + both.close.size());
    }
    [[nodiscard]] std::string to_string() const { return both.open + "..." + both.close; }

    bracketed both;
};

TEST_CASE("no expect depends on how the bytes were cut", "[io][expect]") {
    hold_dialogues_against_the_whole("ab", 6, "a");
    hold_dialogues_against_the_whole("ab", 6, "ab");
    hold_dialogues_against_the_whole("ab", 6, "aaa"); // overlaps itself
    hold_dialogues_against_the_whole("ab", 6, "aba", "bb");
    hold_dialogues_against_the_whole("ab", 6, "b", "ab"); // end together
    hold_dialogues_against_the_whole("ab", 6, "ab", "b");
    hold_dialogues_against_the_whole("ab", 6, "abab", "ba", "aaaa");
    hold_dialogues_against_the_whole("\r\n$", 5, "\r\n", "\n", "$\r");
}

TEST_CASE("what is expected is taken with what came before it and nothing behind it", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("Welcome\nlogin: and more");
    const auto talk = [&]() -> task<expectation> { co_return co_await expect(reader, "Password: ", "login: "); };
    const expectation found = run_in_time(talk());
    CHECK(found.index == 1);
    CHECK(found.before == "Welcome\n");
    CHECK(found.match == "login: ");
    CHECK(found.groups.empty());
    CHECK(reader.buffered() == 8);
}

TEST_CASE("the pattern that is there first wins and of those there at once the one given first", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto first_of = [&](std::string_view text, auto... patterns) -> task<std::string> {
        reader.feed(text);
        const expectation found = co_await expect(reader, patterns...);
        co_await reader.read(reader.buffered());
        co_return as_word(found);
    };
    CHECK(run_in_time(first_of("xabcdx", "abcd", "bc")) == "1:xa|bc");
    CHECK(run_in_time(first_of("xabcdx", "bcd", "abcd")) == "0:xa|bcd");
    CHECK(run_in_time(first_of("xabcdx", "abcd", "bcd")) == "0:x|abcd");
    CHECK(run_in_time(first_of("xabcdx", "x", "x")) == "0:|x");
}

TEST_CASE("texts of any kind and lists of them are numbered in the order given", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const std::vector<std::string> list{"c", "d"};
    const std::vector<pattern> mixed{"e", eof, std::string("f")};
    reader.feed("gfedcba");
    reader.feed_eof();
    const auto talk = [&]() -> task<std::string> {
        std::string order;
        for (int i = 0; i < 8; ++i) {
            const expectation found =
                co_await expect(reader, 1h, "a", std::string("b"), list, mixed, std::string_view("g"));
            order += std::to_string(found.index) + found.match;
        }
        co_return order;
    };
    CHECK(run_in_time(talk()) == "7g6f4e3d2c1b0a5");
}

TEST_CASE("the end of the stream can be expected", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&]() -> task<> {
        const expectation found = co_await expect(reader, eof, "$ ");
        CHECK(found.index == 1); // what is there comes before the end, in whatever order they are given
        CHECK(found.before == "said ");
        const expectation last = co_await expect(reader, "$ ", eof);
        CHECK(last.index == 1);
        CHECK(last.before == "bye");
        CHECK(last.match.empty());
        CHECK(reader.at_eof());
        const expectation again = co_await expect(reader, 0s, eof);
        CHECK(again.before.empty());
    };
    const auto feeder = [&]() -> task<> {
        reader.feed("said ");
        co_await yield();
        reader.feed("$ by");
        co_await yield();
        reader.feed("e");
        co_await yield();
        reader.feed_eof();
    };
    run_in_time(when_all(talk(), feeder()));
}

TEST_CASE("an end that was not expected is an incomplete read with all that came", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("Connection refused\n");
    reader.feed_eof();
    const auto talk = [&]() -> task<std::vector<std::string>> {
        std::vector<std::string> said;
        for (int i = 0; i < 2; ++i) {
            try {
                co_await expect(reader, "login: ", "Password: ");
            } catch (const incomplete_read& e) {
                CHECK(e.code() == errc::end_of_stream);
                CHECK(e.expected() == 0);
                said.push_back(e.partial());
                said.push_back(e.what());
            }
        }
        co_return said;
    };
    CHECK(run_in_time(talk()) ==
          std::vector<std::string>{
              "Connection refused\n",
              "cannot read \"stream\": no \"login: \" or \"Password: \" in \"Connection refused\\x0a\": the stream "
              "ended early",
              "",
              "cannot read \"stream\": no \"login: \" or \"Password: \", and nothing came: the stream ended early"});
}

TEST_CASE("an expect whose time is up says what came instead and has taken nothing", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&]() -> task<> {
        bool thrown = false;
        try {
            co_await expect(reader, 1ms, "login: ", eof);
        } catch (const expect_timeout& e) {
            thrown = true;
            CHECK(e.code() == errc::timed_out);
            CHECK(e.subject() == "stream");
            CHECK(e.what() == std::string("cannot read \"stream\": no \"login: \" or the end in \"log\": timed out"));
        }
        CHECK(thrown);
        CHECK(reader.buffered() == 3);
        reader.feed("in: ");
        const expectation found = co_await expect(reader, 1h, "login: ");
        CHECK(found.before.empty());
    };
    const auto feeder = [&]() -> task<> {
        reader.feed("log");
        co_return;
    };
    run_in_time(when_all(talk(), feeder()));
}

TEST_CASE("the message of an expect shows the last of what came", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const std::vector<pattern> prompt{"$ "};
    CHECK(run_in_time(what_expect_throws(reader, prompt)) ==
          "cannot read \"stream\": no \"$ \", and nothing came: timed out");
    reader.feed(std::string(200, 'x'));
    CHECK(run_in_time(what_expect_throws(reader, prompt)) ==
          "cannot read \"stream\": no \"$ \" in \"" + std::string(200, 'x') + "\": timed out");
    reader.feed("\n\"end\"");
    CHECK(run_in_time(what_expect_throws(reader, prompt)) ==
          "cannot read \"stream\": no \"$ \" in 206 bytes that end with \"" + std::string(194, 'x') +
              "\\x0a\\\"end\\\"\": timed out");
    CHECK(reader.buffered() == 206);
}

TEST_CASE("an expect without time looks at what is there and does not wait", "[io][expect]") {
    event_loop loop;
    platform::pipe_ends ends = platform::make_pipe();
    stream_reader reader(std::move(ends.read));
    put_into(ends.write, "one two");
    const auto talk = [&]() -> task<> {
        const expectation in_the_pipe = co_await expect(reader, 0s, "one");
        CHECK(in_the_pipe.index == 0);
        const expectation in_the_buffer = co_await expect(reader, -1h, "two");
        CHECK(in_the_buffer.before == " ");
        auto nothing = expect(reader, std::chrono::nanoseconds::min(), "three");
        CHECK(nothing.await_ready());
        CHECK_THROWS_AS(nothing.await_resume(), expect_timeout);
    };
    run_in_time(talk());
}

TEST_CASE("an expect with all the time in the world waits for ever", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&](auto for_ever) -> task<> {
        const expectation found = co_await expect(reader, for_ever, "now");
        CHECK(found.match == "now");
    };
    const auto feeder = [&]() -> task<> {
        co_await yield();
        reader.feed("now");
    };
    run_in_time(when_all(talk(std::chrono::hours::max()), feeder()));
    run_in_time(when_all(talk(std::chrono::nanoseconds::max()), feeder()));
    run_in_time(when_all(talk(std::chrono::duration<double>(1e300)), feeder()));
}

TEST_CASE("what has come when the time is up is found all the same", "[io][expect]") {
    event_loop loop;
    const auto let_the_time_pass = [] {
        const auto until = std::chrono::steady_clock::now() + 5ms;
        while (std::chrono::steady_clock::now() < until) {
        }
    };
    platform::pipe_ends ends = platform::make_pipe();
    stream_reader reader(std::move(ends.read));
    const auto talk = [&]() -> task<> {
        const expectation found = co_await expect(reader, 1ms, "late");
        CHECK(found.match == "late");
    };
    SECTION("in the pipe") {
        const auto writer = [&]() -> task<> {
            let_the_time_pass();
            put_into(ends.write, "late");
            co_return;
        };
        run_in_time(when_all(talk(), writer()));
    }
    SECTION("in the buffer") {
        const auto feeder = [&]() -> task<> {
            let_the_time_pass();
            reader.feed("late");
            co_return;
        };
        run_in_time(when_all(talk(), feeder()));
    }
}

TEST_CASE("an expect through a pipe waits for the rest of what it has seen", "[io][expect]") {
    event_loop loop;
    platform::pipe_ends ends = platform::make_pipe();
    stream_reader reader(std::move(ends.read));
    const auto talk = [&]() -> task<std::string> {
        const expectation found = co_await expect(reader, 1h, "login: ");
        co_return as_word(found);
    };
    const auto writer = [&]() -> task<> {
        for (const char c : std::string("logi login: x")) {
            put_into(ends.write, std::string_view(&c, 1));
            co_await yield();
        }
    };
    CHECK(std::get<0>(run_in_time(when_all(talk(), writer()))) == "0:logi |login: ");
}

TEST_CASE("an expect beyond the line limit says so and leaves the bytes", "[io][expect]") {
    const long_line policy = GENERATE(long_line::fail, long_line::split, long_line::truncate, long_line::skip);
    event_loop loop;
    stream_reader reader;
    reader.line_limit(4, policy);
    const auto talk = [&]() -> task<> {
        reader.feed("ab\n$ ");
        reader.feed_eof(); // which is too far away to be found
        bool thrown = false;
        try {
            co_await expect(reader, "$ ", eof);
        } catch (const line_too_long& e) {
            thrown = true;
            CHECK(e.limit() == 4);
        }
        CHECK(thrown);
        CHECK(reader.buffered() == 5);
        CHECK(reader.dropped() == 0);
        reader.line_limit(5, policy);
        const expectation found = co_await expect(reader, "$ ");
        CHECK(found.before == "ab\n");
    };
    run_in_time(talk());
}

TEST_CASE("an expect that waits is woken when what came is beyond the limit", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.line_limit(3);
    const auto talk = [&]() -> task<bool> {
        try {
            co_await expect(reader, 1h, "$ ");
        } catch (const line_too_long&) {
            co_return true;
        }
        co_return false;
    };
    const auto feeder = [&]() -> task<> {
        reader.feed("abc");
        co_await yield();
        co_await yield();
        reader.feed("$");
    };
    CHECK(std::get<0>(run_in_time(when_all(talk(), feeder()))));
    CHECK(reader.buffered() == 4);
}

TEST_CASE("an expect that was cancelled has lost nothing", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&]() -> task<> {
        reader.feed("a lo");
        auto waited = co_await when_any(expect(reader, 1h, "login: "), yield());
        CHECK(waited.index == 1);
        reader.feed("gin: b");
        const auto in_time = co_await with_timeout(expect(reader, 1h, "no such thing"), 1ms);
        CHECK_FALSE(in_time.has_value());
        const expectation found = co_await expect(reader, "login: ");
        CHECK(found.before == "a ");
        CHECK(reader.buffered() == 1);
    };
    run_in_time(talk());
}

TEST_CASE("an expect that is destroyed when it was found has taken nothing", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&]() -> task<> { co_await expect(reader, 1h, "login: "); };
    driven waiting = drive(talk());
    reader.feed("login: me");
    waiting.cancel();
    loop.poll();
    CHECK(reader.buffered() == 9);
}

TEST_CASE("a second reader while one expects is a usage error and so is a second expect", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&]() -> task<std::string> { co_return as_word(co_await expect(reader, "x")); };
    const auto other = [&]() -> task<> {
        auto line = reader.read_line();
        CHECK_THROWS_AS(line.await_ready(), usage_error);
        auto second = expect(reader, 0s, "y");
        CHECK_THROWS_AS(second.await_ready(), usage_error);
        reader.feed("x");
        co_return;
    };
    CHECK(std::get<0>(run_in_time(when_all(talk(), other()))) == "0:|x");
}

TEST_CASE("an expect can be moved before it is awaited", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    auto made = expect(reader, 1h, std::string("a text that is longer than a short one"), "b");
    auto moved = std::move(made);
    auto both = run_in_time(when_all(std::move(moved), feed_later(reader, "a text that is longer than a short one")));
    CHECK(std::get<0>(both).before.empty());
}

TEST_CASE("the texts of an expect need not live until it is awaited", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    std::optional<std::string> prompt = std::string(100, 'x') + "$ ";
    auto made = expect(reader, 1h, *prompt);
    const std::string text = *prompt + "more";
    prompt.reset();
    reader.feed(text);
    CHECK(run_in_time(std::move(made)).match.size() == 102);
}

TEST_CASE("a pattern must be something and there must be one", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    CHECK_THROWS_AS(static_cast<void>(expect(reader, "")), std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(expect(reader, 1s, "a", std::string())), std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(expect(reader, 1s, std::vector<std::string>())), std::invalid_argument);
    CHECK_THROWS_AS(pattern(""), std::invalid_argument);
}

TEST_CASE("a stream that is broken off is an error also to who expects", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("login: ");
    const auto talk = [&]() -> task<> {
        reader.feed_error(std::make_error_code(std::errc::io_error));
        std::error_code code;
        try {
            co_await expect(reader, 1h, "login: ", eof);
        } catch (const stream_error& e) {
            code = e.code();
        }
        CHECK(code == std::errc::io_error);
        CHECK(reader.buffered() == 7);
    };
    run_in_time(talk());
}

TEST_CASE("an error of the kernel comes when what came before it was expected", "[io][expect]") {
    event_loop loop;
    stream_reader reader(unique_fd(::open("/", O_RDONLY | O_CLOEXEC)));
    reader.feed("login: Pass");
    const auto talk = [&]() -> task<> {
        const expectation found = co_await expect(reader, 1h, "login: ");
        CHECK(found.before.empty());
        std::error_code code;
        try {
            co_await expect(reader, 1h, "Password: ", eof);
        } catch (const stream_error& e) {
            code = e.code();
        }
        CHECK(code == std::errc::is_a_directory);
        CHECK(reader.buffered() == 4);
    };
    run_in_time(talk());
}

TEST_CASE("expect and the other reads take their turns", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("first line\nlogin: second line\nthird\n");
    const auto talk = [&]() -> task<> {
        const auto first = co_await reader.next_line();
        CHECK(first == "first line");
        const expectation found = co_await expect(reader, "login: ");
        CHECK(found.before.empty());
        const auto second = co_await reader.next_line();
        CHECK(second == "second line");
        const expectation newline = co_await expect(reader, "\n");
        CHECK(newline.before == "third");
    };
    run_in_time(talk());
}

TEST_CASE("a user can have patterns of another kind", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&]() -> task<expectation> {
        co_return co_await expect(reader, 1h, bracketed("<", ">"), "never");
    };
    auto both = run_in_time(when_all(talk(), feed_later(reader, "a <b> c")));
    CHECK(as_word(std::get<0>(both)) == "0:a |<b>");
    const std::vector<pattern> patterns{bracketed("[", "]"), "no"};
    CHECK(run_in_time(what_expect_throws(reader, patterns)) ==
          "cannot read \"stream\": no [...] or \"no\" in \" c\": timed out");
}

TEST_CASE("what a pattern throws comes out of the expect and nothing is taken", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto talk = [&]() -> task<> {
        bool thrown = false;
        try {
            co_await expect(reader, 1h, "x", bracketed("throw", "!"));
        } catch (const std::length_error&) {
            thrown = true;
        }
        CHECK(thrown);
        CHECK(reader.buffered() == 7);
    };
    run_in_time(when_all(talk(), feed_later(reader, "throw !")));
}

TEST_CASE("a search for what is expected looks at each byte once", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto feeder = [&]() -> task<> {
        const std::string piece(1000, 'x'); // each of them may be the beginning of the text
        for (int i = 0; i < 5000; ++i) {
            reader.feed(piece);
            if (i % 10 == 0) co_await yield();
        }
        reader.feed("y");
    };
    // All of it for each piece would be 12 GB, byte by byte.
    auto both = run_in_time(when_all(expect(reader, 1h, "xy", "END"), feeder()));
    CHECK(std::get<0>(both).before.size() == 4999999);
}

#if defined(COPROC_TEST_HAS_OWN_NEW)
TEST_CASE("an expect for which memory runs out has taken nothing", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const std::string before(100, 'b');
    const std::string wanted(100, 'w');
    long count = 0;
    for (bool failed = true; failed && count < 100; ++count) {
        if (reader.buffered() == 0) reader.feed(before + wanted);
        std::optional<expectation> found;
        failing_allocations::fail_from(count, false);
        try {
            auto waiting = expect(reader, 1h, wanted, eof);
            if (waiting.await_ready()) found = waiting.await_resume();
        } catch (const std::bad_alloc&) {
            found.reset();
        }
        failed = failing_allocations::fail_no_more();
        CHECK(failed != found.has_value());
        CHECK(reader.buffered() == (found ? 0 : 200));
        if (found) CHECK(as_word(*found) == "0:" + before + "|" + wanted);
    }
    CHECK(count > 4); // the list, two patterns, a text of one of them, both texts of what was found
}
#endif
