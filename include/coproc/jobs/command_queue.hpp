#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// command_queue: many commands, so many of them at once.
//
//     command_queue q(4);
//     job build = q.queue("make all");
//     q.queue(command("make", "test").timeout(10min)).named("tests").retries(2, 1s).after(build);
//     job_results all = co_await q.execute_all();           // in the order they were queued
//     while (auto done = co_await q.next()) …               // or as they finish

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../coro/task.hpp"
#include "../platform/processors.hpp"
#include "../process/command.hpp"
#include "job.hpp"
#include "job_result.hpp"
#include "job_slots.hpp"
#include "progress.hpp"
#include "queue_state.hpp"

namespace coproc {

/// Move-only; used on one thread. Nothing begins before the first `execute_all` or `next`; from then on the queue goes
/// on by itself, in the turns of that loop, until all is over, and begins anew with the next of these.
///
/// Each job is run as by `execute`: stdin is the null device, stdout and stderr are captured, as far as its command
/// says nothing else, within the bounds of the command. That it fails is a value in its result, never an exception
/// here.
///
/// It may be destroyed at any moment, but from within a sink of one of its commands: what is not over is cancelled.
class command_queue {
public:
    /// As many at once as this process may use processors.
    template <class = void> // as all that leads to a coroutine: see coro/task.hpp
    command_queue() : command_queue(platform::usable_processors()) {}
    /// At most so many at once; with 1 it is a sequence. Throws std::invalid_argument for less than 1.
    template <std::integral Slots>
    explicit command_queue(Slots at_once) {
        if (at_once < Slots{1}) throw std::invalid_argument("a command_queue has at least one slot");
        state_ = std::make_shared<detail::queue_state>(static_cast<std::size_t>(at_once));
    }
    command_queue(command_queue&&) noexcept = default;
    command_queue& operator=(command_queue&& other) noexcept {
        command_queue gone(std::move(other));
        std::swap(state_, gone.state_);
        return *this;
    }
    ~command_queue() {
        if (state_) state_->close();
    }

    /// To be run when there is a slot, those queued first being first. At any time, also while the queue runs: from
    /// another coroutine or from within `on_progress`.
    job queue(command c) { return job(state().queue(std::move(c))); }
    /// `command::parse(line)`: the words of a shell, without a shell. Throws std::invalid_argument as that does.
    job queue(std::string_view line) { return queue(command::parse(line)); }

    /// What is to become of the rest when one has failed, after all its retries. `go_on` is the default.
    command_queue& on_failure(failure what) {
        state().on_failure(what);
        return *this;
    }

    /// Calls `f(const queue_progress&)` from the loop whenever something has changed, and at the end once with
    /// `finished`. What it throws comes out of `execute_all`, which cancels the rest, or else of `next`, and the queue
    /// goes on; `f` is not called again.
    template <std::invocable<const queue_progress&> F>
    command_queue& on_progress(F f) {
        state().on_progress(detail::make_progress_function(std::move(f)));
        return *this;
    }

    /// Besides its own bound: each job takes a slot of these before it begins, and gives it back when it is over,
    /// however that comes about. They must outlive the queue. If they fail, what waits is skipped.
    command_queue& slots_from(job_slots& from) {
        state().slots_from(&from);
        return *this;
    }

    /// Runs them all; yields the results, in the order they were queued, of all jobs that `next` has not handed out.
    /// Completes when all is over, also what was queued meanwhile. Does not throw for jobs that fail: `check(results)`
    /// does. Destroying it, while it waits, is `cancel()`.
    template <class = void>
    [[nodiscard]] task<job_results> execute_all() {
        return detail::execute_all(shared_state());
    }

    /// Yields the result of a job that is over, each once, in the order in which they have ended; nullopt when there is
    /// none and nothing is left to be run. More may be queued, and asked for, after that. Destroying it, while it
    /// waits, loses and stops nothing. Any number of coroutines may wait.
    template <class = void>
    [[nodiscard]] task<std::optional<job_result>> next() {
        return detail::next_result(shared_state());
    }

    /// Sends the rest home: what waits is skipped; children that run are stopped as by `async_process::stop`, with the
    /// grace of their commands, and their results kept. Returns at once; the queue is over when they are, and what is
    /// queued until then is skipped, too.
    template <class = void>
    void stop() {
        state().stop("the queue was stopped");
    }
    /// Gives up what is not over: children that run are dealt with as their commands' `on_destroy` says, by default
    /// killed, and all these jobs are `cancelled` when this returns. Not from within a sink of one of its commands.
    void cancel() { state().cancel("the queue was cancelled"); }

    /// How many jobs are not over.
    [[nodiscard]] std::size_t unfinished() const { return state().unfinished(); }

private:
    [[nodiscard]] const std::shared_ptr<detail::queue_state>& shared_state() const {
        if (!state_) throw usage_error("a command_queue that was moved from was used");
        return state_;
    }
    [[nodiscard]] detail::queue_state& state() const { return *shared_state(); }

    std::shared_ptr<detail::queue_state> state_;
};

} // namespace coproc
