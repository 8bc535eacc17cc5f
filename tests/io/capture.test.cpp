// SPDX-License-Identifier: BSL-1.0
//
// What a buffer keeps of what nobody reads: held against the plain way, which keeps all and cuts at the end.
#include <coproc/io/read_buffer.hpp>

#include <cstddef>
#include <random>
#include <string>
#include <utility>

#include "support/bytes.hpp"
#include "support/catch.hpp"

using namespace coproc;

TEST_CASE("what is kept does not depend on how the bytes come", "[io]") {
    std::mt19937 random(7);
    const auto up_to = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n)(random); };
    for (int round = 0; round < 2000; ++round) {
        const std::string all = alphabet(up_to(3000));
        const std::size_t head = up_to(1000) * up_to(1);
        const std::size_t tail = up_to(1000) * up_to(1);
        const capture rule = capture::head_tail(head, tail);
        detail::read_buffer buffer{shared_block_pool()};
        for (std::size_t at = 0; at < all.size();) {
            const std::string chunk = all.substr(at, 1 + up_to(300));
            buffer.append(chunk);
            buffer.keep(rule);
            CHECK(buffer.size() <= head + 2 * tail);
            at += chunk.size();
        }
        buffer.keep(rule, true);
        const bool cut = all.size() > head + tail;
        const std::string kept = cut ? all.substr(0, head) + all.substr(all.size() - tail) : all;
        CHECK(buffer.view() == kept);
        CHECK(buffer.dropped() == all.size() - kept.size());
    }
}

TEST_CASE("lines are found in what is left around a gap", "[io]") {
    detail::read_buffer buffer{shared_block_pool()};
    detail::demand line{.what = detail::demand::kind::line};
    buffer.append("one\ntwo\nthree\nfour\n");
    CHECK(buffer.answers(line)); // the first newline is known by now
    buffer.keep(capture::head_tail(6, 8), true);
    CHECK(buffer.take_line() == "one");
    CHECK(buffer.answers(line));
    CHECK(buffer.take_line() == "twee");
    CHECK(buffer.answers(line));
    CHECK(buffer.take_line() == "four");
}
