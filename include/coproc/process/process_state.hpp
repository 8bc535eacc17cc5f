#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// process_state: what stays in one place while an async_process is moved about, and what the loop inherits when that is
// destroyed: the child, its streams, its words.
//
// The streams are made when the first of them is asked for, or when what comes is to be taken in since somebody waits.
// (At once where they are the user's, a terminal's, or passed on as they come.) Until then a descriptor is all that
// there is of each: a child that nobody talks to is started with less work, and takes 600 bytes in place of 1,500.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../io/stream_group.hpp"
#include "../io/stream_reader.hpp"
#include "child_fds.hpp"
#include "child_watch.hpp"
#include "command.hpp"
#include "numbered_stream.hpp"
#include "observer.hpp"
#include "run_rules.hpp"
#include "spawn.hpp"
#include "stream_set.hpp"
#include "streams.hpp"

namespace coproc::detail {

class process_state final : public child_watch {
public:
    process_state(const command& c, const streams& given, event_loop& loop)
        : child_watch(loop, c.on_destroy()), more(c, loop), rules_(c.shared_rules()), words_(c.words()),
          secrets_(c.secret_args()) {
        for (std::size_t number = 0; number < 3; ++number) on_terminal[number] = is_terminal(c, number);
        if (c.families() != nullptr) reach_for(*c.families(), extent_of(c));
        const bool has_given = given.in() != nullptr || given.out() != nullptr || given.err() != nullptr;
        if (has_given || has_terminal() || has_tap(c, 1) || has_tap(c, 2)) make_streams(given);
        if (has_given) check_given(c, given);
    }

    /// The program runs, and these are our ends of its pipes.
    void connect(child_fds& fds) noexcept {
        for (std::size_t number = 0; number < 3; ++number) {
            ends_[number] = fds.take_ours(number);
            piped[number] = static_cast<bool>(ends_[number]);
        }
        if (streams_) {
            open_streams();
            tap(streams_->out, fds.take_tap(1), 1);
            tap(streams_->err, fds.take_tap(2), 2);
        }
        for (numbered_stream& each : more) each.connect(fds, group, program());
    }

    /// Made now, if they are not. Throws std::bad_alloc, and usage_error if the loop has ended.
    [[nodiscard]] stream_set& all_streams() {
        if (!streams_) {
            make_streams({});
            open_streams();
        }
        return *streams_;
    }
    /// Somebody begins to wait, and what the child writes meanwhile is to be taken in. Throws as `all_streams`.
    stream_group& attended() {
        if (!streams_ && (piped[1] || piped[2])) static_cast<void>(all_streams());
        return group;
    }

    void close_in() noexcept {
        if (streams_) streams_->in.close();
        else ends_[0].reset();
    }

    /// Those from 3 on that it reads.
    void close_numbered_inputs() noexcept {
        for (numbered_stream& each : more) {
            if (each.in != nullptr) each.in->close();
        }
    }

    void close_streams() noexcept override {
        for (unique_fd& end : ends_) end.reset();
        if (streams_) close_made();
        std::fill(std::begin(piped), std::end(piped), false);
        for (numbered_stream& each : more) {
            if (each.in != nullptr) each.in->abort();
            else each.out->close();
        }
    }

    /// The stream behind a descriptor from 3 on that the child reads, or writes; null if there is none.
    [[nodiscard]] stream_writer* in_at(int number) const noexcept {
        for (numbered_stream& each : more) {
            if (each.number == number && each.in != nullptr) return each.in;
        }
        return nullptr;
    }
    [[nodiscard]] stream_reader* out_at(int number) const noexcept {
        for (numbered_stream& each : more) {
            if (each.number == number && each.readable && each.out != nullptr) return each.out;
        }
        return nullptr;
    }

