#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// stream_writer: bytes into a pipe, with back-pressure, and without SIGPIPE.
//
//     co_await writer.write_all(bytes);              // waits while the pipe is full; copies nothing
//     writer.write(head); writer.write(body);        // never waits: what does not fit is buffered
//     co_await writer.drain();                       // until little enough is
//     writer.close();

#include <algorithm>
#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/intrusive_list.hpp"
#include "../core/line_buffer.hpp"
#include "../core/unique_fd.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/pipe.hpp"
#include "../platform/pty.hpp"
#include "../platform/sigpipe.hpp"
#include "stream_group.hpp"
#include "stream_name.hpp"

namespace coproc {

namespace detail {
class transfer;
}

/// Stays where it is made: coroutines park on it. Bytes leave in the order of the calls. After an error every call
/// throws it.
class stream_writer final : event_target {
    // A parked `write_all`, and what is left of its bytes. With none it waits for room behind what is buffered.
    struct parked_write : waiter {
        parked_write(std::string_view bytes, bool room) noexcept : rest(bytes), for_room(room) {}
        std::string_view rest;
        bool for_room;
        bool closed_under = false; // and so it will never be written
    };

public:
    static constexpr std::size_t default_high_water = 65536;

    /// Closed, until `open`.
    [[gnu::noinline]] explicit stream_writer(event_loop& loop = event_loop::current()) noexcept
        : loop_(loop), buffer_(loop.blocks()) {}
    /// To a descriptor of its own: a pipe, made non-blocking here, or a file. Throws std::system_error.
    explicit stream_writer(unique_fd fd, event_loop& loop = event_loop::current()) : stream_writer(loop) {
        open(platform::nonblocking(std::move(fd)));
    }
    stream_writer(const stream_writer&) = delete;
    stream_writer& operator=(const stream_writer&) = delete;
    /// Drops what is still buffered.
    [[gnu::noinline]] ~stream_writer() { release_descriptor(); }

    class [[nodiscard]] write_awaiter;
    class [[nodiscard]] drain_awaiter;

    /// Completes when all of `bytes`, which must live until then, are in the pipe. Destroyed before, it has written a
    /// part of them, and `accepted()` tells how much. Throws stream_error: EPIPE when nobody reads any more,
    /// operation_canceled when the writer is closed meanwhile. One at a time: a second one is a usage_error.
    [[nodiscard]] write_awaiter write_all(std::string_view bytes);

    /// Writes what the pipe takes now and buffers the rest. Throws stream_error if an earlier write has failed;
    /// usage_error while a `write_all` waits, whose bytes it would overtake.
    void write(std::string_view bytes) {
        check_ready();
        accepted_ += bytes.size();
        if (buffer_.empty()) push(bytes);
        check_error();
        buffer_.append(bytes);
        if (!bytes.empty()) watch();
    }

    /// Each element, one behind the other; no newlines are added.
    template <class Range>
    void write_lines(const Range& lines) {
        for (const auto& line : lines) write(line);
    }

    /// Back-pressure for `write`: completes at once while no more than the high-water mark is buffered, otherwise when
    /// no more than the low-water mark is left. Any number of waiters. Throws stream_error.
    [[nodiscard]] drain_awaiter drain();

    /// The marks of `drain`, in bytes (default 64 KiB, and a quarter of that).
    void water_marks(std::size_t high, std::size_t low) noexcept {
        high_water_ = high;
        low_water_ = std::min(low, high);
    }

    /// The reader sees the end after what is buffered. A pipe has one direction, so this is `close`.
    void write_eof() noexcept { close(); }

    /// No more writes; the descriptor goes when what is buffered has been written, or could not be. A `write_all` that
    /// waits ends with operation_canceled: its bytes are the caller's and were never buffered. Idempotent.
    ///
    /// To a terminal's reader a closed descriptor says nothing, so there the end is typed: the end-of-file character,
    /// twice if what was written last does not end a line. As with a human, that is the end for whoever reads lines
    /// just then. A child that takes each byte as it comes (raw) is told nothing: write what it takes for the end.
    [[gnu::noinline]] void close() noexcept {
        finish_current();
        closing_ = true;
        end_current();
        advance();
        if (fd_) watch();
    }
    [[nodiscard]] bool is_closing() const noexcept { return closing_; }

    /// Completes when the descriptor is closed. Throws stream_error if something that was buffered could not be
    /// written.
    [[nodiscard]] drain_awaiter wait_closed();

