#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// stream_reader: bytes, lines, or all of it, from a pipe or from memory.
//
//     while (auto line = co_await reader.next_line()) use(*line);   // a view into the buffer
//     std::string rest = co_await reader.read_all();
//
// How a byte travels: read(2) puts it into the buffer, its only copy; the search for a newline looks at it once; the
// awaiter finds the line there without having been suspended. Only when the pipe is dry and the line is not complete
// does the coroutine park, and the loop goes on reading for it until there is what it asked for.
//
// Bytes belong to the stream, never to an operation: they are taken out of the buffer when the coroutine that asked for
// them is resumed, so one that is destroyed before that has lost nothing; the next read finds them.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/pipe.hpp"
#include "../platform/pty.hpp"
#include "capture.hpp"
#include "read_buffer.hpp"
#include "stream_group.hpp"
#include "stream_name.hpp"
#include "stream_tap.hpp"

namespace coproc {

class line_stream;

namespace detail {
class transfer;
}

/// Stays where it is made: coroutines park on it. One read at a time: a second one, while the first waits, is a
/// usage_error.
class stream_reader final : event_target, stream_group::member {
    using demand = detail::demand;
    using read_buffer = detail::read_buffer;

public:
    static constexpr std::size_t default_line_limit = read_buffer::default_line_limit;
    static constexpr std::size_t default_unread_limit = std::size_t{16} << 20;

    /// In memory: `feed` puts in, `feed_eof` ends.
    [[gnu::noinline]] explicit stream_reader(event_loop& loop = event_loop::current()) noexcept
        : loop_(loop), buffer_(loop.blocks()) {}
    /// From a descriptor of its own: a pipe, made non-blocking here, or a file. Never one that a child or the shell
    /// shares, such as 0: they would find it non-blocking. Throws std::system_error.
    explicit stream_reader(unique_fd fd, event_loop& loop = event_loop::current()) : stream_reader(loop) {
        open(platform::nonblocking(std::move(fd)));
    }
    stream_reader(const stream_reader&) = delete;
    stream_reader& operator=(const stream_reader&) = delete;
    [[gnu::noinline]] ~stream_reader() {
        untap_for_good();
        release_descriptor();
    }

    /// What a read yields is awaited once; it may be moved before that.
    template <class T>
    class [[nodiscard]] read_awaiter;
    template <std::size_t N>
    class [[nodiscard]] until_awaiter;

    /// A line without its `\n` or `\r\n`; an unterminated last one is a line; then nullopt for ever. Throws
    /// stream_error, and line_too_long where the line limit says so.
    [[nodiscard]] read_awaiter<std::optional<std::string>> read_line();

    /// The same as a view into the buffer: valid until the next operation on this reader, whatever else is awaited in
    /// the meantime. Copies and allocates nothing.
    [[nodiscard]] read_awaiter<std::optional<std::string_view>> next_line();

    /// What is there, as soon as there is something: 1 … `into.size()` bytes, put into `into`, which must live until
    /// then; 0 at the end of the stream, or if `into` is empty.
    [[nodiscard]] read_awaiter<std::size_t> read_some(std::span<char> into);

    /// The same as a string of 1 … n bytes; empty at the end of the stream, or if n is 0.
    [[nodiscard]] read_awaiter<std::string> read(std::size_t n);

    /// Exactly n bytes. Throws incomplete_read, with what there was, if the stream ends before.
    [[nodiscard]] read_awaiter<std::string> read_exactly(std::size_t n);

    /// Up to and with the first of the delimiters, which is the one that ends first; they must live until the read has
    /// completed. Throws line_too_long if more than the line limit comes before it, whatever the policy, and takes
    /// nothing (it does not say whether there is a delimiter further on, which would depend on how much has come);
    /// incomplete_read, with what there was, if the stream ends before; std::invalid_argument for an empty delimiter.
    template <std::convertible_to<std::string_view>... More>
    [[nodiscard]] until_awaiter<1 + sizeof...(More)> read_until(std::string_view delimiter, const More&... more) {
        using delimiters = std::array<std::string_view, 1 + sizeof...(More)>;
        return {*this, delimiters{delimiter, std::string_view(more)...}};
    }

