#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// progress_bar: how a queue gets on, for whoever looks on. On a terminal it is one line that changes in place; anywhere
// else a line for each job that has ended, as a log wants it.
//
//     progress_bar bar;                        // on stderr
//     queue.on_progress(bar);
//     …
//     bar.print("linking went to the second attempt");    // above the line
//
//     [###.......] 37/120, 4 running, 2 failed, 3.1/s, 27 s left: cc a.c, cc b.c, cc some/longer/na...

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "../loop/event_loop.hpp"
#include "../loop/timers.hpp"
#include "../platform/patient_write.hpp"
#include "../platform/pty.hpp"
#include "progress.hpp"
#include "progress_text.hpp"

namespace coproc {
namespace detail {

/// Bytes on their way to a descriptor that is not ours alone. What has no room stays until it has; what cannot be
/// written is lost.
class unhurried_outlet {
public:
    explicit unhurried_outlet(int fd) noexcept : fd_(fd), is_terminal_(::isatty(fd) != 0) {}

    void add(std::string_view bytes) {
        if (!gone_) bytes_ += bytes;
    }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    /// Nothing is left to be written.
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }

    /// As much as there is room for.
    void flush() noexcept {
        std::size_t written = 0;
        while (written < bytes_.size() && has_room()) {
            const std::string_view next = without_waiting(std::string_view(bytes_).substr(written));
            const ssize_t n = platform::detail::write_to_shared(fd_, next.data(), next.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) break;
            if (n < 0) return lose();
            written += static_cast<std::size_t>(n);
        }
        bytes_.erase(0, written);
    }
    /// The same, but waits for room until `patience` is over.
    void flush_within(std::chrono::milliseconds patience) noexcept {
        if (!bytes_.empty()) static_cast<void>(has_room(static_cast<int>(patience.count())));
        flush();
    }
    /// All of it, however long that takes.
    void flush_all() noexcept {
        if (platform::write_patiently(fd_, bytes_) != 0) lose();
        bytes_.clear();
    }

private:
    // What is written at once where there is room. Of a pipe no more than this is known. A pseudo-terminal of Linux has
    // room by 256 bytes (drivers/tty/tty_buffer.c, 3.12 to 6.18), and it asks again before each character in whose
    // place it puts others: a write of more would wait there.
    [[nodiscard]] std::string_view without_waiting(std::string_view left) const noexcept {
        if (!is_terminal_) return left.substr(0, _POSIX_PIPE_BUF);
        left = left.substr(0, 256);
        return left.substr(0, std::max(left.find_first_of("\n\t"), std::size_t{1}));
    }
    // Or an error, which the write finds.
    [[nodiscard]] bool has_room(int patience = 0) const noexcept {
        if (fd_ < 0) return true; // which poll(2) would pass over
        pollfd entry{fd_, POLLOUT, 0};
        return ::poll(&entry, 1, patience) == 1;
    }
    void lose() noexcept {
        gone_ = true;
        bytes_.clear();
    }

    std::string bytes_;
    int fd_;
    bool is_terminal_;
    bool gone_ = false;
};

/// Whether lines can be changed in place there.
[[nodiscard]] inline bool can_redraw(int fd) noexcept {
    if (::isatty(fd) == 0) return false;
    const char* const kind = std::getenv("TERM"); // NOLINT(concurrency-mt-unsafe)
    return kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
}

/// What copies of a progress_bar share. Times are those of the clock, given from outside.
class progress_display final : timer, loop_resident {
public:
    using time_point = platform::clock::time_point;
    /// Between two draws.
    static constexpr std::chrono::milliseconds interval{100};

    progress_display(int fd, bool live) noexcept : out_(fd), live_(live) {}
    progress_display(const progress_display&) = delete;
    progress_display& operator=(const progress_display&) = delete;
    ~progress_display() {
        forget_timer();
        try {
            end_line(time_point::max());
        } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch): as it was drawn last
        }
    }

    void update(const queue_progress& now, time_point at) {
        remember(now);
        if (!live_) log(now);
        if (now.finished) end_line(at);
        else if (at >= next_draw_) draw(at);
        settle(at);
    }

    void print(std::string_view text, time_point at) {
        take_line_away();
        out_.add(text);
        if (!text.ends_with('\n')) out_.add("\n");
        if (at >= next_draw_) draw(at);
        out_.flush();
        settle(at);
    }

    void clear(time_point at) {
        take_line_away();
        out_.flush();
        settle(at);
    }