    /// Bytes that `write` has accepted and the pipe has not.
    [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size(); }
    /// All bytes that the pipe has taken since `open`.
    [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
    /// All bytes since `open` that the caller need not keep: they are in the pipe, or buffered and will follow. So a
    /// `write_all` that was cancelled can be resumed, and nothing is lost or doubled:
    ///
    ///     const auto before = writer.accepted();
    ///     if (!co_await with_timeout(writer.write_all(bytes), 1s)) bytes.remove_prefix(writer.accepted() - before);
    [[nodiscard]] std::uint64_t accepted() const noexcept { return accepted_; }

    // For whoever owns the stream.

    /// Writes to `fd`, which must be non-blocking, from now on. What was buffered for another is dropped. Nobody may
    /// wait here.
    [[gnu::noinline]] void open(unique_fd fd) noexcept {
        abort();
        platform::expect_no_sigpipe(fd.get());
        fd_ = std::move(fd);
        error_ = {};
        written_ = accepted_ = 0;
        writable_ = true;
        closing_ = bulk_ = terminal_ = false;
        last_byte_ = '\n';
        end_.reset();
    }
    /// What was opened is the master of a terminal.
    void types_on_terminal() noexcept { terminal_ = true; }
    /// Has a descriptor.
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }
    /// Belongs to the stream; -1 if it has none.
    [[nodiscard]] int native_handle() const noexcept { return fd_.get(); }
    [[nodiscard]] event_loop& loop() const noexcept { return loop_; }
    [[gnu::noinline]] void join(stream_group& group, stream_name name = {}) noexcept {
        group_ = &group;
        name_ = name;
    }
    /// Out of the group again, whose child is nobody's any more.
    void leave_group() noexcept {
        group_ = nullptr;
        name_ = {};
    }
    [[nodiscard]] bool in_group() const noexcept { return group_ != nullptr; }
    /// Closes at once and drops what is buffered. Whoever waits is woken. Idempotent.
    [[gnu::noinline]] void abort() noexcept {
        closing_ = true;
        end_current();
        buffer_.clear();
        release_descriptor();
        wake_all(drainers_);
        wake_all(closers_);
    }

private:
    void check_ready() {
        if (closing_) throw usage_error(detail::concat({name_.to_string(), ": written to after close()"}));
        check_error();
        if (current_ != nullptr) make_way();
    }
    [[gnu::noinline]] void make_way() {
        finish_current();
        check_error();
        if (current_ != nullptr)
            throw usage_error(detail::concat({name_.to_string(), ": a second write while a write_all waits"}));
    }
    void check_error() const {
        if (error_) throw_error(error_);
    }
    [[noreturn]] void throw_error(std::error_code error) const {
        throw stream_error("write", name_.to_string(), error);
    }

    // ---- for a pump ----

    friend detail::transfer;
    [[nodiscard]] bool has_room() const noexcept { return buffer_.empty() && writable_; }
    [[nodiscard]] write_awaiter wait_for_room();

    // ---- into the kernel ----

    void on_event(platform::readiness) noexcept override {
        unlink(); // what was left for this turn goes on here, and need not be tried twice
        writable_ = true;
        advance();
    }

    // A child that reads as fast as we write would otherwise hold up the loop, its timers and everybody else for ever.
    [[nodiscard]] bool turn_is_spent() noexcept {
        if (std::exchange(turn_, loop_.turn_number()) != loop_.turn_number()) given_in_turn_ = 0;
        return given_in_turn_ >= most_in_turn;
    }

    enum class pace { until_full, one_turn };

    // Writes from the front of `bytes` until none is left or the pipe is full, or the turn is spent if it is to be
    // heard.
    [[gnu::noinline]] void push(std::string_view& bytes, pace how = pace::until_full) noexcept {
        while (!bytes.empty() && writable_ && !error_ && (how == pace::until_full || !turn_is_spent())) {
            write_once(bytes);
            if (!writable_ && bytes.size() >= std::size_t{platform::usual_pipe_size}) make_room_for_bulk();
        }
    }

