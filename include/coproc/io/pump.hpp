#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// pump: everything from a reader into a writer.
//
//     std::uint64_t bytes = co_await pump(from.out(), to.in());
//     to.close_stdin();
//
// Where the kernel can move bytes between the two by itself (Linux: one of them is a pipe), they do not pass through
// our memory; otherwise through the buffer of the reader. In both cases a byte leaves the reader in the moment in which
// the writer takes it, so that whenever a pump is cut short, each byte is in one of them and none in both.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

#include "../coro/task.hpp"
#include "../loop/sleep.hpp"
#include "../platform/splice.hpp"
#include "stream_group.hpp"
#include "stream_reader.hpp"
#include "stream_writer.hpp"

namespace coproc {
namespace detail {

// A pump between two of its waits.
class transfer {
public:
    transfer(stream_reader& from, stream_writer& to) : from_(from), to_(to) {
        to_.check_ready();
        from_.hold();
        from_stay_.enter(from_.group_); // whichever of the two we wait for, both children can go on
        to_stay_.enter(to_.group_);
    }
    transfer(const transfer&) = delete;
    transfer& operator=(const transfer&) = delete;
    ~transfer() { from_.let_go(); }

    enum class next { end, bytes, room, turn };

    /// Moves what can be moved now, and says what to wait for.
    next go_on() {
        if (to_.watched_ == 0) to_.writable_ = true; // without events nobody can know better: try
        for (;;) {
            check_errors();
            if (from_.buffer_.empty()) {
                if (from_.buffer_.ended()) return at_end();
                if (!from_.can_read() || from_.tap_ != nullptr) return next::bytes; // a tap sees what the loop reads
                if (from_.turn_is_spent()) return next::turn;
            }
            if (!to_.has_room() && there_is_more()) return next::room;
            if (!from_.buffer_.empty()) write_what_is_buffered();
            else if (kernel_can_ && to_.has_room() && !from_.buffer_.is_passing_over()) let_the_kernel_move();
            else from_.read_once();
        }
    }

    [[nodiscard]] auto bytes() { return from_.wait_for_arrival(); }
    [[nodiscard]] auto room() { return to_.wait_for_room(); }
    [[nodiscard]] std::uint64_t moved() const noexcept { return moved_; }

private:
    void check_errors() const {
        from_.throw_at_once();
        to_.check_error();
        if (to_.closing_) to_.throw_error(std::make_error_code(std::errc::operation_canceled));
    }

    next at_end() const {
        from_.buffer_.throw_error();
        return next::end;
    }

    // The pipe may have been filled by the very last byte: then there is no room to wait for.
    [[nodiscard]] bool there_is_more() const noexcept {
        return !from_.buffer_.empty() || (kernel_can_ && platform::has_bytes(from_.fd_.get()));
    }

    void write_what_is_buffered() noexcept {
        std::string_view bytes = from_.buffer_.view();
        const std::size_t n = to_.push_and_count(bytes);
        from_.buffer_.consume(n);
        moved_ += n;
    }

    void let_the_kernel_move() noexcept {
        using kind = platform::splice_outcome::kind;
        const auto [what, n] = platform::splice_some(from_.fd_.get(), to_.fd_.get(), stream_reader::most_in_turn);
        from_.taken_in_turn_ += n;
        from_.arrived_ += n;
        to_.written_ += n;
        to_.accepted_ += n;
        moved_ += n;
        if (what == kind::source_dry) from_.readable_ = false;
        if (what == kind::sink_full) to_.writable_ = false;
        if (what == kind::refused) kernel_can_ = false;
    }

    stream_reader& from_;
    stream_writer& to_;
    group_stay from_stay_;
    group_stay to_stay_;
    std::uint64_t moved_ = 0;
    bool kernel_can_ = !to_.terminal_; // until it has refused; what is typed last on a terminal has to be known
};

} // namespace detail

/// Everything up to the end of `from` goes into `to`, first what is buffered, no faster than `to` takes it; yields the
/// number of bytes. Closes neither. While it runs, no one else can read `from`, nor write to `to` while it waits for
/// room: that is a usage_error. Throws stream_error of the side that failed, operation_canceled if `to` is closed
/// meanwhile. Cancelled or failed, it has lost nothing: what `to` has not taken (`stream_writer::accepted`) is still in
/// `from`, for another pump or any other read.
///
/// What the kernel moves from a file into a pipe may be the file's own pages: changed before they are read at the other
/// end, they are read as changed (splice(2)).
template <class = void>
[[nodiscard]] task<std::uint64_t> pump(stream_reader& from, stream_writer& to) {
    using next = detail::transfer::next;
    detail::transfer moving(from, to);
    for (;;) {
        switch (moving.go_on()) {
        case next::end: co_return moving.moved();
        case next::bytes: co_await moving.bytes(); break;
        case next::room: co_await moving.room(); break;
        case next::turn: co_await yield(); break;
        }
    }
}

} // namespace coproc