    /// Everything up to the end of the stream.
    [[nodiscard]] read_awaiter<std::string> read_all();

    /// Completes at the end of the stream, too, and takes nothing: what came is there to be read.
    [[nodiscard]] read_awaiter<void> wait_eof();

    /// `while (auto line = co_await s.next())`: the lines as views, by `next_line`.
    [[nodiscard]] line_stream lines() noexcept;

    /// The longest line that `read_line` and `next_line` accept, in bytes without its terminator (default 16 MiB), and
    /// what becomes of a longer one (default: it throws line_too_long). Which lines come never depends on how the bytes
    /// were cut into chunks. Throws std::invalid_argument for a limit of 0.
    void line_limit(std::size_t bytes, long_line policy = long_line::fail) {
        if (bytes == 0) throw std::invalid_argument("line_limit(): the limit is 0");
        buffer_.line_limit(bytes, policy);
    }

    /// How much is kept of what comes while nobody reads but something else of the child is awaited (default 16 MiB).
    /// What is more pushes out the oldest bytes.
    void unread_limit(std::size_t bytes) noexcept { kept_ = capture::tail(bytes); }
    [[nodiscard]] std::size_t unread_limit() const noexcept { return kept_.tail_bytes(); }

    /// Bytes that have come and that no read will see: those that the unread limit has pushed out and those of long
    /// lines that were passed over, with the newline of such a line. What `skip` passes over is gone even if the read
    /// that came upon it is cancelled.
    [[nodiscard]] std::size_t dropped() const noexcept { return buffer_.dropped(); }

    /// Bytes that have come from the descriptor since `open`, read or not.
    [[nodiscard]] std::uint64_t arrived() const noexcept { return arrived_; }
    /// Rises with each chunk that comes, over all streams of a child: which of two came first.
    [[nodiscard]] std::uint64_t last_arrival() const noexcept { return last_arrival_; }
    /// Bytes that have come and were not read.
    [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size(); }
    /// The stream has ended and every byte was read.
    [[nodiscard]] bool at_eof() const noexcept { return buffer_.eof() && buffer_.empty(); }

    /// Puts bytes behind those that are there, as if they had come. Throws usage_error after `feed_eof`, and from
    /// within a tap of this stream.
    void feed(std::string_view bytes) {
        if (buffer_.eof()) throw usage_error("feed() after the end of the stream");
        if (tap_ != nullptr || shown_ != nullptr) return feed_tapped(bytes);
        buffer_.append(bytes);
        wake_if_satisfied();
    }
    void feed_eof() noexcept {
        buffer_.end();
        if (tap_ != nullptr) tap_->end();
        wake_if_satisfied();
    }

    /// Breaks the stream off: every read throws stream_error with this code, the one that waits and all that follow,
    /// and at once, even if what they ask for is buffered. (An error of the kernel waits until what came before it was
    /// read.) The bytes stay where they are. Throws std::invalid_argument for a code that is no error.
    void feed_error(std::error_code error) {
        if (!error) throw std::invalid_argument("feed_error(): the code is no error");
        buffer_.fail(error, true);
        wake_if_satisfied();
    }

    // For whoever owns the stream.

