#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// JSON that a child writes: all of it as one value, or one value a line. Not in <coproc.hpp>, as json is not.
//
//     async_process p("lsblk", "-J");
//     const json disks = co_await read_json(p);
//
//     json_stream events = stream_json(p);                 // NDJSON
//     while (auto event = co_await events.next()) use(*event);

#include <coroutine>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../coro/task.hpp"
#include "../data/decode_error.hpp"
#include "../data/json.hpp"
#include "../io/stream_reader.hpp"
#include "../process/async_process.hpp"

namespace coproc {
namespace detail {

// `line`: the number of the one that `text` is; 0: it is all there is. Of no child: no command line.
[[nodiscard]] inline json parse_json_of(std::string_view text, std::size_t line, const std::string* command_line) {
    try {
        return json::parse(text);
    } catch (const decode_error& e) {
        const decode_error told = line != 0 ? e.at({e.offset(), line, 0, e.excerpt()}) : e;
        throw command_line != nullptr ? told.of(*command_line) : decode_error(told);
    }
}

[[nodiscard]] inline task<json> read_json(stream_reader& from, const std::string* command_line) {
    const std::string text = co_await from.read_all();
    co_return parse_json_of(text, 0, command_line);
}

} // namespace detail

/// One value a line; lines with nothing but spaces are passed over. Refers to what it reads, which must live as long.
class json_stream {
public:
    explicit json_stream(stream_reader& from) noexcept : from_(&from) {}
    explicit json_stream(async_process& p) : from_(&p.out()), command_line_(&p.command_line()) {}

    /// nullopt at the end, again and again. Throws decode_error, whose `line()` is that of the stream and whose
    /// `offset()` counts in that line; what `next_line` throws. In any case it goes on with the line after it.
    [[nodiscard]] task<std::optional<json>> next() {
        for (;;) {
            const std::optional<std::string_view> text = co_await next_line();
            if (!text) co_return std::nullopt;
            if (text->find_first_not_of(" \t\r") == std::string_view::npos) continue;
            co_return detail::parse_json_of(*text, line_, command_line_);
        }
    }
    /// The number of the line that `next` has told of last, from 1.
    [[nodiscard]] std::size_t line() const noexcept { return line_; }

private:
    // As the reader does, with the lines counted.
    class counted_line {
    public:
        explicit counted_line(json_stream& lines) : count_(&lines.line_), line_(lines.from_->next_line()) {}
        bool await_ready() { return line_.await_ready(); }
        void await_suspend(std::coroutine_handle<> handle) noexcept { line_.await_suspend(handle); }
        std::optional<std::string_view> await_resume() {
            try {
                const std::optional<std::string_view> text = line_.await_resume();
                if (text) ++*count_;
                return text;
            } catch (const line_too_long&) {
                ++*count_;
                throw;
            }
        }

    private:
        std::size_t* count_;
        decltype(std::declval<stream_reader&>().next_line()) line_;
    };
    [[nodiscard]] counted_line next_line() { return counted_line(*this); }

    stream_reader* from_;
    const std::string* command_line_ = nullptr; // the child's, wherever its async_process is moved
    std::size_t line_ = 0;
};

/// What is left of the child's stdout, as one value. Throws decode_error, with the command line and the place; what it
/// has read is gone then. Throws usage_error, at once, if stdout is not piped. A child that fails may have written half
/// of a value, or nothing: where that is to be told first, `execute` it and `json::parse` its output.
[[nodiscard]] inline task<json> read_json(async_process& p) { return detail::read_json(p.out(), &p.command_line()); }
/// The same of any stream; its errors know of no command line.
[[nodiscard]] inline task<json> read_json(stream_reader& from) { return detail::read_json(from, nullptr); }

/// Its stdout, one value a line.
[[nodiscard]] inline json_stream stream_json(async_process& p) { return json_stream(p); }
[[nodiscard]] inline json_stream stream_json(stream_reader& from) { return json_stream(from); }

} // namespace coproc
