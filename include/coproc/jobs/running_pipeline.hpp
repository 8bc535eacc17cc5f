#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// running_pipeline: the stages of a pipeline from their start to their results.
//
//     all are started ── each is fed, drained, awaited by itself ──> all have ended ──> the results
//        │                   └── one has passed a bound, or the time of all is over: the rest is stopped ──┘
//        └── one cannot be: those that run are stopped, then it is told
//
// Whatever ends them begins with the last: a stage whose input ends since the one before it was killed would take what
// it has read for the whole.

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../coro/task.hpp"
#include "../coro/when_any.hpp"
#include "../loop/sleep.hpp"
#include "../loop/task_group.hpp"
#include "../loop/with_timeout.hpp"
#include "../platform/pipe.hpp"
#include "../process/async_process.hpp"
#include "../process/command.hpp"
#include "../process/communicate.hpp"
#include "../process/process_error.hpp"
#include "../process/start.hpp"
#include "../process/stdio.hpp"
#include "execute.hpp"
#include "pipeline.hpp"
#include "pipeline_result.hpp"

namespace coproc::detail {

/// Stays where it is; used on the thread of its loop. Destroying it deals with what runs as each command's `on_destroy`
/// says.
template <class>
class basic_running_pipeline {
public:
    basic_running_pipeline(const pipeline& what, std::string input)
        : commands_(what.stages()), timeout_(what.timeout()), line_(what.to_string()), input_(std::move(input)) {}
    basic_running_pipeline(const basic_running_pipeline&) = delete;
    basic_running_pipeline& operator=(const basic_running_pipeline&) = delete;
    ~basic_running_pipeline() {
        group_.cancel();
        while (!stages_.empty()) stages_.pop_back();
    }

    /// Of stages of which nothing is known.
    [[nodiscard]] pipeline_result blank_result() const {
        pipeline_result r;
        r.command_line = line_;
        for (const command& each : commands_) {
            result& blank = r.stages.emplace_back();
            blank.command_line = each.to_string();
            blank.accepted = each.rules().accepted;
        }
        return r;
    }
    /// Throws usage_error if no line can come of it.
    void require_readable() const {
        const std::optional<stdio>& said = commands_.back().stdio_of(1);
        if (!said || said->is_stream()) return;
        throw usage_error(concat({"the last stdout of ", line_, " is no pipe, so there are no lines of it"}));
    }

    void keep_little_of_stderr() {
        for (command& each : commands_) detail::keep_little_of_stderr(each);
    }

    /// Once only. Completes when every program runs. Throws spawn_error when none does any more, and what else a start
    /// throws.
    task<> start() {
        decide_stdin(commands_.front(), input_);
        std::exception_ptr failure;               // nothing can be awaited in a handler
        std::vector<platform::pipe_ends> between; // open here until all have theirs, or have gone
        try {
            connect(between);
            co_await start_all();
        } catch (...) {
            failure = std::current_exception();
        }
        if (failure) {
            stop_all();
            co_await group_.join();
            std::rethrow_exception(failure);
        }
        if (timeout_) clock_.start(watch(deadline_after(*timeout_)));
    }

    /// Feeds the first, and takes care of all but the last, whose stdout somebody reads.
    void tend_all_but_last() {
        for (std::size_t number = 0; number + 1 < stages_.size(); ++number) tend(number);
        if (stages_.size() == 1 && stages_.front().process.has_in()) feed_only();
        async_process& last = stages_.back().process;
        if (last.has_err()) last.err().keep(commands_.back().rules().err);
        const auto timeout = commands_.back().rules().timeout;
        if (timeout != run_rules::duration::max()) clock_.start(watch_last(deadline_after(timeout)));
        if (commands_.back().rules().idle_timeout != run_rules::duration::max()) last_group().watch_silence();
        is_read_ = true;
    }
    void tend_last() {
        if (stages_.back().abandoned) last_out().close();
        tend(stages_.size() - 1);
    }
    void tend_all() {
        for (std::size_t number = 0; number < stages_.size(); ++number) tend(number);
    }
    /// Once all of them are tended. Throws what is not the end of a child: what a sink has thrown, stream_error.
    task<pipeline_result> finish() {
        co_await group_.join();
        clock_.cancel();
        for (stage& each : stages_) {
            if (each.failure) std::rethrow_exception(std::exchange(each.failure, nullptr));
        }
        co_return take_result();
    }

