#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// line_stream: the lines of a reader as a sequence of views.
//
//     auto lines = proc.stream_stdout();
//     while (auto line = co_await lines.next()) use(*line);

#include "stream_reader.hpp"

namespace coproc {

/// Refers to its reader, which must live as long.
class line_stream {
public:
    explicit line_stream(stream_reader& reader) noexcept : reader_(&reader) {}

    /// A std::optional<std::string_view>, valid until the next `next()`; nullopt at the end. As
    /// `stream_reader::next_line`.
    [[nodiscard]] auto next() { return reader_->next_line(); }

private:
    stream_reader* reader_;
};

inline line_stream stream_reader::lines() noexcept { return line_stream(*this); }

} // namespace coproc
