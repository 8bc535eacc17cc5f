#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// start: an async_process without stopping the thread until its program runs.
//
//     async_process cc = co_await start(command("cc", "-c", file));   // meanwhile other coroutines run

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "../core/error.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/platform.hpp"
#include "async_process.hpp"
#include "child_fds.hpp"
#include "command.hpp"
#include "observer.hpp"
#include "process_state.hpp"
#include "spawn.hpp"
#include "streams.hpp"

namespace coproc {

/// What `start` yields; awaited once. Destroyed before that, or while somebody waits, it deals with the child as the
/// command's `on_destroy` says.
class [[nodiscard]] starting : launch_waiter {
public:
    starting(starting&&) noexcept = default;

    bool await_ready() const noexcept { return state_->launching.has_left(); }
    void await_suspend(std::coroutine_handle<> handle) {
        coroutine = handle;
        launch = &state_->launching;
        state_->loop().schedule_when_left(*this);
    }
    async_process await_resume() {
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        const platform::spawn_outcome outcome = state_->launching.outcome();
        if (outcome.error != 0) start_again(outcome);
        state_->launching.give_back();
        return connected();
    }

    // For who waits for the child's end and for nothing before that: the child now, while its program is being loaded.
    // When it has ended, `has_run` tells whether there was a program.

    /// Throws as the call of `start`, and what awaiting it throws at once.
    [[nodiscard]] async_process unproven() && {
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        return connected();
    }
    /// False if no program has run, for a reason that may pass. Throws spawn_error if none has for another.
    [[nodiscard]] static bool has_run(async_process& ended, const command& c) {
        detail::process_state& s = ended.state();
        if (!s.launching.has_left() || s.launching.outcome().error == 0) return true;
        const platform::spawn_outcome outcome = s.launching.outcome();
        const spawn_error e = detail::failure(outcome, s.launching.plan(), s.program());
        s.launching.give_back();
        detail::tell_failed_start(s.loop(), s.pid(), c, e);
        if (!detail::may_pass(outcome)) throw spawn_error(e);
        return false;
    }

private:
    friend starting start(const command&, const streams&, event_loop&);

    starting(const command& c, const streams& own, event_loop& loop) : state_(new detail::process_state(c, own, loop)) {
        try {
            begin(c, loop);
        } catch (const spawn_error& e) {
            detail::tell_failed_start(loop, 0, c, e);
            failure_ = std::current_exception(); // there is one place where it is told
        }
    }

    void begin(const command& c, event_loop& loop) {
        if (loop.observed()) observed_ = std::make_unique<const command>(c);
        detail::preparation all(c, stdio::pipe, &loop.dispositions());
        platform::child child;
        if (!state_->launching.begin(loop.launch_slots(), all.plan(), child)) {
            child = detail::spawn(all.plan(), state_->program());
        }
        state_->start(std::move(child));
        state_->lend(all.take_foreground());
        fds_ = std::move(all.fds());
        detail::tell_start(loop, state_->pid(), c, stdio::pipe);
    }

    async_process connected() {
        // The child's end here, or their readers would wait for us.
        std::optional<detail::child_fds> fds = std::exchange(fds_, std::nullopt);
        state_->connect(*fds);
        return async_process(std::move(state_));
    }

    // No program has run. Where the reason may pass, the way that waits is tried; it throws if that fails, too.
    void start_again(const platform::spawn_outcome& outcome) {
        const platform::spawn_plan& plan = state_->launching.plan();
        const int pid = state_->pid();
        state_->forget_failed();
        const spawn_error first = detail::failure(outcome, plan, state_->program());
        if (observed_) detail::tell_failed_start(state_->loop(), pid, *observed_, first);
        if (!detail::may_pass(outcome)) throw spawn_error(first);
        try {
            state_->start(detail::spawn(plan, state_->program()));
        } catch (const spawn_error& e) {
            if (observed_) detail::tell_failed_start(state_->loop(), 0, *observed_, e);
            throw;
        }
        if (observed_) detail::tell_start(state_->loop(), state_->pid(), *observed_, stdio::pipe);
    }

    // The child's are kept until it is known that none has to be made again. Ours close after the child has been
    // signalled, so this is destroyed after `state_` (`child_watch::abandon`).
    std::optional<detail::child_fds> fds_;
    detail::process_owner state_;
    std::exception_ptr failure_;
    std::unique_ptr<const command> observed_; // where the loop is observed
};

/// Starts the command as the constructor of async_process does, but does not wait for the program: while the kernel
/// loads it, perhaps on another processor, this thread goes on. `co_await` completes when the program runs. With many
/// children at once that is about twice as fast; for one that nobody else waits for it makes no difference.
///
/// `co_await` throws spawn_error, and then no program has run; the call throws what else the constructor throws. Where
/// a child cannot be made in this way (other systems than Linux, Linux before 5.5, seccomp, a change of identity, 64
/// under way already), the program runs when the call returns.
///
/// The command need not outlive the call; the descriptors that it borrows must stay open, and the loop must live, until
/// `co_await` has completed.
[[nodiscard]] inline starting start(const command& c, const streams& own, event_loop& loop = event_loop::current()) {
    return {c, own, loop};
}
[[nodiscard]] inline starting start(const command& c, event_loop& loop = event_loop::current()) {
    return start(c, streams(), loop);
}

} // namespace coproc