    [[nodiscard]] stream_reader& last_out() const { return stages_.back().process.out(); }
    /// Of the last one, before that is tended, within its `idle_timeout`, and its `drain` once it has ended: what has
    /// come by then of a line that others have not ended is the last one.
    task<std::optional<std::string_view>> read_line() {
        if (last_group().overflowed()) co_return std::nullopt; // which is told when it is tended
        auto either = when_any(read_in_time(), be_drained());  // what is there already comes first
        const auto first = co_await std::move(either);
        if (first.index == 0) co_return std::get<0>(first.value);
        if (last_group().overflowed()) co_return std::nullopt;
        stages_.back().abandoned = true;
        last_out().feed_eof();
        co_return co_await last_out().next_line();
    }

private:
    // Silence is that of all it writes, as for a single command.
    task<std::optional<std::string_view>> read_in_time() {
        const auto idle = commands_.back().rules().idle_timeout;
        const auto begin = platform::clock::now();
        while (idle != run_rules::duration::max()) {
            const auto silent_at = deadline_after(idle, std::max(begin, last_group().quiet_since()));
            const auto left = silent_at - platform::clock::now();
            if (left <= left.zero()) {
                last_is_late(limit_in_words(idle, true));
                break;
            }
            const auto line = co_await with_timeout(last_out().next_line(), left);
            if (line) co_return *line;
        }
        co_return co_await last_out().next_line();
    }
    // The last one has ended, and others, who hold its stdout still, have had their time; or it has passed a limit.
    task<> be_drained() {
        supervision until(stages_.back().process.state(), platform::clock::time_point::max());
        co_await until;
        if (last_group().overflowed()) co_return;
        if (!drained_by_) drained_by_ = deadline_after(commands_.back().rules().drain);
        co_await sleep_until(*drained_by_);
    }
    [[nodiscard]] stream_group& last_group() const { return stages_.back().process.state().group; }

    struct stage {
        explicit stage(async_process p) noexcept : process(std::move(p)) {}

        async_process process;
        result ended{};
        std::string past_bound{};     // which one, and how it ended
        std::exception_ptr failure{}; // of something else
        std::string late{};           // which time it has passed, where it was stopped for that from here
        bool abandoned = false;       // its stdout, from here, since others hold it still
        bool stopped = false;         // from here, and not by its own supervision
    };

    // ---- the start ----

    void connect(std::vector<platform::pipe_ends>& between) {
        between.reserve(commands_.size() - 1);
        for (std::size_t number = 0; number + 1 < commands_.size(); ++number) {
            const platform::pipe_ends& pipe = between.emplace_back(platform::make_pipe());
            if (!pipe.read || !pipe.write) {
                const std::error_code error = platform::last_error();
                throw spawn_error(spawn_stage::pipe, commands_[number].program(),
                                  concat({in_words(number), ": making the pipe to the next one failed"}), error);
            }
            commands_[number].out(stdio::fd(pipe.write.get()));
            commands_[number + 1].in(stdio::fd(pipe.read.get()));
        }
    }

    // All at once. Those that could be started are among the stages when this throws.
    task<> start_all() {
        std::vector<starting> under_way;
        under_way.reserve(commands_.size());
        stages_.reserve(commands_.size());
        std::exception_ptr failure;
        try {
            for (const command& each : commands_) under_way.push_back(coproc::start(each));
        } catch (...) {
            failure = std::current_exception();
        }
        for (std::size_t number = 0; number < under_way.size(); ++number) {
            try {
                async_process running = co_await std::move(under_way[number]);
                close_numbered_inputs(running);
                stages_.emplace_back(std::move(running));
            } catch (const spawn_error& e) {
                if (!failure) failure = std::make_exception_ptr(of_stage(number, e));
            } catch (...) {
                if (!failure) failure = std::current_exception();
            }
        }
        if (failure) std::rethrow_exception(failure);
    }

    [[nodiscard, gnu::cold]] spawn_error of_stage(std::size_t number, const spawn_error& e) const {
        return spawn_error(e.stage(), e.subject(), concat({in_words(number), ": ", e.detail()}), e.code());
    }
    [[nodiscard, gnu::cold]] std::string in_words(std::size_t number) const {
        return concat({"stage ", number + 1, " of ", in_quotes(line_)});
    }

    // ---- while they run ----

    void tend(std::size_t number) { group_.start(tend_one(number, number == 0 ? std::move(input_) : "")); }

    // Before a stage is stopped for a bound of its own, those behind it are.
    class those_behind final : public stop_listener {
    public:
        those_behind(basic_running_pipeline& all, std::size_t number) noexcept : all_(all), number_(number) {}
        void before_stop() override { all_.stop_from(number_ + 1); }

    private:
        basic_running_pipeline& all_;
        std::size_t number_;
    };

