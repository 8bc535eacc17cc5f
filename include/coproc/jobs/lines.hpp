#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// lines: what a command writes to stdout, line by line, as it comes.
//
//     auto log = lines(command("journalctl", "-f"));
//     while (auto line = co_await log.next()) use(*line);      // leaving early kills it; a bad end throws

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../coro/branch.hpp"
#include "../coro/task.hpp"
#include "../io/stream_reader.hpp"
#include "../process/command.hpp"
#include "../process/communicate.hpp"
#include "../process/process_error.hpp"
#include "../process/result.hpp"
#include "../process/stdio.hpp"
#include "execute.hpp"
#include "finder.hpp"
#include "followed_child.hpp"

namespace coproc {
namespace detail {

class line_finder : public followed_child {
public:
    explicit line_finder(command c) : followed_child(std::move(c)) { keep_little_of_stderr(what()); }

    [[nodiscard]] bool at_hand() {
        require_free();
        if (over_) {
            line_.reset();
            return true;
        }
        return runs() && !is_late() && final_if_thrown([this] { return take_line(); }) && line_;
    }
    line_view take() {
        final_if_thrown([this] { require_found(); });
        return line_;
    }
    [[nodiscard]] const std::optional<result>& ended() const noexcept { return ended_; }

protected:
    void require_readable() {
        const std::optional<stdio>& said = what().stdio_of(1);
        if (!said || said->is_stream()) return;
        throw usage_error(concat({"stdout of ", what().program(), " is no pipe, so there are no lines of it"}));
    }

    // True if it came to an answer: a line, or none any more.
    bool take_line() {
        read_.emplace(process().out().next_line());
        tried_ = !read_->await_ready();
        if (tried_) return false;
        line_ = read_->await_resume();
        return true;
    }

    [[nodiscard]] std::optional<run_end> passed_bound() const {
        if (state().group.overflowed()) return run_end::too_much;
        if (is_late()) return run_end::timed_out;
        return std::nullopt;
    }

    void is_set_up() override {
        if (process().has_err()) process().err().keep(rules().err);
    }

    line_view line_;
    std::optional<line_read> read_;
    std::optional<line_read> none_;
    std::optional<result> ended_;
    std::optional<run_end> bound_; // that it has passed; cancelling does not undo it
    bool tried_ = false;           // the read has been begun, and there is no answer
    bool abandoned_ = false;       // by us, since others hold the pipe still
};

/// The part with the coroutines, a template: see coro/task.hpp.
template <class>
class line_search final : public line_finder {
public:
    explicit line_search(command c) : line_finder(std::move(c)) {}
    ~line_search() override { end_search(); }

private:
    branch<void> search() override {
        require_readable();
        start_awaiter starts(*this);
        co_await starts;
        for (;;) {
            begin_to_wait();
            for (;;) {
                if (!bound_) bound_ = passed_bound();
                if (bound_) break;
                if (!std::exchange(tried_, false) && take_line()) break;
                tried_ = false;
                if (is_silent()) bound_ = run_end::silent;
                if (bound_) break;
                if (!abandoned_ && is_drained()) {
                    abandoned_ = true;
                    process().out().feed_eof(); // what there is of a line is the last one
                    continue;
                }
                if (!read_) read_.emplace(process().out().next_line());
                news n(state(), wake_up(), read_, none_);
                co_await n;
            }
            if (bound_ || !line_) {
                task<> end = finish();
                co_await std::move(end);
            }
            co_await found();
        }
    }

    task<> finish() {
        line_.reset();
        process_state& s = state();
        if (abandoned_) process().out().close();
        s.group.note_arrival(); // for what follows it has all its idle time
        task<result> end = communicate(s, {}, limit(), {bound_, true});
        try {
            ended_ = co_await std::move(end);
        } catch (const process_error& e) { // past a bound
            ended_ = e.result();
            throw;
        }
        if (abandoned_) ended_->pipes_abandoned = true;
        over_ = true;
        ended_->check();
    }
};

} // namespace detail

/// The lines of a child that it owns. Move-only; used on the thread of its loop. Destroying it deals with a child that
/// still runs as the command's `on_destroy` says: by default SIGKILL, and the loop reaps it. Whatever awaits something
/// of it must be gone before.
class command_lines {
public:
    template <class = void>
    explicit command_lines(command c) : finder_(std::make_unique<detail::line_search<void>>(std::move(c))) {}

    /// A std::optional<std::string_view>: the next line without its `\n` or `\r\n`, an unterminated last one, too;
    /// valid until the next `next()`. The first one starts the program. A line that has come costs no suspension, and
    /// no line an allocation. Where the lines end this waits for the child; then it is nullopt for ever, or throws,
    /// once:
    ///
    /// usage_error where stdout goes elsewhere, and spawn_error, and no program has run; exit_error, with stderr, for a
    /// status that the command does not accept; timeout_error, the child stopped and reaped, past its `timeout` (lines
    /// that had come and were not read are then in `result().out`) or its `idle_timeout`; output_limit_error where the
    /// command limits stderr; stream_error. line_too_long is not the end.
    ///
    /// The bounds are looked at in `next()`: while nobody is there the child, once its pipe is full, waits. Silence
    /// counts only while somebody listens. Once the child has ended, others may hold its stdout still: what is there of
    /// theirs comes, however much that is; where `next()` has to wait for more, it does so until the command's `drain`
    /// is over, and then the lines end.
    ///
    /// Cancelling it loses nothing: the next one goes on.
    [[nodiscard]] auto next() { return detail::found_next(mine()); }

    /// As `stream_reader::line_limit`; at any time.
    command_lines& line_limit(std::size_t bytes, long_line policy = long_line::fail) {
        mine().line_limit(bytes, policy);
        return *this;
    }

    /// Nothing before the first `next()`, or when it has been reaped.
    [[nodiscard]] std::optional<int> pid() const { return mine().pid(); }
    /// How the child ended, once the lines have, by nullopt, exit_error, timeout_error or output_limit_error: with what
    /// was kept of stderr. Null before, and where another exception was their end.
    [[nodiscard]] const coproc::result* result() const {
        const auto& ended = mine().ended();
        return ended ? &*ended : nullptr;
    }

private:
    [[nodiscard]] detail::line_finder& mine() const {
        if (!finder_) throw usage_error("the lines of a command were moved from");
        return *finder_;
    }

    std::unique_ptr<detail::line_finder> finder_;
};

/// Nothing is started before the first `next()`. Where the command says nothing of them, stdin is the null device (for
/// input: `in(stdio::text(…))`), and of stderr the first 16 KiB and the last 48 KiB are kept. Nothing can deadlock:
/// what the child writes to stderr is taken in while somebody is in `next()`.
template <class = void>
[[nodiscard]] command_lines lines(command c) {
    return command_lines(std::move(c));
}

} // namespace coproc