    // No more than a usual pipe holds at a time: while the kernel copies, the pipe is locked and the child stands, so
    // the two would take turns (two thirds of the rate).
    void write_once(std::string_view& bytes) noexcept {
        if (terminal_ && platform::has_hung_up(fd_.get())) return hang_up();
        const std::string_view piece = bytes.substr(0, platform::usual_pipe_size);
        const ssize_t n = platform::write_without_sigpipe(fd_.get(), piece.data(), piece.size());
        if (n >= 0) {
            const auto written = static_cast<std::size_t>(n);
            bytes.remove_prefix(written);
            written_ += written;
            given_in_turn_ += std::max(written, least_of_call);
            if (written != 0) last_byte_ = piece[written - 1];
            // A partial write has filled the pipe, and the next room is a new event: no need to be told EAGAIN.
            if (written < piece.size() && watched_ != 0) writable_ = false;
        } else if (errno == EAGAIN) {
            writable_ = false;
        } else if (errno == ECONNRESET || (terminal_ && errno == EIO)) {
            // A socket whose other end has gone and left bytes unread; a terminal on other systems than Linux.
            fail(std::make_error_code(std::errc::broken_pipe));
        } else if (errno != EINTR) {
            fail(platform::last_error());
        }
    }

    // More is left than a usual pipe takes: a larger one spares us and the child most of our waits. Asked for once,
    // whatever comes of it, and never for a stream that carries little: the user has only so much of pipe buffers.
    void make_room_for_bulk() noexcept {
        if (!std::exchange(bulk_, true)) writable_ = platform::enlarge_for_bulk(fd_.get());
    }

    // The same for bytes that `write` has not counted.
    std::size_t push_and_count(std::string_view& bytes, pace how = pace::until_full) noexcept {
        const std::size_t before = bytes.size();
        push(bytes, how);
        accepted_ += before - bytes.size();
        return before - bytes.size();
    }

    // First what was buffered, then the write that waits; then whoever waited for that.
    void advance() noexcept {
        if (!buffer_.empty()) {
            const std::size_t before = buffer_.size();
            std::string_view front = buffer_.view();
            push(front, pace::one_turn);
            if (!error_) buffer_.consume(before - front.size()); // an error has cleared it
            buffer_.release_if_empty();
        }
        if (current_ != nullptr) {
            if (buffer_.empty()) push_and_count(current_->rest, pace::one_turn);
            if ((buffer_.empty() && current_->rest.empty()) || error_) loop_.schedule(*current_);
        }
        if (closing_ && buffer_.empty() && end_is_typed()) release_descriptor();
        if (buffer_.size() <= low_water_) wake_all(drainers_);
        if (!fd_) wake_all(closers_);
        go_on_next_turn();
    }

    // What has stopped because its turn is spent, and not at a full pipe, no event will tell to go on.
    void go_on_next_turn() noexcept {
        const bool some_is_left = !buffer_.empty() || (current_ != nullptr && !current_->rest.empty());
        if (some_is_left && fd_ && writable_ && turn_is_spent()) loop_.again(*this);
    }

    // A write that waits for its next turn alone, or to be resumed, stands in nobody's way: what is left of it goes
    // now, as if there were no turns. Or else of many coroutines that write a few bytes each, for which there is room,
    // one would be told that another waits.
    [[gnu::noinline]] void finish_current() noexcept {
        if (current_ == nullptr || current_->for_room || !buffer_.empty()) return;
        push_and_count(current_->rest);
        if (!current_->rest.empty() && !error_) return;
        parked_write& done = *std::exchange(current_, nullptr);
        if (!done.linked()) loop_.schedule(done);
    }

    // ---- to a terminal ----

    // Nobody has it open on the other side. The kernel would take bytes for whoever opens it next, and then make us
    // wait; to the caller it is as a pipe that nobody reads.
    void hang_up() noexcept {
        terminal_ = false; // there is nobody to be told the end
        if (!closing_ || !buffer_.empty()) fail(std::make_error_code(std::errc::broken_pipe));
    }

    // True once nothing is left to be said before the descriptor is closed.
    [[nodiscard]] bool end_is_typed() noexcept {
        if (!terminal_ || !fd_) return true;
        if (!end_) end_ = platform::end_of_input(fd_.get(), last_byte_);
        std::string_view rest(end_->bytes, end_->count);
        push(rest);
        end_->count = rest.size();
        return rest.empty() || !terminal_;
    }

    void end_current() noexcept {
        if (current_ == nullptr) return;
        current_->closed_under = true;
        loop_.schedule(*std::exchange(current_, nullptr));
    }

    void fail(std::error_code error) noexcept {
        error_ = error;
        buffer_.clear();
        release_descriptor();
        wake_all(drainers_);
        wake_all(closers_);
    }