    /// Reads from `fd`, which must be non-blocking, from now on, as if nothing had been before; but bytes that came and
    /// were not read are still there. Nobody may wait here.
    [[gnu::noinline]] void open(unique_fd fd) noexcept {
        release_descriptor();
        untap_for_good();
        fd_ = std::move(fd);
        buffer_.begin_again();
        full_reads_ = 0;
        arrived_ = 0;
        readable_ = true;
        hangup_ = false;
    }
    /// From now on, until it is closed or leaves its group, everything that comes passes the tap, and it is taken in as
    /// long as the loop runs, whether or not anybody waits for something.
    void tap(std::shared_ptr<stream_tap> t) noexcept {
        untap();
        if (t == nullptr) return;
        tap_ = std::move(t);
        collect();
    }
    [[nodiscard]] bool has_tap() const noexcept { return tap_ != nullptr; }
    /// Shows the tap what has come, now: called by the loop. True if that was not all.
    bool show_now() noexcept {
        if (tap_ == nullptr || held_ != 0) return false;
        readable_ = true;
        return take_in() && can_read();
    }
    /// What is kept of what comes while nobody reads.
    void keep(const capture& rule) noexcept { kept_ = rule; }
    [[nodiscard]] const capture& kept() const noexcept { return kept_; }
    /// Completes at the end of the stream, and meanwhile keeps no more than the rule says.
    [[nodiscard]] read_awaiter<void> wait_end();
    /// Drops at once what the rule does not keep.
    void trim() noexcept { buffer_.keep(kept_, true); }
    /// What it reads is our side of a terminal: held open from the end of the bytes until `close()`.
    void shows_terminal() noexcept { terminal_ = true; }
    /// Has a descriptor: the end was not reached, nor was it closed.
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }
    /// Belongs to the stream; -1 if it has none.
    [[nodiscard]] int native_handle() const noexcept { return fd_.get(); }
    [[nodiscard]] event_loop& loop() const noexcept { return loop_; }
    [[gnu::noinline]] void join(stream_group& group, stream_name name = {}) noexcept {
        group_ = &group;
        group.add(*this);
        buffer_.name(name);
    }
    /// Out of the group again, whose child is nobody's any more; what can be read is still read.
    [[gnu::noinline]] void leave_group() noexcept {
        stream_group::member::unlink();
        group_ = nullptr;
        collecting_ = false;
        untap();
        buffer_.name({});
    }
    [[nodiscard]] bool in_group() const noexcept { return group_ != nullptr; }
    /// Gives the descriptor and the unread bytes back. Nobody may wait here.
    [[gnu::noinline]] void close() noexcept {
        untap_for_good();
        release_descriptor();
        buffer_.unpin();
        buffer_.clear();
        buffer_.end();
    }

private:
    // ---- from the kernel into the buffer ----

    void on_event(platform::readiness what) noexcept override {
        readable_ = true;
        hangup_ = hangup_ || what.hangup;
        if (pending_ != nullptr || (collecting_ && held_ == 0)) take_in();
    }

    // Reads until the pipe is dry or there is what the pending read asked for; never more than needed to know that, so
    // that the child feels it when we are slow. A tap wants all of it, unless a pump decides how fast. False if a tap
    // has closed this, which may be no more then.
    bool take_in() noexcept {
        while (can_read() && ((tap_ != nullptr && held_ == 0) || !pending_is_satisfied())) {
            if (turn_is_spent()) {
                loop_.again(*this);
                break;
            }
            if (tap_ == nullptr) read_once();
            else if (!read_once_and_show()) return false;
            if (collecting_ && (pending_ == nullptr || pending_->asked.what == demand::kind::end)) {
                if (kept_.is_limit() && buffer_.size() > kept_.head_bytes() && group_ != nullptr) {
                    group_->report_overflow(loop_);
                }
                buffer_.keep(kept_);
            }
        }
        wake_if_satisfied();
        return true;
    }
    // Called for somebody who waits or begins to. What a tap does must not find his coroutine half suspended.
    [[gnu::cold]] void take_in_from_outside() noexcept {
        if (tap_ == nullptr) {
            take_in();
            return;
        }
        if (can_read()) loop_.again(*this);
        wake_if_satisfied();
    }

    [[nodiscard]] bool can_read() const noexcept { return readable_ && fd_ && !buffer_.ended(); }

    // A child that writes as fast as we read would otherwise hold up the loop, its timers and everybody else for ever.
    [[nodiscard]] bool turn_is_spent() noexcept {
        if (std::exchange(turn_, loop_.turn_number()) != loop_.turn_number()) taken_in_turn_ = 0;
        return taken_in_turn_ >= most_in_turn;
    }

    void read_once() noexcept try {
        // A block of a chunk's size, or what is free of the one there is if that is most of it.
        std::span<char> tail = buffer_.prepare(chunk_ / 2 + 1);
        if (pending_ != nullptr && is_bulk(pending_->asked)) tail = tail.first(std::min(tail.size(), bulk_read));
        const std::size_t got = fetch(tail);
        put_in(got, tail.size());
    } catch (const std::bad_alloc&) {
        buffer_.fail(std::make_error_code(std::errc::not_enough_memory));
    }
    [[gnu::noinline]] void put_in(std::size_t got, std::size_t room) noexcept {
        buffer_.commit(got);
        if (got == room) chunk_ = std::min(2 * chunk_, largest_chunk);
        if (got == 0) buffer_.release_if_empty(); // a stream that is dry, one of thousands perhaps, holds no memory
    }

