// SPDX-License-Identifier: BSL-1.0
//
// A std::regex as a pattern of expect: as soon as it matches, wherever the bytes were cut, and no sooner.
#include <coproc/io/expect_regex.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/coro/when_all.hpp>
#include <coproc/loop/sleep.hpp>

#include "io/dialogues.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// What the contract says, read off the whole text: the first beginning of it in which a regex matches, if more may
// follow; else what matches at the end.
std::vector<std::string> regexes_in_one_go(std::string_view text, std::size_t limit,
                                           const std::vector<std::regex>& patterns) {
    constexpr auto more_may_follow = std::regex_constants::match_not_eol | std::regex_constants::match_not_eow;
    std::vector<std::string> seen;
    for (;;) {
        std::optional<std::string> found;
        std::size_t end = 0;
        bool nothing = false;
        const auto look = [&](std::size_t n, std::regex_constants::match_flag_type how) {
            for (std::size_t i = 0; i < patterns.size() && !found; ++i) {
                const std::string beginning(text.substr(0, n));
                std::smatch match;
                if (!std::regex_search(beginning, match, patterns[i], how)) continue;
                found = std::to_string(i) + ":" + match.prefix().str();
                for (const auto& group : match) found->append("|").append(group.str());
                end = static_cast<std::size_t>(match.position() + match.length());
                nothing = match.length() == 0;
            }
        };
        for (std::size_t n = 0; n <= std::min(limit, text.size()) && !found; ++n) look(n, more_may_follow);
        if (!found && text.size() <= limit) look(text.size(), {});
        if (!found) {
            seen.push_back(as_word(text.size() > limit ? "too long" : "end", text));
            return seen;
        }
        seen.push_back(*found);
        if (nothing) return seen;
        text.remove_prefix(end);
    }
}

template <class... Texts>
void hold_regexes_against_the_whole(std::string_view letters, std::size_t longest, Texts... texts) {
    const std::vector<std::regex> all{std::regex(texts)...};
    for_each_dialogue(
        letters, longest, [&](std::string_view text, std::size_t limit) { return regexes_in_one_go(text, limit, all); },
        [&](stream_reader& r) { return expect(r, all); });
}

task<std::string> regex_dialogue(stream_reader& reader, std::vector<pattern> patterns) {
    const expectation found = co_await expect(reader, 1h, patterns);
    co_return as_word(found);
}

// The same bytes in pieces of that size.
std::string found_in_pieces(std::string_view bytes, std::size_t size, const pattern& what) {
    event_loop loop;
    stream_reader reader;
    const auto feeder = [&]() -> task<> {
        for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(std::min(size, rest.size()))) {
            reader.feed(rest.substr(0, size));
            co_await yield();
        }
        reader.feed_eof();
    };
    auto both = run_in_time(when_all(regex_dialogue(reader, std::vector<pattern>{what, eof}), feeder()));
    return std::get<0>(both);
}

} // namespace

TEST_CASE("no expect of a regex depends on how the bytes were cut", "[io][expect]") {
    hold_regexes_against_the_whole("ab", 5, "a+b");
    hold_regexes_against_the_whole("ab", 5, "(a|ab)(b|aab)");
    hold_regexes_against_the_whole("ab", 5, "b(a*)b", "aa");
    hold_regexes_against_the_whole("ab", 5, "ab(?=b)", "ba");
    hold_regexes_against_the_whole("ab", 5, "a$", "^b");
    hold_regexes_against_the_whole("a ", 5, "\\ba\\b");
    hold_regexes_against_the_whole("a\n", 5, "^(.*)\\n");
}

TEST_CASE("a regex says which one it is and what its groups match", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("Last login: today\nme@host:~$ rest");
    const auto talk = [&]() -> task<expectation> {
        const std::regex prompt("(\\w+)@(\\w+)(x)?:(\\S+)[$#] ");
        co_return co_await expect(reader, 1h, "Password: ", prompt);
    };
    const expectation found = run_in_time(talk());
    CHECK(found.index == 1);
    CHECK(found.before == "Last login: today\n");
    CHECK(found.match == "me@host:~$ ");
    CHECK(found.groups == std::vector<std::string>{"me", "host", "", "~"});
    CHECK(reader.buffered() == 4);
}

TEST_CASE("a regex and a text that are there at once are told by their order", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("abcabc");
    const auto talk = [&]() -> task<> {
        const std::regex bc("bc");
        const expectation first = co_await expect(reader, bc, "abc");
        CHECK(as_word(first) == "0:a|bc");
        const expectation second = co_await expect(reader, "abc", bc);
        CHECK(as_word(second) == "0:|abc");
    };
    run_in_time(talk());
}

