// SPDX-License-Identifier: BSL-1.0
//
// Much through a child: many lines, many bytes through narrow pipes, many reads that are cancelled.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// "line N", without an allocation.
class numbered_line {
public:
    explicit numbered_line(int number) { end_ = std::to_chars(text_ + 5, text_ + sizeof text_, number).ptr; }
    [[nodiscard]] std::string_view view() const { return {text_, static_cast<std::size_t>(end_ - text_)}; }

private:
    char text_[20] = {'l', 'i', 'n', 'e', ' '};
    char* end_;
};

} // namespace

// Seen to fail: with a writer that takes a partial write for a whole one.
TEST_CASE("a million lines go through a child and each comes back once and in its place", "[process][endurance]") {
    const nothing_leaks check;
    constexpr int count = 1000000;
    const auto write = [](async_process& p) -> task<> {
        std::string block;
        for (int i = 0; i < count; ++i) {
            block.append(numbered_line(i).view()).push_back('\n');
            if (block.size() < 50000 && i + 1 < count) continue;
            co_await p.write_stdin(block);
            block.clear();
        }
        p.close_stdin();
    };
    const auto read = [](async_process& p) -> task<int> {
        line_stream lines = p.stream_stdout();
        int good = 0;
        while (const auto line = co_await lines.next()) good += *line == numbered_line(good).view() ? 1 : 0;
        co_return good;
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("cat"));
        auto both = co_await when_all(read(p), write(p));
        CHECK(std::get<0>(both) == count);
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk(), 100s);
}

// Seen to fail: with a writer that takes a partial write for a whole one; with a stream_group that tells nobody.
TEST_CASE("four mebibytes and a byte go both ways at once through the narrowest pipes", "[process][endurance]") {
    const nothing_leaks check;
    const std::string bytes = alphabet((std::size_t{4} << 20) + 1);
    const auto write = [](async_process& p, const std::string& all) -> task<> {
        co_await p.write_stdin(all);
        p.close_stdin();
    };
    const auto made_narrow = [](async_process& p) -> task<bool> {
        bool narrow = true;
        for (int i = 0; i < 2; ++i) {
            const auto size = co_await p.err().read_line();
            narrow = narrow && size && std::stol(*size) == std::max(4096L, ::sysconf(_SC_PAGESIZE));
        }
        co_return narrow;
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("narrow_cat"));
        const bool narrow = co_await made_narrow(p);
        auto both = co_await when_all(p.read_stdout(), write(p, bytes));
        CHECK((std::get<0>(both) == bytes));
        async_process q(child("narrow_cat"));
        const bool narrow_again = co_await made_narrow(q);
        const result r = co_await q.communicate(bytes);
        CHECK((r.out == bytes));
        CHECK(r.status.success());
#if defined(__linux__) // elsewhere they are as wide as they are
        CHECK(narrow);
        CHECK(narrow_again);
#endif
        static_cast<void>(narrow && narrow_again);
    };
    run_in_time(talk(), 100s);
}

// As in tests/rules, but all verbs mixed, and with pieces of any size.
//
// Seen to fail: with a read that takes a byte along when it is cancelled.
TEST_CASE("a thousand reads that are cancelled when their bytes come leave every byte to the next",
          "[process][endurance]") {
    const nothing_leaks check;
    constexpr std::uint32_t seed = 20260101;
    CAPTURE(seed);
    char buffer[100];
    // Completes in the turn in which so much of the echo is there that the read has been told.
    const auto echo = [](async_process& p, const std::string& piece, std::size_t enough) -> task<> {
        co_await p.write_stdin(piece);
        while (p.out().buffered() < enough) co_await yield();
    };
    const auto read = [&buffer](async_process& p, unsigned verb, std::size_t size) -> task<> {
        switch (verb) {
        case 0: co_await p.out().read(10); break;
        case 1: co_await p.out().read_some(buffer); break;
        case 2: co_await p.out().read_exactly(size); break;
        case 3: co_await p.read_line(); break;
        case 4: co_await p.out().next_line(); break;
        case 5: co_await p.out().read_until("\n"); break;
        default: co_await p.read_stdout(); break;
        }
    };
    const auto talk = [&]() -> task<> {
        std::mt19937 random(seed);
        async_process p(child("cat"));
        std::string sent;
        std::string found;
        for (int i = 0; i < 1000; ++i) {
            std::string piece(1 + random() % 4000, static_cast<char>('a' + i % 26));
            piece.back() = '\n';
            const unsigned verb = static_cast<unsigned>(random() % 7);
            const std::size_t enough = verb < 2 ? 1 : piece.size();
            auto first = co_await when_any(read(p, verb, piece.size()), echo(p, piece, enough));
            CHECK(first.index == 1);
            CHECK(p.out().buffered() >= enough);
            const std::string next = co_await p.out().read_exactly(piece.size());
            CHECK((next == piece));
            sent += piece;
            found += next;
        }
        p.close_stdin();
        found += co_await p.read_stdout();
        CHECK((found == sent));
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk(), 100s);
}
