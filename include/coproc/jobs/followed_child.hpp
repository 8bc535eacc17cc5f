#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// followed_child: a child that somebody reads line by line, within the bounds of its command.

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/line_buffer.hpp"
#include "../coro/branch.hpp"
#include "../io/stream_group.hpp"
#include "../io/stream_reader.hpp"
#include "../loop/event_loop.hpp"
#include "../process/async_process.hpp"
#include "../process/command.hpp"
#include "../process/communicate.hpp"
#include "../process/process_state.hpp"
#include "../process/start.hpp"
#include "execute.hpp"
#include "finder.hpp"

namespace coproc::detail {

using line_view = std::optional<std::string_view>;
using line_read = stream_reader::read_awaiter<line_view>;

/// Completes when one of the reads may have its answer, when the child has been reaped, when an output has passed its
/// limit, or at `until`. Then it has let go of the reads, which lose nothing by that.
class news final : timer, waiter {
public:
    news(process_state& s, platform::clock::time_point until, std::optional<line_read>& first,
         std::optional<line_read>& second) noexcept
        : state_(&s), until_(until), first_(&first), second_(&second) {}
    news(const news&) = delete;
    news& operator=(const news&) = delete;
    ~news() {
        first_->reset();
        second_->reset();
        if (loop_ == nullptr) return;
        loop_->remove(*this);
        state_->group.on_overflow(nullptr);
    }

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
        coroutine = handle;
        loop_ = &state_->loop();
        if (until_ != platform::clock::time_point::max()) loop_->add(*this, until_);
        if (!state_->is_over()) state_->add(*this);
        state_->group.on_overflow(this);
        stay_.enter(&state_->group);
        if (*first_) (*first_)->await_suspend(handle);
        if (*second_) (*second_)->await_suspend(handle);
    }
    void await_resume() const noexcept {}

private:
    void on_timer() noexcept override { loop_->schedule(*this); }

    process_state* state_;
    platform::clock::time_point until_;
    std::optional<line_read>*first_, *second_;
    event_loop* loop_ = nullptr; // once it waits
    group_stay stay_;
};

/// The start of a child, which goes on if whoever waits for it goes away: no program is to be started twice.
class child_start final : branch_owner {
public:
    explicit child_start(command c) noexcept : what(std::move(c)) {}
    child_start(const child_start&) = delete;
    child_start& operator=(const child_start&) = delete;

    template <class = void>
    bool await_ready() {
        if (!under_way_) {
            under_way_.emplace(begin(what));
            under_way_->start(*this, 0);
        }
        return has_ended_;
    }
    void await_suspend(std::coroutine_handle<> handle) noexcept { waits_ = handle; }
    async_process await_resume() { return under_way_->take(); }
    void forget_waiter() noexcept { waits_ = nullptr; }

    command what;

private:
    template <class Command>
    static branch<async_process> begin(const Command& c) {
        co_return co_await start(c);
    }

    std::coroutine_handle<> branch_ended(std::size_t) noexcept override {
        has_ended_ = true;
        const std::coroutine_handle<> waits = std::exchange(waits_, nullptr);
        return waits ? waits : std::noop_coroutine();
    }

    std::optional<branch<async_process>> under_way_;
    std::coroutine_handle<> waits_;
    bool has_ended_ = false;
};

/// Of what is made of it, the search begins with `co_await starts`, a `start_awaiter`.
class followed_child : public finder {
public:
    using time_point = platform::clock::time_point;

    explicit followed_child(command c) : start_(std::move(c)) { decide_stdin(start_.what, {}); }

    [[nodiscard]] std::optional<int> pid() const {
        if (!process_) return std::nullopt;
        return process_->pid();
    }
    void line_limit(std::size_t bytes, long_line policy) {
        if (bytes == 0) throw std::invalid_argument("line_limit(): the limit is 0");
        line_limit_ = bytes;
        long_line_ = policy;
        if (process_) limit_lines();
    }

protected:
    ~followed_child() override = default;