    /// Nobody owns it any more, and it has time to go. What it writes is taken in and dropped until it is gone: one who
    /// writes a last line must not die of a broken pipe over it, before it has put things in order. The user's own
    /// streams are his again, and nobody sees what comes.
    [[gnu::cold]] void listen_to_the_end() noexcept {
        ends_[0].reset();
        try {
            attended();
        } catch (const std::bad_alloc&) {
            // Then it can write as much as a pipe holds.
        }
        if (streams_) leave_made();
        std::fill(std::begin(piped), std::end(piped), false);
        for (numbered_stream& each : more) {
            if (each.in != nullptr) each.in->abort();
            else drop_from(*each.out);
        }
        group.enter(); // for good
    }

    [[nodiscard]] bool has_terminal() const noexcept { return on_terminal[0] || on_terminal[1] || on_terminal[2]; }
    /// Our end of it; -1 if that is closed.
    [[nodiscard]] int terminal() const noexcept {
        if (!streams_) return -1;
        if (on_terminal[0] && streams_->in.is_open()) return streams_->in.native_handle();
        if (on_terminal[1] && streams_->out.is_open()) return streams_->out.native_handle();
        return on_terminal[2] && streams_->err.is_open() ? streams_->err.native_handle() : -1;
    }

    /// Nobody will read what others, who hold the other ends, may still write.
    void close_outputs() noexcept {
        if (streams_ && passes_us(1)) streams_->out.close();
        if (streams_ && passes_us(2)) streams_->err.close();
        for (numbered_stream& each : more) {
            if (each.out != nullptr) each.out->close();
        }
    }

    /// The output comes to us, be it that it is only passed on.
    [[nodiscard]] bool passes_us(std::size_t number) const noexcept {
        return piped[number] || (streams_ && (number == 1 ? streams_->own_out : streams_->own_err).has_tap());
    }

    [[nodiscard]] const run_rules& rules() const noexcept { return rules_ ? *rules_ : usual_rules(); }
    [[nodiscard]] const char* program() const noexcept { return words_.c_str(); }
    /// Put together when first asked for.
    [[nodiscard]] const std::string& command_line() {
        if (command_line_.empty()) command_line_ = to_command_line(words_, secrets_);
        return command_line_;
    }

    platform::launch launching; // if nobody has waited for its start
    stream_group group;
    bool piped[3] = {};
    bool on_terminal[3] = {}; // it is the terminal of the child
    numbered_streams more;    // from 3 on

private:
    void tell_signal(event_loop& to, int number, bool delivered) noexcept override {
        tell(to, &process_observer::on_signal, signal_event{pid(), shown_name(), number, delivered});
    }
    // In the pipe of a child that has ended is all that it will ever have written, and who sees it as it comes has seen
    // it before anybody hears of the end. (What others still write comes later.)
    [[nodiscard]] bool has_last_words() const noexcept override {
        // A stream of the user's own may be gone once it is not ours to look at any more (`close_streams`).
        if (streams_ && passes_us(1) && streams_->out.has_tap() && streams_->out.is_open()) return true;
        if (streams_ && passes_us(2) && streams_->err.has_tap() && streams_->err.is_open()) return true;
        for (const numbered_stream& each : more) {
            if (each.out != nullptr && each.out->has_tap() && each.out->is_open()) return true;
        }
        return false;
    }
    // Whatever is called by that may let go of the child, and of the user's own readers with it.
    [[nodiscard, gnu::cold]] bool take_last_words() noexcept override {
        bool more_to_come = streams_ && passes_us(1) && streams_->out.show_now();
        if (streams_ && passes_us(2) && streams_->err.show_now()) more_to_come = true;
        for (numbered_stream& each : more) {
            if (each.out != nullptr && each.out->show_now()) more_to_come = true;
        }
        return more_to_come;
    }
    void tell_exit(event_loop& to) noexcept override {
        if (launching.has_left() && launching.outcome().error != 0) return; // it has not even begun
        tell(to, &process_observer::on_exit, exit_event{pid(), shown_name(), status(), ended()->usage, elapsed()});
    }
    // The command line, or the program where there is no memory for it.
    std::string_view shown_name() noexcept {
        try {
            return command_line();
        } catch (const std::bad_alloc&) {
            return program();
        }
    }