TEST_CASE("a regex is content with as little as it can be", "[io][expect]") {
    CHECK(found_in_pieces("12\n", 1, std::regex("[0-9]+")) == "0:|1");
    CHECK(found_in_pieces("12\n", 3, std::regex("[0-9]+")) == "0:|1");
    CHECK(found_in_pieces("12\n", 1, std::regex("([0-9]+)\n")) == "0:|12\n|12");
}

TEST_CASE("the end of what has come is not the end of the stream to a regex", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    const auto feeder = [&]() -> task<> {
        reader.feed("a$ b");
        co_await yield();
        reader.feed("$ ");
        co_await yield();
        co_await yield();
        CHECK(reader.buffered() == 6);
        reader.feed_eof();
    };
    auto both = run_in_time(when_all(regex_dialogue(reader, std::vector<pattern>{std::regex("[$] $")}), feeder()));
    CHECK(std::get<0>(both) == "0:a$ b|$ ");
}

TEST_CASE("of what matches at the end of the stream alone the one given first wins", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("bye");
    reader.feed_eof();
    const auto talk = [&]() -> task<> {
        const std::regex last("e$");
        const std::regex later("by");
        const expectation found = co_await expect(reader, last, later);
        CHECK(as_word(found) == "1:|by");
        const expectation at_end = co_await expect(reader, last, eof);
        CHECK(as_word(at_end) == "0:|e");
        const expectation end = co_await expect(reader, eof, last);
        CHECK(as_word(end) == "0:|");
    };
    run_in_time(talk());
}

TEST_CASE("a regex is searched for in all that comes however long it is", "[io][expect]") {
    const std::size_t window = matcher<std::regex>::window;
    const pattern wanted = std::regex("<(x*)>");
    for (const std::size_t before : {0UL, 1UL, window - 1, window, window + 1, 10 * window + 7}) {
        for (const std::size_t inside : {std::size_t{0}, std::size_t{1}, window / 2, window - 2}) {
            const std::string text = alphabet(before) + "<" + std::string(inside, 'x') + ">" + alphabet(5000);
            const std::string expected =
                "0:" + alphabet(before) + "|<" + std::string(inside, 'x') + ">|" + std::string(inside, 'x');
            for (const std::size_t piece : {std::size_t{97}, std::size_t{1000}, text.size()}) {
                CAPTURE(before, inside, piece);
                const bool same = found_in_pieces(text, piece, wanted) == expected;
                CHECK(same);
            }
        }
    }
}

TEST_CASE("what is longer than a window is not what a regex matches however it comes", "[io][expect]") {
    const std::size_t window = matcher<std::regex>::window;
    const std::string text = "<" + std::string(window - 1, 'x') + "> and <y>.";
    const std::string expected = "0:" + text.substr(0, text.size() - 4) + "|<y>|y";
    for (const std::size_t piece : {std::size_t{97}, std::size_t{1500}, text.size()}) {
        CAPTURE(piece);
        const bool same = found_in_pieces(text, piece, std::regex("<([xy]*)>")) == expected;
        CHECK(same);
    }
}

TEST_CASE("a beginning is the first byte that was not read and not where a window begins", "[io][expect]") {
    const std::size_t window = matcher<std::regex>::window;
    const std::string later = "a" + std::string(3 * window, 'b');
    const pattern at_the_beginning = std::regex("^b+");
    CHECK(found_in_pieces(later, 500, at_the_beginning).substr(0, 2) == "1:");
    CHECK(found_in_pieces(later.substr(1), 500, at_the_beginning) == "0:|b");
}

TEST_CASE("a repetition over much text does not go too deep", "[io][expect]") {
    const std::string text(several_mib / 16, 'a');
    // From its beginning only: from each byte on, as without the `^`, takes minutes.
    CHECK(found_in_pieces(text, text.size(), std::regex("^(.|\n)*x")).substr(0, 2) == "1:");
}

TEST_CASE("a regex that matches the empty text is refused", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    for (const char* const empty : {"", "a*", "^", "(a|b)?"}) {
        CAPTURE(empty);
        CHECK_THROWS_AS(static_cast<void>(expect(reader, std::regex(empty))), std::invalid_argument);
    }
    const auto end = expect(reader, std::regex("$")); // which only the end is
    static_cast<void>(end);
}

TEST_CASE("an error names a regex as one", "[io][expect]") {
    event_loop loop;
    stream_reader reader;
    reader.feed("who are you? ");
    const auto talk = [&]() -> task<std::string> {
        const std::regex prompt("[$#] ");
        try {
            co_await expect(reader, 0s, "login: ", prompt);
        } catch (const expect_timeout& e) {
            co_return e.what();
        }
        co_return "nothing";
    };
    CHECK(run_in_time(talk()) == "cannot read \"stream\": no \"login: \" or a regex in \"who are you? \": timed out");
}