    template <class Child>
    class [[nodiscard]] start_awaiter {
    public:
        explicit start_awaiter(Child& child) noexcept : child_(&child) {}
        start_awaiter(const start_awaiter&) = delete;
        start_awaiter& operator=(const start_awaiter&) = delete;
        ~start_awaiter() { child_->start_.forget_waiter(); }

        bool await_ready() { return child_->runs() || child_->start_.await_ready(); }
        void await_suspend(std::coroutine_handle<> handle) const noexcept { child_->start_.await_suspend(handle); }
        void await_resume() const {
            if (!child_->runs()) child_->set_up();
        }

    private:
        Child* child_;
    };

    [[nodiscard]] bool runs() const noexcept { return process_.has_value(); }
    [[nodiscard]] process_state& state() const { return process_->state(); }
    [[nodiscard]] const run_rules& rules() const noexcept { return start_.what.rules(); }
    [[nodiscard]] command& what() noexcept { return start_.what; }
    [[nodiscard]] const async_process& process() const noexcept { return *process_; }
    [[nodiscard]] time_limit limit() const {
        return {rules().timeout, deadline_after(rules().timeout, state().started_at())};
    }

    /// Whatever `f` throws is the last thing that is told, be it found at once or waited for. But after a line that is
    /// too long the next one may be all right.
    template <class F>
    auto final_if_thrown(F f) {
        try {
            return f();
        } catch (const line_too_long&) {
            throw;
        } catch (...) {
            over_ = true;
            throw;
        }
    }

    bool over_ = false; // there is nothing more to tell

    // ---- bounds ----

    /// The time of the whole run is over and it has not ended.
    [[nodiscard]] bool is_late() const {
        if (rules().timeout == run_rules::duration::max()) return false;
        return platform::clock::now() >= limit().until && !state().poll();
    }
    /// Somebody begins to wait. Only from then on is silence the child's: before, nobody listened.
    void begin_to_wait() {
        if (rules().idle_timeout != run_rules::duration::max()) listens_since_ = platform::clock::now();
        has_waited_ = false;
    }
    [[nodiscard]] bool is_silent() const {
        return rules().idle_timeout != run_rules::duration::max() && platform::clock::now() >= silent_until() &&
               !state().poll();
    }
    /// It has ended, others hold its pipes still, and they have had their time; but what is there already comes first.
    [[nodiscard]] bool is_drained() {
        if (!state().is_over()) return false;
        if (!drained_by_) drained_by_ = deadline_after(rules().drain);
        return has_waited_ && platform::clock::now() >= *drained_by_;
    }
    /// How long to wait at the most, for what only time will tell.
    [[nodiscard]] time_point wake_up() {
        has_waited_ = true;
        if (state().is_over()) return drained_by_ ? *drained_by_ : time_point::max();
        if (rules().idle_timeout == run_rules::duration::max()) return limit().until;
        return std::min(limit().until, silent_until());
    }

private:
    [[nodiscard]] time_point silent_until() const {
        return deadline_after(rules().idle_timeout, std::max(listens_since_, state().group.quiet_since()));
    }
    void limit_lines() {
        if (process_->has_out()) process_->out().line_limit(line_limit_, long_line_);
        if (process_->has_err()) process_->err().line_limit(line_limit_, long_line_);
    }
    void set_up() {
        process_.emplace(start_.await_resume());
        process_->close_inputs(); // nobody here writes to it
        limit_lines();
        if (rules().idle_timeout != run_rules::duration::max()) state().group.watch_silence();
        is_set_up();
    }
    virtual void is_set_up() {}

    child_start start_;
    std::optional<async_process> process_; // once it runs
    std::size_t line_limit_ = stream_reader::default_line_limit;
    long_line long_line_ = long_line::fail;
    time_point listens_since_{};
    std::optional<time_point> drained_by_;
    bool has_waited_ = false; // since begin_to_wait
};

} // namespace coproc::detail