private:
    void remember(const queue_progress& now) {
        speed_.note(now);
        names_.clear();
        for (const std::string_view name : now.names) {
            if (names_.size() > more_than_a_line) break;
            if (!names_.empty()) names_ += ", ";
            names_ += name;
        }
        now_ = now;
        now_.names = {}; // which live as long as the call
        now_.last = nullptr;
        undrawn_ = live_ && now.total > 0;
    }

    void log(const queue_progress& now) {
        if (now.last != nullptr) out_.add(concat({ending_line(now, *now.last), "\n"}));
        if (now.finished && now.total > 0) out_.add(concat({last_line(now), "\n"}));
        out_.flush();
    }

    // ---- the live line ----

    void draw(time_point at) {
        if (!undrawn_) return;
        if (held_up_) out_.flush();
        held_up_ = held_up_ && !out_.empty();
        if (held_up_) return; // one that is outdated before it is seen need not follow
        undrawn_ = false;
        next_draw_ = deadline_after(interval, at);
        if (!in_foreground()) return;
        // The last column stays free: a cursor behind it is in the next line for some terminals.
        const std::size_t columns = width() - 1;
        std::string line = now_.finished ? last_line(now_, columns) : live_line(now_, speed_, names_, columns);
        if (line != shown_) {
            // Over the old one, of which then goes what is left: nothing flickers.
            out_.add(concat({"\r", line, "\x1b[K"}));
            shown_ = std::move(line);
        }
        out_.flush();
        held_up_ = !out_.empty();
    }

    void take_line_away() {
        if (shown_.empty()) return;
        out_.add("\r\x1b[K");
        shown_.clear();
        undrawn_ = true;
    }

    // As it stands now, it stays. Whoever holds up a terminal holds up its user; a log gets all its lines.
    void end_line(time_point at) {
        if (!live_) return out_.flush_all();
        out_.flush_within(interval);
        draw(at);
        if (!shown_.empty() && in_foreground()) out_.add("\n");
        shown_.clear();
        out_.flush_within(interval);
        undrawn_ = false;
        speed_ = {};
    }

    // Elsewhere the terminal is somebody else's, and a write may stop us (TOSTOP in termios(3)). One that is not our
    // controlling terminal has no foreground that we could be out of.
    [[nodiscard]] bool in_foreground() const noexcept {
        const pid_t group = ::tcgetpgrp(out_.fd());
        return group < 0 || group == ::getpgrp();
    }

    // Asked each time, since windows change. A terminal that does not know says 0.
    [[nodiscard]] std::size_t width() const noexcept {
        unsigned short rows = 0;
        unsigned short columns = 0;
        if (!platform::get_window_size(out_.fd(), rows, columns) || columns == 0) return 80;
        return columns;
    }

    // ---- what is left for later ----

    // Without a loop it is left for the next call.
    void settle(time_point at) {
        if (!undrawn_ && out_.empty()) return forget_timer();
        if (pending()) return;
        event_loop* const loop = event_loop::try_current();
        if (loop == nullptr) return;
        loop->add(*this, out_.empty() ? next_draw_ : deadline_after(interval, at));
        loop->adopt(*this);
        loop_ = loop;
    }
    void forget_timer() noexcept {
        if (pending()) loop_->remove(*this);
        unlink();
    }
    void on_timer() noexcept override {
        unlink();
        try {
            const time_point now = platform::clock::now();
            draw(now);
            out_.flush();
            settle(now);
        } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch): a draw less
        }
    }
    void on_loop_end() noexcept override { forget_timer(); }

    static constexpr std::size_t more_than_a_line = 2000;

    unhurried_outlet out_;
    const bool live_;
    queue_progress now_;
    std::string names_; // of those that run
    pace speed_;
    std::string shown_;          // what the line is; empty: it is not there
    bool undrawn_ = false;       // something else is to be there
    bool held_up_ = false;       // the terminal has not taken all of the last draw
    time_point next_draw_{};     // not before
    event_loop* loop_ = nullptr; // of the timer
};

} // namespace detail

/// Anybody's `f(const queue_progress&)`. Copies are the same bar: one given away can still be printed by; the last that
/// goes ends the line, as the end of the queue does. To be used where the queue is: in one thread.
///
/// It never throws, and what it writes to may be full, slow or gone: then less is seen. It draws ten times a second at
/// the most, in the columns that the terminal has at that moment, not while its process is in the background, and hides
/// no cursor, so that nothing is to be put right after a signal. There are no colours. What is no terminal, or one that
/// TERM calls dumb or does not name, gets lines; those wait for a slow reader only when all is over.
class progress_bar {
public:
    /// The descriptor stays the caller's. Throws std::bad_alloc.
    explicit progress_bar(int fd = STDERR_FILENO)
        : display_(std::make_shared<detail::progress_display>(fd, detail::can_redraw(fd))) {}
    /// Its descriptor: what the stream itself has buffered comes when it comes.
    explicit progress_bar(std::FILE* stream) : progress_bar(::fileno(stream)) {}

    void operator()(const queue_progress& now) const noexcept {
        try {
            display_->update(now, platform::clock::now());
        } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch): seen the next time
        }
    }

    /// `text`, as it is, above the line; a newline is added if it ends in none. Throws std::bad_alloc.
    void print(std::string_view text) const { display_->print(text, platform::clock::now()); }

    /// Takes the line away until the loop has its turn, for others who write to the terminal.
    void clear() const { display_->clear(platform::clock::now()); }

private:
    std::shared_ptr<detail::progress_display> display_;
};

} // namespace coproc