    // The one read(2): how many bytes came, and what is known of the stream afterwards.
    std::size_t fetch(std::span<char> into) noexcept {
        const ssize_t n = ::read(fd_.get(), into.data(), into.size());
        if (n > 0) {
            const auto got = static_cast<std::size_t>(n);
            taken_in_turn_ += got;
            arrived_ += got;
            if (group_ != nullptr) last_arrival_ = group_->note_arrival();
            watch_for_bulk(got);
            // A short read has emptied the pipe, and the next byte is a new event: no need to be told EAGAIN. Not so
            // after a hang-up, whose one event has been: what follows is the end, and only read(2) will say so.
            if (got < into.size() && !hangup_) readable_ = false;
            return got;
        }
        if (n == 0 || platform::says_end(fd_.get())) {
            buffer_.end();
            // Nothing more will come of it, and it may be one of many. But to close our side of a terminal is to hang
            // up, on a child, too, that has only closed its own side on the way to its exit, as coreutils do.
            stop_watching();
            if (terminal_) held_open_ = std::move(fd_);
            else fd_.reset();
        } else if (errno == EAGAIN) {
            readable_ = false;
        } else if (errno != EINTR) {
            buffer_.fail(platform::last_error());
        }
        return 0;
    }

    // Who takes all there is gets it by reads of this size: while the kernel copies, the pipe is locked and the child
    // stands, so reads of a whole bulk pipe would make the two take turns (two thirds of the rate). Who takes
    // lines is busy meanwhile, and does better with few reads.
    static constexpr std::size_t bulk_read = platform::usual_pipe_size;
    static bool is_bulk(const demand& d) noexcept { return d.into != nullptr && d.count >= bulk_read; }

    // Several full pipes in a row: the child writes faster than it is read, and a larger pipe spares both of them most
    // of their waits. Asked for once, whatever comes of it, and never for a stream that carries little: the user has
    // only so much of pipe buffers.
    void watch_for_bulk(std::size_t got) noexcept {
        if (full_reads_ == full_reads_of_bulk) return;
        full_reads_ = got >= std::size_t{platform::usual_pipe_size} ? full_reads_ + 1 : 0;
        if (full_reads_ == full_reads_of_bulk) platform::enlarge_for_bulk(fd_.get());
    }

    void stop_watching() noexcept {
        if (watched_ != 0) loop_.unwatch(fd_.get(), platform::interest::read, watched_);
    }
    void release_descriptor() noexcept {
        stop_watching();
        fd_.reset();
        held_open_.reset();
        terminal_ = false;
    }

    // Asks the kernel for events, once in the stream's life; what is ready already is one.
    void watch() noexcept try {
        if (watched_ != 0 || !fd_ || buffer_.ended()) return;
        const std::error_code error = loop_.watch(fd_.get(), platform::interest::read, *this, watched_);
        if (error == std::errc::operation_not_permitted) readable_ = hangup_ = true; // a file: never would block
        else if (error) buffer_.fail(error);
        else readable_ = false;
    } catch (const std::bad_alloc&) {
        buffer_.fail(std::make_error_code(std::errc::not_enough_memory));
    }

    // ---- while others of the group wait ----

    void collect() noexcept override {
        collecting_ = true;
        watch();
        if (pending_ == nullptr && held_ == 0) take_in_from_outside();
    }
    void stop_collecting() noexcept override { collecting_ = tap_ != nullptr; }

    // A read stops at what it asked for, perhaps in mid-pipe, and no event will tell of the rest.
    void go_on_collecting() noexcept {
        if (collecting_) go_on_if_possible();
    }
    [[gnu::noinline]] void go_on_if_possible() noexcept {
        if (held_ == 0 && can_read()) loop_.again(*this);
    }

    // ---- with a tap ----

