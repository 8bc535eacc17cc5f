#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What a child writes, as values: all of it as one, or each line.
//
//     auto points = p.stream_as<point>();
//     while (auto each = co_await points.next()) use(*each);     // a std::optional<point>

#include <coroutine>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../data/decoder.hpp"
#include "../data/text.hpp"
#include "../io/stream_reader.hpp"
#include "process_state.hpp"

namespace coproc {
namespace detail {

/// All of a stream, then what `Decode` makes of it. Destroyed before that, nothing is taken.
template <class Decode>
class [[nodiscard]] decoded_read {
public:
    decoded_read(process_state& whose, stream_reader& from, Decode decode)
        : whose_(&whose), bytes_(from.read_all()), decode_(decode) {}

    bool await_ready() { return bytes_.await_ready(); }
    void await_suspend(std::coroutine_handle<> handle) { bytes_.await_suspend(handle); }
    auto await_resume() { return decode_(bytes_.await_resume(), bytes_of(*whose_)); }

private:
    process_state* whose_;
    stream_reader::read_awaiter<std::string> bytes_;
    [[no_unique_address]] Decode decode_;
};

template <class T>
struct as_value {
    T operator()(std::string&& bytes, const bytes_of& whose) const { return decode_for<T>(std::move(bytes), whose); }
};

struct as_text {
    utf8 how;
    std::string operator()(std::string&& bytes, const bytes_of& whose) const {
        try {
            return to_utf8(std::move(bytes), how);
        } catch (const decode_error&) {
            throw_as_decode_error({}, whose);
        }
    }
};

} // namespace detail

/// One value a line. Refers to the process, which must live as long.
template <class T>
class decoded_stream {
public:
    class [[nodiscard]] next_awaiter;

    decoded_stream(detail::process_state& whose, stream_reader& from) noexcept : whose_(&whose), from_(&from) {}

    /// A std::optional<T>; nullopt at the end, again and again. Throws decode_error, which names the number of the line
    /// and the offset in it: the next `next()` is of the line after it; and what `next_line` throws.
    [[nodiscard]] next_awaiter next() { return next_awaiter(*this); }
    /// How many lines have been taken: the number of the one that `next` has told of last, from 1.
    [[nodiscard]] std::size_t line() const noexcept { return line_; }

private:
    detail::process_state* whose_;
    stream_reader* from_;
    std::size_t line_ = 0;
};

template <class T>
class decoded_stream<T>::next_awaiter {
public:
    bool await_ready() { return bytes_.await_ready(); }
    void await_suspend(std::coroutine_handle<> handle) { bytes_.await_suspend(handle); }
    std::optional<T> await_resume() {
        const std::optional<std::string_view> line = take();
        if (!line) return std::nullopt;
        ++stream_->line_;
        return detail::decode_for<T>(*line, detail::bytes_of(*stream_->whose_, stream_->line_));
    }

private:
    friend decoded_stream;
    explicit next_awaiter(decoded_stream& stream) : stream_(&stream), bytes_(stream.from_->next_line()) {}

    std::optional<std::string_view> take() {
        try {
            return bytes_.await_resume();
        } catch (const line_too_long&) {
            ++stream_->line_;
            throw;
        }
    }

    decoded_stream* stream_;
    stream_reader::read_awaiter<std::optional<std::string_view>> bytes_;
};

} // namespace coproc
