#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// streams: readers and writers of the user's own for a child, in place of fresh ones.
//
//     stream_reader log;                                     // lives longer than any child
//     async_process first(command("one"), streams().out(log));
//     …                                                      // read to its end, or log.close()
//     async_process second(command("two"), streams().out(log));

#include "../io/stream_reader.hpp"
#include "../io/stream_writer.hpp"

namespace coproc {

/// Each stream must outlive the async_process, or be closed and let alone; belong to the same loop; and be free: not in
/// use by another child, and closed or read to its end. Its limits, and bytes that came before and were not read, stay.
/// When the async_process is gone the stream is the user's again, with what it can still read.
class streams {
public:
    [[nodiscard]] streams in(stream_writer& w) const noexcept { return {&w, out_, err_}; }
    [[nodiscard]] streams out(stream_reader& r) const noexcept { return {in_, &r, err_}; }
    [[nodiscard]] streams err(stream_reader& r) const noexcept { return {in_, out_, &r}; }

    constexpr streams() noexcept = default;

    // Null where it is to be a fresh one.

    [[nodiscard]] stream_writer* in() const noexcept { return in_; }
    [[nodiscard]] stream_reader* out() const noexcept { return out_; }
    [[nodiscard]] stream_reader* err() const noexcept { return err_; }

private:
    constexpr streams(stream_writer* in, stream_reader* out, stream_reader* err) noexcept
        : in_(in), out_(out), err_(err) {}

    stream_writer* in_ = nullptr;
    stream_reader* out_ = nullptr;
    stream_reader* err_ = nullptr;
};

} // namespace coproc
