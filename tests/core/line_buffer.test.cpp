// SPDX-License-Identifier: BSL-1.0
#include <coproc/core/line_buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"

using coproc::line_buffer;

namespace {

// The next line, taken off the buffer.
std::optional<std::string> take_line(line_buffer& buffer) {
    const std::size_t newline = buffer.find_newline();
    if (newline == line_buffer::npos) return std::nullopt;
    std::string line(buffer.view().substr(0, newline));
    buffer.consume(newline + 1);
    return line;
}

// As read(2) would put it in: into a free tail that may be larger than what comes.
void read_into(line_buffer& buffer, std::string_view bytes, std::size_t room) {
    const std::span<char> tail = buffer.prepare(room);
    REQUIRE(tail.size() >= room);
    std::copy(bytes.begin(), bytes.end(), tail.begin());
    buffer.commit(bytes.size());
}

} // namespace

TEST_CASE("what is put in at the back comes out at the front", "[core]") {
    line_buffer buffer;
    CHECK(buffer.empty());
    CHECK(buffer.view().empty());
    buffer.append("hello ");
    buffer.append("");
    buffer.append("world");
    CHECK(buffer.view() == "hello world");
    CHECK(buffer.size() == 11u);
    buffer.consume(6);
    CHECK(buffer.view() == "world");
    buffer.consume(5);
    CHECK(buffer.empty());
}

TEST_CASE("a newline is counted from the front of the view", "[core]") {
    line_buffer buffer;
    CHECK(buffer.find_newline() == line_buffer::npos);
    buffer.append("ab\ncd\n\nef");
    CHECK(buffer.find_newline() == 2u);
    CHECK(buffer.find_newline() == 2u); // looking takes nothing away
    buffer.consume(3);
    CHECK(buffer.find_newline() == 2u);
    buffer.consume(3);
    CHECK(buffer.find_newline() == 0u);
    buffer.consume(1);
    CHECK(buffer.find_newline() == line_buffer::npos);
    CHECK(buffer.view() == "ef");
}

TEST_CASE("a search goes on where the last one stopped", "[core]") {
    line_buffer buffer;
    buffer.append("no newline yet");
    CHECK(buffer.find_newline() == line_buffer::npos);
    buffer.append(" but now\n");
    CHECK(buffer.find_newline() == 22u);
    buffer.consume(3); // fewer bytes than were searched
    CHECK(buffer.find_newline() == 19u);
    buffer.consume(20); // exactly up to behind the newline
    CHECK(buffer.find_newline() == line_buffer::npos);
    buffer.append("\n");
    CHECK(buffer.find_newline() == 0u);
}

