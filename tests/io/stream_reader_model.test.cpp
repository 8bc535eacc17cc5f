// SPDX-License-Identifier: BSL-1.0
//
// Random operations on a reader, held against a string: every byte is delivered once, in order, or counted as dropped.
#include <coproc/io/stream_reader.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/coro/task.hpp>

#include "support/catch.hpp"
#include "support/driven.hpp"
#include "support/pipes.hpp"

using namespace coproc;

namespace {

enum class verb { some, some_into, exactly, until, until_two, line, line_view, all };
constexpr int verbs = 8;

struct operation {
    verb what;
    std::size_t count;
};

struct answer {
    enum class kind { bytes, line, end, too_long, incomplete, waits };
    kind what = kind::waits;
    std::string bytes;
};
using kind = answer::kind;

// The whole truth about a reader: what has come and was not taken, and what was passed over.
class model {
public:
    model(std::size_t limit, long_line policy) : limit_(limit), policy_(policy) {}

    void feed(std::string_view bytes) {
        unread_ += bytes;
        if (passing_over_) pass_over_rest();
    }
    void end() { eof_ = true; }

    answer ask(const operation& op) {
        switch (op.what) {
        case verb::some:
        case verb::some_into:
            if (unread_.empty() && !eof_ && op.count != 0) return {};
            return {kind::bytes, take(std::min(op.count, unread_.size()))};
        case verb::exactly:
            if (unread_.size() >= op.count) return {kind::bytes, take(op.count)};
            return eof_ ? answer{kind::incomplete, take(unread_.size())} : answer{};
        case verb::until: return until({";"});
        case verb::until_two: return until({";", "\r\n"});
        case verb::line:
        case verb::line_view: return line();
        case verb::all: return eof_ ? answer{kind::bytes, take(unread_.size())} : answer{};
        }
        return {};
    }

    [[nodiscard]] std::size_t buffered() const { return unread_.size(); }
    [[nodiscard]] std::size_t dropped() const { return dropped_; }

private:
    std::string take(std::size_t n) {
        std::string bytes = unread_.substr(0, n);
        unread_.erase(0, n);
        return bytes;
    }
    void drop(std::size_t n) {
        unread_.erase(0, n);
        dropped_ += n;
    }
    void pass_over_rest() {
        const std::size_t newline = unread_.find('\n');
        passing_over_ = newline == std::string::npos;
        drop(passing_over_ ? unread_.size() : newline + 1);
    }

    answer until(std::vector<std::string_view> delimiters) {
        std::size_t longest_of_all = 0;
        for (const auto d : delimiters) longest_of_all = std::max(longest_of_all, d.size());
        for (std::size_t end = 1; end <= unread_.size(); ++end) {
            std::size_t longest = 0;
            for (const auto d : delimiters) {
                if (std::string_view(unread_).substr(0, end).ends_with(d)) longest = std::max(longest, d.size());
            }
            if (longest == 0) continue;
            if (end - longest > limit_) return {kind::too_long, ""};
            return {kind::bytes, take(end)};
        }
        if (unread_.size() >= limit_ + longest_of_all) return {kind::too_long, ""};
        if (!eof_) return {};
        if (unread_.size() > limit_) return {kind::too_long, ""};
        return {kind::incomplete, take(unread_.size())};
    }

    answer line() {
        for (;;) {
            const std::size_t newline = unread_.find('\n');
            const bool ended = newline != std::string::npos;
            if (!ended && !eof_ && unread_.size() < limit_ + 2) return {};
            if (!ended && unread_.empty()) return {kind::end, ""};
            std::size_t length = ended ? newline : unread_.size();
            if (ended && length != 0 && unread_[length - 1] == '\r') --length;
            const std::size_t whole = ended ? newline + 1 : unread_.size();
            if (length <= limit_) {
                std::string bytes = take(whole);
                bytes.resize(length);
                return {kind::line, bytes};
            }
            if (policy_ == long_line::split) return {kind::line, take(limit_)};
            std::string head;
            if (policy_ == long_line::truncate) head = take(limit_);
            drop(whole - head.size());
            passing_over_ = !ended && !eof_;
            if (policy_ == long_line::truncate) return {kind::line, head};
            if (policy_ == long_line::fail) return {kind::too_long, ""};
        }
    }

