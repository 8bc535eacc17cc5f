#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// process_state: what stays in one place while an async_process is moved about, and what the loop inherits when that is
// destroyed: the child, its streams, its words.

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../io/stream_group.hpp"
#include "../io/stream_reader.hpp"
#include "../io/stream_writer.hpp"
#include "child_fds.hpp"
#include "child_watch.hpp"
#include "command.hpp"
#include "numbered_stream.hpp"
#include "observer.hpp"
#include "run_rules.hpp"
#include "spawn.hpp"
#include "streams.hpp"

namespace coproc::detail {

struct stream_set {
    explicit stream_set(event_loop& loop) noexcept : in(loop), out(loop), err(loop) {}
    stream_writer in;
    stream_reader out, err;
};

class process_state final : public child_watch {
public:
    process_state(const command& c, const streams& given, event_loop& loop)
        : child_watch(loop, c.on_destroy()), own(loop), in(given.in() != nullptr ? *given.in() : own.in),
          out(given.out() != nullptr ? *given.out() : own.out), err(given.err() != nullptr ? *given.err() : own.err),
          more(c, loop), rules_(c.shared_rules()), words_(c.words()), secrets_(c.secret_args()) {
        for (std::size_t number = 0; number < 3; ++number) on_terminal[number] = is_terminal(c, number);
        if (c.families() != nullptr) reach_for(*c.families(), extent_of(c));
        if (given.in() != nullptr || given.out() != nullptr || given.err() != nullptr) check_given(c, given);
    }

    /// The program runs, and these are our ends of its pipes.
    void connect(child_fds& fds) noexcept {
        connect(in, fds.take_ours(0), 0);
        if (on_terminal[0]) in.types_on_terminal();
        connect(out, fds.take_ours(1), 1);
        connect(err, fds.take_ours(2), 2);
        if (on_terminal[1]) out.shows_terminal();
        else if (on_terminal[2]) err.shows_terminal();
        tap(out, fds.take_tap(1), 1);
        tap(err, fds.take_tap(2), 2);
        for (numbered_stream& each : more) {
            const stream_name name(each.role.data(), program());
            if (each.in) connect(*each.in, fds.take_ours_of(each.number), name);
            else connect(*each.out, fds.take_ours_of(each.number), name);
            if (each.out) each.out->tap(fds.take_tap_of(each.number));
        }
    }

    void close_streams() noexcept override {
        if (piped[0]) own.in.abort();
        if (passes_us(1)) own.out.close();
        if (passes_us(2)) own.err.close();
        // The user's own live on; from here they may go at any time.
        if (std::exchange(piped[0], false)) in.leave_group();
        if (std::exchange(piped[1], false)) out.leave_group();
        if (std::exchange(piped[2], false)) err.leave_group();
        for (numbered_stream& each : more) {
            if (each.in) each.in->abort();
            else each.out->close();
        }
    }

    /// The stream behind a descriptor from 3 on that the child reads, or writes; null if there is none.
    [[nodiscard]] stream_writer* in_at(int number) const noexcept {
        for (numbered_stream& each : more) {
            if (each.number == number && each.in) return &*each.in;
        }
        return nullptr;
    }
    [[nodiscard]] stream_reader* out_at(int number) const noexcept {
        for (numbered_stream& each : more) {
            if (each.number == number && each.out && each.readable) return &*each.out;
        }
        return nullptr;
    }

    [[nodiscard]] bool has_terminal() const noexcept { return on_terminal[0] || on_terminal[1] || on_terminal[2]; }
    /// Our end of it; -1 if that is closed.
    [[nodiscard]] int terminal() const noexcept {
        if (on_terminal[0] && in.is_open()) return in.native_handle();
        if (on_terminal[1] && out.is_open()) return out.native_handle();
        return on_terminal[2] && err.is_open() ? err.native_handle() : -1;
    }

    /// Nobody will read what others, who hold the other ends, may still write.
    void close_outputs() noexcept {
        if (passes_us(1)) out.close();
        if (passes_us(2)) err.close();
        for (numbered_stream& each : more) {
            if (each.out) each.out->close();
        }
    }

    /// The output comes to us, be it that it is only passed on.
    [[nodiscard]] bool passes_us(std::size_t number) const noexcept {
        return piped[number] || (number == 1 ? own.out : own.err).has_tap();
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
    stream_set own; // those in use, where the user gave none
    stream_writer& in;
    stream_reader &out, &err;
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
        if (passes_us(1) && out.has_tap() && out.is_open()) return true;
        if (passes_us(2) && err.has_tap() && err.is_open()) return true;
        for (const numbered_stream& each : more) {
            if (each.out && each.out->has_tap() && each.out->is_open()) return true;
        }
        return false;
    }
    // Whatever is called by that may let go of the child, and of the user's own readers with it.
    [[nodiscard, gnu::cold]] bool take_last_words() noexcept override {
        bool more_to_come = passes_us(1) && out.show_now();
        if (passes_us(2) && err.show_now()) more_to_come = true;
        for (numbered_stream& each : more) {
            if (each.out && each.out->show_now()) more_to_come = true;
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
        if (given.in() != nullptr) check_free(c, 0, in);
        if (given.out() != nullptr) check_free(c, 1, out);
        if (given.err() != nullptr) check_free(c, 2, err);
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

    template <class Stream>
    void connect(Stream& stream, unique_fd fd, std::size_t number) noexcept {
        if (!fd) return;
        connect(stream, std::move(fd), {stdio_names[number], program()});
        piped[number] = true;
    }
    void tap(stream_reader& stream, std::shared_ptr<stream_tap> t, std::size_t number) noexcept {
        if (t == nullptr) return;
        piped[number] = t->keeps();
        stream.tap(std::move(t));
    }
    template <class Stream>
    void connect(Stream& stream, unique_fd fd, stream_name name) noexcept {
        stream.open(std::move(fd));
        stream.join(group, name);
    }

    std::shared_ptr<const run_rules> rules_; // null: the usual ones
    std::string words_;                      // as of command::words(), so without the secrets
    std::vector<std::size_t> secrets_;       // as of command::secret_args()
    std::string command_line_;
};

/// The owner is gone: the streams close, the loop reaps the child.
struct abandon {
    void operator()(process_state* state) const noexcept {
        state->close_streams();
        state->abandon();
    }
};
using process_owner = std::unique_ptr<process_state, abandon>;

} // namespace coproc::detail