    // False if this is closed now, or is no more.
    [[nodiscard, gnu::noinline, gnu::cold]] bool read_once_and_show() noexcept try {
        const std::shared_ptr<stream_tap> tap = tap_; // it may be the last that there is of it
        const std::span<char> tail = buffer_.prepare(chunk_ / 2 + 1);
        const std::size_t got = fetch(tail);
        if (got != 0 && !show(*tap, {tail.data(), got})) return false;
        put_in(tap->keeps() ? got : 0, tail.size());
        if (buffer_.ended()) tap->end();
        return true;
    } catch (const std::bad_alloc&) {
        buffer_.fail(std::make_error_code(std::errc::not_enough_memory));
        return true;
    }

    [[nodiscard]] bool show(stream_tap& tap, std::string_view bytes) noexcept {
        held_ |= by_tap;
        shown_ = &tap;
        try {
            tap.take(bytes);
        } catch (...) {
            if (!tap.failure_) tap.failure_ = std::current_exception();
        }
        if (tap.closed_) return false;
        shown_ = nullptr;
        held_ &= by_pump;
        if (tap_ != nullptr && tap_->failure_) buffer_.interrupt();
        return true;
    }

    [[gnu::noinline]] void feed_tapped(std::string_view bytes) {
        if ((held_ & by_tap) != 0) throw_in_use();
        const std::shared_ptr<stream_tap> tap = tap_;
        if (tap->keeps()) buffer_.append(bytes);
        if (show(*tap, bytes)) wake_if_satisfied();
    }

    // What it has thrown and nobody has seen goes with it. While it is shown something, which lies in the buffer, the
    // stream stays held: a read that began then would spoil that.
    [[gnu::noinline]] void untap() noexcept {
        if (tap_ == nullptr) return;
        buffer_.interruption_told();
        tap_.reset();
    }
    // Whoever shows something must not touch this afterwards, even if the tap that sees it was taken off before.
    void untap_for_good() noexcept {
        if (shown_ != nullptr) std::exchange(shown_, nullptr)->closed_ = true;
        held_ &= by_pump;
        untap();
    }

    void throw_at_once() {
        if (buffer_.throws_at_once()) [[unlikely]]
            throw_what_interrupts();
    }
    [[gnu::noinline]] void throw_what_interrupts() {
        if (tap_ != nullptr && tap_->failure_) {
            buffer_.interruption_told();
            std::rethrow_exception(std::exchange(tap_->failure_, nullptr));
        }
        buffer_.throw_error();
    }

    // ---- from the buffer to the reader ----

    [[nodiscard, gnu::noinline]] bool pending_is_satisfied() noexcept {
        if (pending_ == nullptr) return false;
        if (buffer_.answers(pending_->asked) || buffer_.throws_at_once()) return true;
        return pending_->asked.what == demand::kind::arrival && can_read() && tap_ == nullptr;
    }
    // Once: who is scheduled already would be put off to the next turn by each that feeds, and perhaps for ever.
    [[gnu::noinline]] void wake_if_satisfied() noexcept {
        if (pending_is_satisfied() && !pending_->linked()) loop_.schedule(*pending_);
    }

    // A read that waits. The reader knows it by its address.
    struct parked : waiter {
        parked(stream_reader& r, demand& d, std::coroutine_handle<> handle) noexcept : reader(r), asked(d) {
            coroutine = handle;
            reader.pending_ = this;
            reader.watch();
            // If this is a file, or the turn is spent, or the watch has failed.
            if (reader.readable_ || reader.buffer_.ended()) reader.take_in_from_outside();
            stay.enter(reader.group_);
        }
        parked(const parked&) = delete;
        parked& operator=(const parked&) = delete;
        ~parked() {
            reader.pending_ = nullptr;
            stay.leave();
            reader.go_on_collecting();
        }

        stream_reader& reader;
        demand& asked;
        group_stay stay;
    };

    void check_free() const {
        if (pending_ != nullptr || held_ != 0) throw_in_use();
    }
    [[noreturn, gnu::noinline]] void throw_in_use() const {
        const bool shown = (held_ & by_tap) != 0;
        throw usage_error(detail::concat({buffer_.name(), shown ? ": used by what sees its bytes while they come"
                                                                : ": a second read while the first one waits"}));
    }

