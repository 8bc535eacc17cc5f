#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// stream_tap: sees what comes into a stream_reader while it goes on being read.

#include <exception>
#include <string_view>

namespace coproc {

/// Sees every byte once, in order, before any read does.
class stream_tap {
public:
    stream_tap() noexcept = default;
    stream_tap(const stream_tap&) = delete;
    stream_tap& operator=(const stream_tap&) = delete;
    virtual ~stream_tap() = default;

    /// Called by the loop and never within a read, so it may do what it likes: destroy who waits, and the reader
    /// itself; `bytes` go with that. What it throws is thrown by the next read, once; the stream goes on meanwhile.
    virtual void take(std::string_view bytes) = 0;

    /// Nothing more will come.
    virtual void end() noexcept {}

    /// Or else reads find nothing but the end.
    [[nodiscard]] virtual bool keeps() const noexcept { return true; }

private:
    friend class stream_reader;

    std::exception_ptr failure_; // that no read has thrown yet
    bool closed_ = false;        // the reader is, or it is no more
};

} // namespace coproc