    std::size_t limit_;
    long_line policy_;
    std::string unread_;
    std::size_t dropped_ = 0;
    bool eof_ = false;
    bool passing_over_ = false;
};

task<> ask(stream_reader& reader, operation op, answer& got) {
    try {
        answer a{kind::bytes, ""};
        switch (op.what) {
        case verb::some: a.bytes = co_await reader.read(op.count); break;
        case verb::some_into: {
            std::array<char, 64> into{};
            const std::size_t n = co_await reader.read_some(std::span<char>(into.data(), op.count));
            a.bytes.assign(into.data(), n);
            break;
        }
        case verb::exactly: a.bytes = co_await reader.read_exactly(op.count); break;
        case verb::until: a.bytes = co_await reader.read_until(";"); break;
        case verb::until_two: a.bytes = co_await reader.read_until(";", "\r\n"); break;
        case verb::line: {
            auto line = co_await reader.read_line();
            a = line ? answer{kind::line, *line} : answer{kind::end, ""};
            break;
        }
        case verb::line_view: {
            const auto line = co_await reader.next_line();
            a = line ? answer{kind::line, std::string(*line)} : answer{kind::end, ""};
            break;
        }
        case verb::all: a.bytes = co_await reader.read_all(); break;
        }
        got = a;
    } catch (const line_too_long&) {
        got = {kind::too_long, ""};
    } catch (const incomplete_read& e) {
        got = {kind::incomplete, e.partial()};
    }
}

// One reader's life. Bytes come by `put` and the end by `end`; a reader on a pipe takes what it wants, when it wants.
template <class Put, class End>
void live(std::uint32_t seed, event_loop& loop, stream_reader& reader, bool in_memory, Put put, End end) {
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t from, std::size_t to) {
        return std::uniform_int_distribution<std::size_t>(from, to)(random);
    };
    const std::size_t limit = pick(0, 3) == 0 ? 1000 : pick(1, 6);
    const auto policy = static_cast<long_line>(pick(0, 3));
    reader.line_limit(limit, policy);
    model truth(limit, policy);

    std::optional<driven> parked;
    operation op{};
    answer got;
    // The parked read has been answered, exactly if the model can answer it.
    const auto settle = [&] {
        for (int i = 0; i < 3; ++i) loop.poll();
        if (!parked) return;
        // What is still in the kernel comes with a later read.
        const bool may_be_fewer = op.what == verb::some || op.what == verb::some_into;
        if (!in_memory && may_be_fewer && !got.bytes.empty()) op.count = got.bytes.size();
        const answer expected = truth.ask(op);
        REQUIRE(static_cast<int>(got.what) == static_cast<int>(expected.what));
        REQUIRE(got.bytes == expected.bytes);
        if (got.what != kind::waits) parked.reset();
    };
    const auto steps = pick(1, 60);
    bool ended = false;
    for (std::size_t step = 0; step < steps || !ended; ++step) {
        const std::size_t what = step < steps ? pick(0, 9) : 9;
        if (what <= 3) {
            if (ended) continue;
            std::string bytes;
            for (std::size_t n = pick(0, 12); n != 0; --n) bytes += "ab;\r\n\n"[pick(0, 5)];
            put(bytes);
            truth.feed(bytes);
            // Cancelled with its answer on the way. (What `skip` passes over on that way is gone.)
            if (policy != long_line::skip && pick(0, 4) == 0) parked.reset();
        } else if (what <= 7) {
            if (parked) continue;
            op = {static_cast<verb>(pick(0, verbs - 1)), pick(0, 8)};
            got = {};
            parked.emplace(drive(ask(reader, op, got)));
        } else if (what == 8) {
            if (parked && pick(0, 1) == 0) parked.reset(); // cancelled; settled or not
        } else if (step >= steps || pick(0, 9) == 0) {
            if (!ended) {
                end();
                truth.end();
            }
            ended = true;
        }
        settle();
        if (in_memory) {
            REQUIRE(reader.buffered() == truth.buffered());
            REQUIRE(reader.dropped() == truth.dropped());
        }
    }
    // What is left.
    parked.reset();
    op = {verb::all, 0};
    got = {};
    parked.emplace(drive(ask(reader, op, got)));
    settle();
    CHECK(reader.at_eof());
    CHECK(truth.buffered() == 0);
    CHECK(reader.dropped() == truth.dropped());
}

} // namespace

TEST_CASE("random operations on a reader in memory answer as a string would", "[io]") {
    event_loop loop;
    for (std::uint32_t seed = 1; seed <= 8000; ++seed) {
        INFO("seed " << seed);
        stream_reader reader(loop);
        live(
            seed, loop, reader, true, [&](const std::string& bytes) { reader.feed(bytes); },
            [&] { reader.feed_eof(); });
    }
}

TEST_CASE("random operations on a reader of a pipe answer as a string would", "[io]") {
    event_loop loop;
    for (std::uint32_t seed = 1; seed <= 4000; ++seed) {
        INFO("seed " << seed);
        platform::pipe_ends pipe = platform::make_pipe();
        stream_reader reader(std::move(pipe.read), loop);
        live(
            seed, loop, reader, false, [&](const std::string& bytes) { put_into(pipe.write, bytes); },
            [&] { pipe.write.reset(); });
    }
}