    task<> tend_one(std::size_t number, std::string input) {
        stage& s = stages_[number];
        those_behind first(*this, number);
        try {
            process_state& child = s.process.state();
            const run_so_far so_far{.err_was_captured = is_read_ && number + 1 == stages_.size(), .listener = &first};
            task<result> to_its_end = communicate(child, std::move(input), time_limit_of(child), so_far);
            s.ended = co_await std::move(to_its_end); // NOLINT(bugprone-use-after-move): it means the parameter's move
        } catch (const process_error& e) {
            s.ended = e.result();
            if (!s.stopped) s.past_bound = e.detail(); // else it was ending already
        } catch (...) {
            s.failure = std::current_exception();
        }
        if (!s.past_bound.empty() || s.failure) stop_all(); // the others would only wait for it, or for nothing
    }

    // The one that is both the first and the last. Its input is buffered, so that nobody is in the midst of writing
    // when the lines have ended and the rest of it is tended. That it does not want all of it is no error.
    void feed_only() {
        stream_writer& in = stages_.front().process.in();
        try {
            in.write(std::exchange(input_, {}));
        } catch (const stream_error& e) {
            if (e.code() != std::errc::broken_pipe) throw;
        }
        in.close();
    }

    task<> watch(platform::clock::time_point deadline) {
        co_await sleep_until(deadline);
        timed_out_ = !stopping_; // else it is not its time that all of it is stopped for
        stop_all();
    }

    // The same for the last one alone, whose lines somebody reads: nobody else keeps its time.
    task<> watch_last(platform::clock::time_point deadline) {
        co_await sleep_until(deadline);
        last_is_late(limit_in_words(commands_.back().rules().timeout, false));
    }
    void last_is_late(const std::string& in_words) {
        // Something else was before; or it has ended in time, and the others are still at it.
        if (stopping_ || !stages_.back().process.running()) return;
        stop_all();
        if (stages_.back().stopped) stages_.back().late = in_words;
    }

    void stop_all() { stop_from(0); }
    // Who runs until now is stopped, also if it ends of a broken pipe before its turn. Those that are being ended
    // already are left to that.
    void stop_from(std::size_t first) {
        stopping_ = true;
        std::vector<stage*> those;
        for (std::size_t number = first; number < stages_.size(); ++number) {
            stage& each = stages_[number];
            if (each.process.running() && !each.process.state().is_being_ended()) those.push_back(&each);
        }
        for (stage* const each : those) each->stopped = true;
        for (; !those.empty(); those.pop_back()) group_.start(stop_one(those.back()->process));
    }
    static task<> stop_one(async_process& p) { co_await p.stop(); }

    // ---- when they have ended ----

    [[nodiscard]] bool has_failed(std::size_t number) const {
        const stage& s = stages_[number];
        if (!s.past_bound.empty()) return true;
        if (s.stopped) return timed_out_;
        const bool had_its_reader_enough = number + 1 < stages_.size() && s.ended.status.signal() == SIGPIPE;
        if (had_its_reader_enough && s.ended.accepted.is_usual()) return false;
        return !s.ended.accepted.accepts(s.ended.status);
    }

    [[gnu::cold]] void tell(pipeline_result& r, std::size_t number) const {
        const stage& s = stages_[number];
        const std::string out_of_time = timed_out_ && s.stopped ? limit_in_words(*timeout_, false) : "";
        r.failed.push_back(number);
        if (!r.complaint.empty()) r.complaint.append("; ");
        r.complaint.append(concat({"stage ", number + 1, ", ", in_quotes(s.ended.command_line), ", ",
                                   s.past_bound.empty() ? describe_end(s.ended, out_of_time) : s.past_bound}));
    }

    [[nodiscard]] pipeline_result take_result() {
        pipeline_result r;
        for (std::size_t number = 0; number < stages_.size(); ++number) {
            stage& s = stages_[number];
            if (s.stopped) {
                s.ended.stopped = true;
                s.ended.timed_out = timed_out_ || !s.late.empty();
                s.ended.killed = s.ended.status.signal() == SIGKILL;
                s.ended.survivors = s.process.survivors();
            }
            if (s.abandoned) s.ended.pipes_abandoned = true;
            if (!s.late.empty()) s.past_bound = describe_end(s.ended, s.late);
            if (has_failed(number)) tell(r, number);
        }
        r.stages.reserve(stages_.size());
        for (stage& s : stages_) {
            r.elapsed = std::max(r.elapsed, s.ended.elapsed);
            r.timed_out = r.timed_out || s.ended.timed_out;
            r.stages.push_back(std::move(s.ended));
        }
        r.command_line = line_;
        return r;
    }

    std::vector<command> commands_;
    std::optional<platform::clock::duration> timeout_;
    std::string line_;
    std::string input_;
    std::vector<stage> stages_; // those that were started
    std::optional<platform::clock::time_point> drained_by_;
    bool is_read_ = false; // the last one, by lines
    bool stopping_ = false;
    bool timed_out_ = false;
    task_group group_; // everything that has to end before this has
    task_group clock_;
};
using running_pipeline = basic_running_pipeline<void>;

} // namespace coproc::detail
