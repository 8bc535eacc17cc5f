#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A stream that is expected to say something, over and over, while its bytes come in pieces.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/io/expect.hpp>
#include <coproc/io/stream_reader.hpp>
#include <coproc/loop/event_loop.hpp>
#include <coproc/loop/sleep.hpp>

#include "io/cuts.hpp"
#include "support/catch.hpp"
#include "support/driven.hpp"
#include "support/sanitizers.hpp"

inline std::string as_word(std::string_view what, std::string_view text) {
    return std::string(what).append(" of ").append(text);
}
inline std::string as_word(const coproc::expectation& found) {
    std::string word = std::to_string(found.index);
    word.append(":").append(found.before).append("|").append(found.match);
    for (const std::string& group : found.groups) word.append("|").append(group);
    return word;
}

/// Bytes that come in the next turn.
inline coproc::task<> feed_later(coproc::stream_reader& reader, std::string bytes) {
    co_await coproc::yield();
    reader.feed(bytes);
}

/// What `next` yields until there is an error, or a match of nothing.
template <class Next>
coproc::task<> hold_dialogue(coproc::stream_reader& reader, Next& next, std::vector<std::string>& seen) {
    try {
        for (;;) {
            const coproc::expectation found = co_await next(reader);
            seen.push_back(as_word(found));
            if (found.match.empty()) co_return;
        }
    } catch (const coproc::line_too_long&) {
        seen.push_back(as_word("too long", ""));
    } catch (const coproc::incomplete_read& e) {
        seen.push_back(as_word("end", e.partial()));
        co_return;
    }
    seen.back() += co_await reader.read_all();
}

/// Each text of so many letters, with several limits, cut in each way: `next(reader)` must yield what `oracle` says.
template <class Oracle, class Next>
void for_each_dialogue(std::string_view letters, std::size_t longest, Oracle oracle, Next next) {
    coproc::event_loop loop;
    for_each_text(letters, under_sanitizer ? longest - 1 : longest, [&](std::string_view text) {
        for (const std::size_t limit : {1U, 3U, 100U}) {
            const std::vector<std::string> expected = oracle(text, limit);
            for_each_cut(text, [&](unsigned cut) {
                coproc::stream_reader reader;
                reader.line_limit(limit);
                std::vector<std::string> seen;
                driven talk = drive(hold_dialogue(reader, next, seen));
                for_each_chunk(text, cut, [&](std::string_view chunk) {
                    reader.feed(chunk);
                    loop.poll();
                });
                reader.feed_eof();
                loop.poll();
                if (talk.done() && seen == expected) return;
                CAPTURE(pieces_of(text, cut), limit);
                CHECK(talk.done());
                CHECK(seen == expected);
            });
        }
    });
}