    [[gnu::cold]] void check_given(const command& c, const streams& given) const {
        if (given.in() != nullptr) check_free(c, 0, streams_->in);
        if (given.out() != nullptr) check_free(c, 1, streams_->out);
        if (given.err() != nullptr) check_free(c, 2, streams_->err);
        if (given.out() != nullptr && given.out() == given.err()) {
            throw usage_error("one reader cannot have both stdout and stderr: merge them by stdio::to_out");
        }
    }
    template <class Stream>
    void check_free(const command& c, std::size_t number, const Stream& stream) const {
        const auto refuse = [&](std::string_view why) {
            throw usage_error(concat({"the stream given for ", stdio_names[number], " of ", program(), " ", why}));
        };
        const std::optional<stdio>& said = c.stdio_of(number);
        if (number == 2 && is_terminal(c, 1) && is_terminal(c, 2)) refuse("has no terminal: stdout's reader reads it");
        if (said && !said->is_stream()) refuse("has no pipe: the command says something else");
        if (&stream.loop() != &loop()) refuse("belongs to another event_loop");
        if (stream.in_group()) refuse("is in use by another child");
        if (stream.is_open()) refuse("is still open: use it up, or close() it");
    }

    void make_streams(const streams& given) { streams_ = make_stream_set(given, loop()); }
    // An end that is closed again already (`close_in`) leaves a stream that is closed, and has its name.
    [[gnu::noinline]] void open_streams() noexcept {
        open_stream(streams_->in, 0);
        if (on_terminal[0]) streams_->in.types_on_terminal();
        open_stream(streams_->out, 1);
        open_stream(streams_->err, 2);
        if (on_terminal[1]) streams_->out.shows_terminal();
        else if (on_terminal[2]) streams_->err.shows_terminal();
    }
    template <class Stream>
    void open_stream(Stream& stream, std::size_t number) noexcept {
        if (ends_[number]) stream.open(std::move(ends_[number]));
        if (piped[number]) stream.join(group, {stdio_names[number], program()});
    }
    [[gnu::noinline]] void close_made() noexcept {
        if (piped[0]) streams_->own_in.abort();
        if (passes_us(1)) streams_->own_out.close();
        if (passes_us(2)) streams_->own_err.close();
        // The user's own live on; from here they may go at any time.
        if (piped[0]) streams_->in.leave_group();
        if (piped[1]) streams_->out.leave_group();
        if (piped[2]) streams_->err.leave_group();
    }
    [[gnu::noinline]] void leave_made() noexcept {
        if (piped[0]) streams_->own_in.abort();
        if (passes_us(1)) drop_from(streams_->own_out);
        if (passes_us(2)) drop_from(streams_->own_err);
        if (piped[0]) streams_->in.leave_group();
        if (piped[1] && &streams_->out != &streams_->own_out) streams_->out.leave_group();
        if (piped[2] && &streams_->err != &streams_->own_err) streams_->err.leave_group();
    }
    static void drop_from(stream_reader& ours) noexcept {
        ours.tap(nullptr);
        ours.keep(capture::tail(0));
        ours.trim();
    }
    // What comes is to be seen from the start.
    [[nodiscard]] static bool has_tap(const command& c, std::size_t number) noexcept {
        const std::optional<stdio>& said = c.stdio_of(number);
        return said && said->opens_tap() != nullptr;
    }

    void tap(stream_reader& stream, std::shared_ptr<stream_tap> t, std::size_t number) noexcept {
        if (t == nullptr) return;
        piped[number] = t->keeps();
        stream.tap(std::move(t));
    }

    unique_fd ends_[3]; // ours of its pipes, until the streams are made
    stream_set_owner streams_;
    std::shared_ptr<const run_rules> rules_; // null: the usual ones
    std::string words_;                      // as of command::words(), so without the secrets
    std::vector<std::size_t> secrets_;       // as of command::secret_args()
    std::string command_line_;
};

// Only a process_state is told how it is to be left.
inline void listen_to_the_end(child_watch& child) noexcept { static_cast<process_state&>(child).listen_to_the_end(); }

/// The owner is gone.
struct abandon {
    void operator()(process_state* state) const noexcept { state->abandon(); }
};
using process_owner = std::unique_ptr<process_state, abandon>;

} // namespace coproc::detail