    [[nodiscard]] bool line_is_here() noexcept { return pending_ == nullptr && held_ == 0 && buffer_.line_is_here(); }
    [[gnu::noinline]] bool begin_line() {
        demand d{.what = demand::kind::line};
        return begin(d);
    }
    // True if there is nothing to wait for.
    bool begin(demand& d) {
        if (d.what == demand::kind::arrival) return false; // who asks for that has looked
        check_free();
        buffer_.unpin();
        return buffer_.answers(d) || read_to_answer(d);
    }
    [[gnu::noinline]] bool read_to_answer(demand& d) noexcept {
        if (tap_ != nullptr) return buffer_.throws_at_once(); // the loop reads
        if (watched_ == 0) readable_ = true;                  // without events nobody can know better: try
        do {
            if (!can_read() || turn_is_spent()) return false;
            // Straight to where it is wanted: nothing is buffered, and whoever asks goes on with it at once. But the
            // rest of a long line is nothing that he asks for, and only the buffer knows where that ends.
            if (is_bulk(d) && !buffer_.is_passing_over()) d.filled = fetch({d.into, bulk_read});
            else read_once();
        } while (d.filled == 0 && !buffer_.answers(d));
        return true;
    }

    // ---- in the hands of a pump, who takes the bytes himself: no other read, and nothing is collected ----

    friend detail::transfer;
    void hold() {
        check_free();
        buffer_.unpin();
        held_ = by_pump;
        if (watched_ == 0) readable_ = true;
    }
    void let_go() noexcept {
        held_ &= by_tap;
        go_on_collecting();
    }
    [[nodiscard]] read_awaiter<void> wait_for_arrival();

    static constexpr std::size_t smallest_chunk = block_pool::smallest;
    static constexpr std::size_t largest_chunk = block_pool::largest;
    static constexpr int full_reads_of_bulk = 4;
    static constexpr std::size_t most_in_turn = std::size_t{1} << 20;

    event_loop& loop_;
    unique_fd fd_;
    unique_fd held_open_; // of a terminal, after its end
    bool terminal_ = false;
    event_loop::registration watched_ = 0;
    read_buffer buffer_;
    parked* pending_ = nullptr;
    stream_group* group_ = nullptr;
    std::shared_ptr<stream_tap> tap_;
    stream_tap* shown_ = nullptr; // the one that looks just now, perhaps not tap_ any more
    std::size_t chunk_ = smallest_chunk;
    capture kept_ = capture::tail(default_unread_limit);
    std::uint64_t arrived_ = 0;
    std::uint64_t last_arrival_ = 0;
    std::uint64_t turn_ = 0;
    std::size_t taken_in_turn_ = 0;
    int full_reads_ = 0;   // in a row, until there were enough
    bool readable_ = true; // a read may find something
    bool hangup_ = false;
    bool collecting_ = false;
    unsigned char held_ = 0; // by whom it is, no one else reads
    static constexpr unsigned char by_pump = 1;
    static constexpr unsigned char by_tap = 2; // while that looks
};

template <class T>
class stream_reader::read_awaiter {
public:
    bool await_ready() { return reader_->begin(asked_); }
    void await_suspend(std::coroutine_handle<> handle) noexcept { parked_.emplace(*reader_, asked_, handle); }
    T await_resume() {
        parked_.reset();
        reader_->go_on_collecting(); // also if it never waited
        reader_->throw_at_once();
        return (reader_->buffer_.*take_)(asked_);
    }

    read_awaiter(read_awaiter&& other) noexcept // moved only before it is awaited
        : reader_(other.reader_), take_(other.take_), asked_(other.asked_) {}
    ~read_awaiter() = default;

protected:
    friend stream_reader;
    using take_function = T (read_buffer::*)(demand&);

    // The demand is made where it stays: to copy one takes longer than to find a short line.
    read_awaiter(stream_reader& reader, take_function take, demand::kind what, std::size_t count = 0,
                 char* into = nullptr) noexcept
        : reader_(&reader), take_(take), asked_{.what = what, .count = count, .into = into} {}