TEST_CASE("a newline that was found stays found until it is taken", "[core]") {
    line_buffer buffer;
    buffer.append("ab\ncd\n");
    CHECK(buffer.find_newline() == 2u);
    buffer.append(std::string(10'000, 'x')); // moved to a larger block
    CHECK(buffer.find_newline() == 2u);
    buffer.consume(1); // a part of the line
    CHECK(buffer.find_newline() == 1u);
    buffer.consume(1);
    CHECK(buffer.find_newline() == 0u);
    buffer.consume(2); // the newline and a byte behind it
    CHECK(buffer.view().substr(0, 2) == "d\n");
    CHECK(buffer.find_newline() == 1u);
    buffer.consume(2);
    CHECK(buffer.find_newline() == line_buffer::npos);
}

TEST_CASE("more than was searched can be taken and the search begins behind it", "[core]") {
    line_buffer buffer;
    buffer.append("a\nb\nc\nd\n");
    CHECK(buffer.find_newline() == 1u);
    buffer.consume(5); // two newlines more
    CHECK(buffer.view() == "\nd\n");
    CHECK(buffer.find_newline() == 0u);
    buffer.consume(3);
    CHECK(buffer.find_newline() == line_buffer::npos);
    buffer.append("e\n"); // at the front again
    CHECK(buffer.find_newline() == 1u);
}

TEST_CASE("what was searched is known after it was moved to the front", "[core]") {
    line_buffer buffer;
    buffer.append(std::string(4000, 'x') + "\n");
    CHECK(buffer.find_newline() == 4000u);
    buffer.consume(4001);
    buffer.append("begun");
    CHECK(buffer.find_newline() == line_buffer::npos);
    buffer.append(std::string(500, 'y') + "\n"); // there is room for that at the front only
    CHECK(buffer.find_newline() == 505u);
    buffer.consume(100);
    CHECK(buffer.find_newline() == 405u);
}

TEST_CASE("taking bytes off the front moves the place where a search goes on", "[core]") {
    line_buffer buffer;
    buffer.append("0123456789");
    CHECK(buffer.find_newline() == line_buffer::npos);
    buffer.consume(4);
    buffer.append("\n");
    CHECK(buffer.find_newline() == 6u);
    buffer.consume(7);
    buffer.append("x\n");
    CHECK(buffer.find_newline() == 1u);
}

TEST_CASE("room is made as asked and what is unread is kept", "[core]") {
    line_buffer buffer;
    buffer.append("unread");
    for (const std::size_t room : {std::size_t{1}, std::size_t{5000}, std::size_t{100'000}, std::size_t{1'000'000}}) {
        CHECK(buffer.prepare(room).size() >= room);
        CHECK(buffer.view() == "unread");
        buffer.commit(0); // a read that found nothing
        CHECK(buffer.view() == "unread");
    }
}

TEST_CASE("a buffer that is emptied as fast as it is filled does not grow", "[core]") {
    line_buffer buffer;
    const std::string chunk(1000, 'x');
    buffer.append("the beginning of a line"); // so that it is never quite empty
    for (int i = 0; i < 10'000; ++i) {
        buffer.append(chunk);
        buffer.consume(chunk.size());
    }
    CHECK(buffer.size() == 23u);
    CHECK(buffer.capacity() <= 8192u);
}

TEST_CASE("a buffer that is filled while it is pinned does not grow without end", "[core]") {
    // A coroutine that holds a line while it writes to the child, whose output is read meanwhile, and so on for hours.
    line_buffer buffer;
    const std::string chunk(1000, 'x');
    for (int i = 0; i < 10'000; ++i) {
        buffer.pin();
        buffer.append(chunk);
        buffer.unpin();
        buffer.consume(chunk.size());
    }
    CHECK(buffer.capacity() <= 65536u);
}

TEST_CASE("a pinned view stays as it is whatever comes in behind it", "[core]") {
    line_buffer buffer;
    buffer.append("first line\nsecond line\n");
    const std::string_view first = buffer.view().substr(0, buffer.find_newline());
    buffer.consume(first.size() + 1);
    buffer.pin();
    // Grown several times over; the block that was handed out is not the one before the last only.
    for (int i = 0; i < 1000; ++i) buffer.append(std::string(1000, static_cast<char>('a' + i % 26)));
    CHECK(first == "first line");
    CHECK(take_line(buffer) == "second line");
    CHECK(buffer.size() == 1'000'000u);
    CHECK(first == "first line");
    buffer.unpin();
    CHECK(buffer.size() == 1'000'000u);
}

TEST_CASE("a pinned view stays as it is even when nothing is unread behind it", "[core]") {
    line_buffer buffer;
    buffer.append("the only line\n");
    const std::string_view line = buffer.view().substr(0, 13);
    buffer.consume(14);
    buffer.pin();
    REQUIRE(buffer.empty()); // unpinned, the next bytes would begin at the front again
    buffer.append("overwritten?\n");
    CHECK(line == "the only line");
    CHECK(take_line(buffer) == "overwritten?");
    CHECK(line == "the only line");
}

TEST_CASE("clearing a pinned buffer keeps what was handed out", "[core]") {
    line_buffer buffer;
    buffer.append("kept\nforgotten\n");
    const std::string_view line = buffer.view().substr(0, 4);
    buffer.consume(5);
    buffer.pin();
    buffer.clear();
    CHECK(buffer.empty());
    buffer.append("new\n");
    CHECK(line == "kept");
    CHECK(take_line(buffer) == "new");
    buffer.clear();
    CHECK(line == "kept");
}

TEST_CASE("clearing forgets the bytes and gives the memory back", "[core]") {
    line_buffer buffer;
    buffer.append(std::string(100'000, 'x'));
    CHECK(buffer.find_newline() == line_buffer::npos);
    buffer.clear();
    CHECK(buffer.empty());
    CHECK(buffer.capacity() == 0u);
    buffer.append("\n"); // the search begins anew, too
    CHECK(buffer.find_newline() == 0u);
}

TEST_CASE("lines do not depend on how the bytes were cut into chunks", "[core]") {
    std::mt19937 random(GENERATE(1u, 2u, 3u, 4u, 5u));
    const auto pick = [&](std::size_t least, std::size_t most) {
        return std::uniform_int_distribution<std::size_t>(least, most)(random);
    };

    // Short lines, empty ones, and now and then one of many kilobytes.
    std::string all;
    std::vector<std::string> expected;
    for (int i = 0; i < 300; ++i) {
        const std::size_t length = pick(0, 20) == 0 ? pick(0, 30'000) : pick(0, 40);
        expected.emplace_back(length, static_cast<char>('a' + i % 26));
        all += expected.back() + '\n';
    }

    line_buffer buffer;
    std::vector<std::string> got;
    std::string_view rest = all;
    std::string_view held; // a view that somebody is looking at, and what it said when it was handed out
    std::string said;
    while (!rest.empty()) {
        const std::size_t chunk = std::min(rest.size(), pick(0, 9) == 0 ? pick(1, 20'000) : pick(1, 60));
        read_into(buffer, rest.substr(0, chunk), chunk + pick(0, 100));
        rest.remove_prefix(chunk);
        REQUIRE(held == said);
        if (pick(0, 2) == 0) continue; // nobody looks for a while
        buffer.unpin();
        held = {};
        said.clear();
        for (std::size_t newline; (newline = buffer.find_newline()) != line_buffer::npos;) {
            held = buffer.view().substr(0, newline);
            said = std::string(held);
            got.push_back(said);
            buffer.consume(newline + 1);
        }
        if (pick(0, 1) == 0) buffer.pin();
        else held = {}, said.clear();
    }
    buffer.unpin();
    while (auto line = take_line(buffer)) got.push_back(*line);
    CHECK(got == expected);
    CHECK(buffer.empty());
}