    void release_descriptor() noexcept {
        unlink(); // nothing is left for another turn
        if (watched_ != 0) loop_.unwatch(fd_.get(), platform::interest::write, watched_);
        fd_.reset();
    }

    void watch() noexcept {
        if (watched_ != 0 || !fd_ || error_) return;
        try {
            const std::error_code error = loop_.watch(fd_.get(), platform::interest::write, *this, watched_);
            if (!error) return;
            if (error == std::errc::operation_not_permitted) writable_ = true; // a file: never would block
            else fail(error);
        } catch (const std::bad_alloc&) {
            fail(std::make_error_code(std::errc::not_enough_memory));
        }
        advance();
    }

    void wake_all(intrusive_list<waiter>& waiting) noexcept {
        while (!waiting.empty()) loop_.schedule(waiting.pop_front());
    }

    static constexpr std::size_t most_in_turn = std::size_t{1} << 20;
    static constexpr std::size_t least_of_call = 4096; // a call that writes less takes about as long

    event_loop& loop_;
    unique_fd fd_;
    event_loop::registration watched_ = 0;
    line_buffer buffer_;
    parked_write* current_ = nullptr;
    intrusive_list<waiter> drainers_;
    intrusive_list<waiter> closers_;
    stream_group* group_ = nullptr;
    stream_name name_;
    std::error_code error_;
    std::uint64_t written_ = 0;
    std::uint64_t accepted_ = 0;
    std::uint64_t turn_ = 0;
    std::size_t given_in_turn_ = 0;
    std::size_t high_water_ = default_high_water;
    std::size_t low_water_ = default_high_water / 4;
    bool writable_ = true; // a write may find room
    bool closing_ = true;
    bool bulk_ = false; // a larger pipe was asked for
    bool terminal_ = false;
    char last_byte_ = '\n';
    std::optional<platform::typed_end> end_; // what is left to be typed of it, once that has begun
};

class stream_writer::write_awaiter : parked_write {
public:
    bool await_ready() {
        writer_->check_ready();
        if (rest.empty()) return !for_room;
        if (writer_->watched_ == 0) writer_->writable_ = true; // without events nobody can know better: try
        if (writer_->buffer_.empty()) writer_->push_and_count(rest, pace::one_turn);
        return rest.empty() || writer_->error_;
    }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
        coroutine = handle;
        writer_->current_ = this;
        parked_ = true;
        writer_->watch();
        writer_->go_on_next_turn();
        stay_.enter(writer_->group_);
    }
    void await_resume() {
        unpark();
        writer_->check_error();
        if (closed_under) writer_->throw_error(std::make_error_code(std::errc::operation_canceled));
    }

    write_awaiter(write_awaiter&&) noexcept = default;
    ~write_awaiter() { unpark(); }

private:
    friend stream_writer;
    write_awaiter(stream_writer& writer, std::string_view bytes, bool room = false) noexcept
        : parked_write(bytes, room), writer_(&writer) {}

    void unpark() noexcept {
        if (!std::exchange(parked_, false)) return;
        if (writer_->current_ == this) writer_->current_ = nullptr;
        stay_.leave();
    }

    stream_writer* writer_;
    group_stay stay_;
    bool parked_ = false;
};

class stream_writer::drain_awaiter : waiter {
public:
    bool await_ready() const noexcept {
        if (until_closed_) return !writer_->fd_;
        return writer_->error_ || writer_->buffer_.size() <= writer_->high_water_;
    }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
        coroutine = handle;
        (until_closed_ ? writer_->closers_ : writer_->drainers_).push_back(*this);
        stay_.enter(writer_->group_);
        writer_->watch();
    }
    void await_resume() {
        stay_.leave();
        writer_->check_error();
    }

    drain_awaiter(drain_awaiter&&) noexcept = default;

private:
    friend stream_writer;
    drain_awaiter(stream_writer& writer, bool until_closed) noexcept : writer_(&writer), until_closed_(until_closed) {}

    stream_writer* writer_;
    bool until_closed_;
    group_stay stay_;
};

inline auto stream_writer::write_all(std::string_view bytes) -> write_awaiter { return {*this, bytes}; }
inline auto stream_writer::wait_for_room() -> write_awaiter { return {*this, {}, true}; }
inline auto stream_writer::drain() -> drain_awaiter { return {*this, false}; }
inline auto stream_writer::wait_closed() -> drain_awaiter { return {*this, true}; }

} // namespace coproc