    // Whoever looks for the bytes himself.
    explicit read_awaiter(stream_reader& reader) noexcept
        : read_awaiter(reader, &read_buffer::hand_over, demand::kind::search) {}

    void look_for(std::span<const std::string_view> delimiters) noexcept { asked_.delimiters = delimiters; }
    void look_for(detail::text_search& search) noexcept { asked_.search = &search; }

    // Waits no longer for what it has asked for.
    void give_up() noexcept {
        if (parked_) reader_->loop_.schedule(*parked_);
    }

private:
    stream_reader* reader_;
    take_function take_;
    demand asked_;
    std::optional<parked> parked_; // most reads find what they ask for, and need none
};

// A line. Nearly always it is there already, and then this is all that is between it and who reads it: no demand is
// made and nothing is parked.
template <class Line>
class stream_reader::read_awaiter<std::optional<Line>> {
public:
    bool await_ready() { return reader_->line_is_here() || reader_->begin_line(); }
    void await_suspend(std::coroutine_handle<> handle) noexcept { parked_.emplace(*reader_, handle); }
    std::optional<Line> await_resume() {
        parked_.reset();
        reader_->go_on_collecting(); // also if it never waited
        reader_->throw_at_once();
        if constexpr (std::is_same_v<Line, std::string_view>) return reader_->buffer_.take_line_view();
        else return reader_->buffer_.take_line();
    }

    read_awaiter(read_awaiter&& other) noexcept : reader_(other.reader_) {} // moved only before it is awaited
    ~read_awaiter() = default;

private:
    friend stream_reader;
    explicit read_awaiter(stream_reader& reader) noexcept : reader_(&reader) {}

    struct parked_line {
        parked_line(stream_reader& reader, std::coroutine_handle<> handle) noexcept : wait(reader, asked, handle) {}
        demand asked{.what = demand::kind::line};
        parked wait;
    };

    stream_reader* reader_;
    std::optional<parked_line> parked_;
};

// Carries its delimiters, wherever it is moved before it is awaited.
template <std::size_t N>
class stream_reader::until_awaiter : public read_awaiter<std::string> {
public:
    bool await_ready() {
        look_for(delimiters_);
        return read_awaiter<std::string>::await_ready();
    }

private:
    friend stream_reader;
    until_awaiter(stream_reader& reader, const std::array<std::string_view, N>& delimiters)
        : read_awaiter<std::string>(reader, &read_buffer::take_until, demand::kind::delimiter),
          delimiters_(delimiters) {
        for (const std::string_view delimiter : delimiters_) {
            if (delimiter.empty()) throw std::invalid_argument("read_until(): a delimiter is empty");
        }
    }

    std::array<std::string_view, N> delimiters_;
};

inline auto stream_reader::read_line() -> read_awaiter<std::optional<std::string>> {
    return read_awaiter<std::optional<std::string>>(*this);
}
inline auto stream_reader::next_line() -> read_awaiter<std::optional<std::string_view>> {
    return read_awaiter<std::optional<std::string_view>>(*this);
}
inline auto stream_reader::read_some(std::span<char> into) -> read_awaiter<std::size_t> {
    return {*this, &read_buffer::take_into, demand::kind::some, into.size(), into.data()};
}
inline auto stream_reader::read(std::size_t n) -> read_awaiter<std::string> {
    return {*this, &read_buffer::take_some, demand::kind::some, n};
}
inline auto stream_reader::read_exactly(std::size_t n) -> read_awaiter<std::string> {
    return {*this, &read_buffer::take_exactly, demand::kind::exactly, n};
}
inline auto stream_reader::read_all() -> read_awaiter<std::string> {
    return {*this, &read_buffer::take_all, demand::kind::all};
}

inline auto stream_reader::wait_eof() -> read_awaiter<void> {
    return {*this, &read_buffer::take_nothing, demand::kind::all};
}
inline auto stream_reader::wait_end() -> read_awaiter<void> {
    return {*this, &read_buffer::take_nothing, demand::kind::end};
}
inline auto stream_reader::wait_for_arrival() -> read_awaiter<void> {
    return {*this, &read_buffer::leave_it, demand::kind::arrival};
}

} // namespace coproc
