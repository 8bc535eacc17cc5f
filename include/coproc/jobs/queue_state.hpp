#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// queue_state: what goes on behind a command_queue.
//
//     fresh ── nothing to come after ──> ready, a heap ── a slot ──> running ──┐
//       └── waits for what it comes after ──┘                                  │
//     handed out <── finished <── told to on_progress <── ended <──────────────┘
//
// The jobs are coroutines that only take note of what happens. Whatever calls the user's code, starts a job or resumes
// somebody happens in `on_event`, straight from the loop, where no job is on the stack: there all of them may be
// destroyed.

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <csignal>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/intrusive_list.hpp"
#include "../core/scope_guard.hpp"
#include "../coro/task.hpp"
#include "../loop/event_loop.hpp"
#include "../loop/task_group.hpp"
#include "../process/async_process.hpp"
#include "../process/command.hpp"
#include "../process/process_error.hpp"
#include "../process/start.hpp"
#include "execute.hpp"
#include "job_node.hpp"
#include "job_result.hpp"
#include "job_slots.hpp"
#include "progress.hpp"

namespace coproc {

enum class failure : unsigned char {
    go_on, ///< run all, judge later
    stop,  ///< as by `command_queue::stop`
};

namespace detail {

class progress_function {
public:
    progress_function() noexcept = default;
    progress_function(const progress_function&) = delete;
    progress_function& operator=(const progress_function&) = delete;
    virtual ~progress_function() = default;
    virtual void call(const queue_progress& now) = 0;
};

template <class F>
[[nodiscard]] std::shared_ptr<progress_function> make_progress_function(F f) {
    struct holder final : progress_function {
        explicit holder(F g) : function(std::move(g)) {}
        void call(const queue_progress& now) override { static_cast<void>(function(now)); }
        F function;
    };
    return std::make_shared<holder>(std::move(f));
}

/// A template, as whoever makes one or awaits it: see coro/task.hpp.
template <class>
class basic_queue_state final : public std::enable_shared_from_this<queue_state>, event_target, loop_resident {
public:
    explicit basic_queue_state(std::size_t most) noexcept : most_(most) {}
    basic_queue_state(const basic_queue_state&) = delete;
    basic_queue_state& operator=(const basic_queue_state&) = delete;
    ~basic_queue_state() {
        while (!order_.empty()) static_cast<void>(hand_out(*order_.front().job));
    }

    // ---- what is to be done ----

    std::shared_ptr<job_node> queue(command c) {
        decide_stdin(c, {});
        auto node = std::make_shared<job_node>(std::move(c));
        if (ready_.capacity() <= unfinished_) ready_.reserve(2 * unfinished_ + 16); // so that it cannot fail later
        node->queue = this->weak_from_this();
        node->number = next_number_++;
        node->self = node;
        order_.push_back(node->in_order);
        fresh_.push_back(*node);
        if (unfinished_++ == 0) begin_round();
        ++total_;
        look();
        return node;
    }

    void come_after(job_node& later, job_node& earlier) {
        if (earlier.state == job_state::succeeded) return;
        if (earlier.is_over()) {
            later.bad_omen = earlier.title();
        } else {
            if (leads_to(later, earlier, ++search_round_)) refuse_cycle(later, earlier);
            earlier.dependents.push_back(later.self);
            ++later.conditions;
        }
        leave_ready(later);
        if (!later.linked()) fresh_.push_back(later);
        look();
    }

    void on_failure(coproc::failure what) noexcept { on_failure_ = what; }
    void on_progress(std::shared_ptr<progress_function> f) noexcept { progress_ = std::move(f); }
    void slots_from(job_slots* from) noexcept { slots_ = from; }

    // ---- its life ----

    /// From now on it goes on by itself, in the loop that is current. Throws usage_error.
    void begin() {
        event_loop& here = event_loop::current();
        if (loop_ != &here) {
            if (active_) throw usage_error("this command_queue runs in another event_loop");
            loop_resident::unlink();
            event_target::unlink();
            loop_ = &here;
            here.adopt(*this);
        }
        if (is_over() || std::exchange(active_, true)) return;
        look();
    }

    /// What waits is skipped, what runs is stopped, and keeps its result.
    void stop(std::string_view why) noexcept {
        if (unfinished_ == 0) return;
        stopping_ = true;
        skip_waiting(why);
        order_.for_each([](job_node::place& at) {
            if (at.job->state == job_state::running) tell_to_stop(*at.job);
        });
        look();
    }

    /// Nothing of it goes on.
    void cancel(std::string_view why) noexcept {
        end_those(job_state::waiting, job_state::cancelled, why); // before they are skipped for what they come after
        cancel_running(why);
        look();
    }

    /// The queue itself is gone; others may still wait for results.
    void close() noexcept {
        progress_ = nullptr;
        cancel("the queue was destroyed");
        slots_ = nullptr;
    }

    // ---- what comes of it ----

    [[nodiscard]] std::size_t unfinished() const noexcept { return unfinished_; }
    /// Nothing is left to be run or to be told.
    [[nodiscard]] bool is_over() const noexcept { return unfinished_ == 0 && round_told_; }
    [[nodiscard]] bool has_finished() const noexcept { return !finished_.empty(); }
    /// One of those that have.
    [[nodiscard]] job_result take_one() noexcept { return hand_out(finished_.front()); }
    /// As they were queued. Once it is over.
    [[nodiscard]] job_results take_all() {
        std::size_t count = 0;
        order_.for_each([&](job_node::place&) { ++count; });
        job_results all;
        all.reserve(count); // what fails, fails before the first one is taken
        while (!order_.empty()) all.push_back(hand_out(*order_.front().job));
        return all;
    }
    /// What on_progress threw.
    void throw_failure() {
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    }

    /// Completes when there may be something new.
    class news final : waiter {
    public:
        explicit news(intrusive_list<waiter>& list) noexcept : list_(&list) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> handle) noexcept {
            coroutine = handle;
            list_->push_back(*this);
        }
        void await_resume() const noexcept {}

    private:
        intrusive_list<waiter>* list_;
    };
    [[nodiscard]] news one_finished() noexcept { return news(for_one_); }
    [[nodiscard]] news all_finished() noexcept { return news(for_all_); }

private:
    // ---- running a job ----

    // Takes note of its own end.
    task<> run_job(job_node& j, job_slot slot) {
        for (job_node::duration pause = j.pause;; pause = doubled(pause)) {
            ++j.attempts;
            changed_ = true;
            running_.push_back(j.among_running);
            static_cast<result&>(j.outcome) = result();
            j.outcome.state = job_state::not_started;
            std::exception_ptr error;
            try {
                co_await attempt(j);
            } catch (...) {
                error = std::current_exception();
            }
            judge(j, error);
            j.among_running.unlink();
            if (j.outcome || !j.may_try_again()) break;
            if (!j.linked()) ended_.push_back(j); // to be told
            look();
            try {
                job_pause until_next(*loop_, j, pause);
                co_await until_next;
            } catch (...) { // No memory for the timer: then without a pause.
            }
            if (j.stop_told) break;
            look(); // it runs again: to be told
        }
        slot.give_back();
        --occupied_;
        end(j, j.outcome.state, {});
        look();
    }

    // What it throws is the end of this attempt.
    task<> attempt(job_node& j) {
        async_process child = co_await start(*j.what, *loop_);
        j.outcome.state = job_state::failed;

        close_numbered_inputs(child);

        child_in_hand hand(j, child);
        if (j.stop_told) send_home(j);
        std::exception_ptr error;
        bool has_ended = true;
        try {
            result r = co_await child.communicate();
            static_cast<result&>(j.outcome) = std::move(r);
        } catch (const process_error&) {
            error = std::current_exception();
        } catch (...) {
            error = std::current_exception();
            has_ended = false;
        }
        if (!has_ended) { // It cannot be talked to any more.
            j.outcome.status = co_await child.stop();
            j.outcome.elapsed = child.elapsed();
            j.outcome.accepted = j.what->rules().accepted;
            if (const auto used = child.usage()) j.outcome.usage = *used;
        }
        if (j.stopped) co_await hand.stops.join();
        j.outcome.survivors = child.survivors();
        if (error) std::rethrow_exception(error);
    }

    static void judge(job_node& j, const std::exception_ptr& error) noexcept {
        job_result& r = j.outcome;
        try {
            r.reason.clear();
            r.error = error;
            if (error) explain(r);
            else if (!j.stopped && r.accepted.accepts(r.status)) r.state = job_state::succeeded;
            else r.reason = r.status.to_string();
            r.command_line = j.command_line;
            if (!j.stopped) return;
            r.stopped = true;
            r.killed = r.status.signal() == SIGKILL;
            r.reason.insert(0, "stopped, ");
        } catch (const std::bad_alloc&) { // Then with fewer words.
        }
    }
    static void explain(job_result& r) {
        try {
            std::rethrow_exception(r.error);
        } catch (const process_error& e) {
            static_cast<result&>(r) = e.result();
            r.reason = concat({e.code().message(), ", ", r.status.to_string()});
        } catch (const std::exception& e) {
            r.reason = e.what();
        } catch (...) {
            r.reason = "an exception of unknown type";
        }
    }

    static void tell_to_stop(job_node& j) noexcept {
        if (std::exchange(j.stop_told, true)) return;
        if (j.in_hand != nullptr) send_home(j);
        if (j.pausing != nullptr) j.pausing->cut_short();
    }
    static void send_home(job_node& j) noexcept {
        async_process& child = j.in_hand->child;
        if (!child.running()) return;
        j.stopped = true;
        try {
            j.in_hand->stops.start(child.stop());
        } catch (const std::bad_alloc&) {
            child.kill();
        }
    }

    static job_node::duration doubled(job_node::duration pause) noexcept {
        return pause > job_node::duration::max() / 2 ? job_node::duration::max() : 2 * pause;
    }

    // ---- the end of a job, and what it means for others ----

    void end(job_node& first, job_state how, std::string_view why) noexcept {
        conclude(first, how, why);
        const bool is_failure = how == job_state::failed || how == job_state::not_started;
        if (is_failure && on_failure_ == coproc::failure::stop && !first_failed_) first_failed_ = first.self;
        intrusive_list<job_node> open;
        open.push_back(first);
        while (!open.empty()) {
            job_node& j = open.pop_front();
            ended_.push_back(j);
            --unfinished_;
            for (const std::shared_ptr<job_node>& d : std::exchange(j.dependents, {})) {
                if (d->is_over()) continue;
                if (j.state == job_state::succeeded) {
                    if (--d->conditions == 0 && !d->linked()) enter_ready(*d);
                } else {
                    conclude(*d, job_state::skipped, {});
                    say_since(*d, j.title());
                    open.push_back(*d);
                }
            }
        }
    }
    // Its result is as it will be handed out.
    void conclude(job_node& j, job_state how, std::string_view why) noexcept {
        j.unlink();
        j.among_running.unlink();
        leave_ready(j);
        j.state = j.outcome.state = how;
        j.outcome.attempts = j.attempts;
        try {
            j.outcome.name = j.title();
            if (j.outcome.command_line.empty()) j.outcome.command_line = j.command_line;
            if (!why.empty()) j.outcome.reason = why;
        } catch (const std::bad_alloc&) { // Then with fewer words.
        }
        j.what.reset();
    }
    static void say_since(job_node& j, std::string_view title) noexcept {
        try {
            j.outcome.reason = concat({"skipped, since ", in_quotes(title), " did not succeed"});
        } catch (const std::bad_alloc&) { // Then without a word.
        }
    }

    void skip_waiting(std::string_view why) noexcept { end_those(job_state::waiting, job_state::skipped, why); }
    void cancel_running(std::string_view why) noexcept {
        waits_for_slot_ = false;
        taking_.cancel();
        jobs_.cancel();
        spare_.give_back();
        occupied_ = 0;
        end_those(job_state::running, job_state::cancelled, why);
    }
    // With one and the same reason for those that come after them.
    void end_those(job_state that_are, job_state how, std::string_view why) noexcept {
        if (that_are == job_state::waiting) {
            order_.for_each([](job_node::place& at) { at.job->dependents.clear(); });
            for (job_node* const j : ready_) j->in_ready = false;
            ready_.clear();
        }
        order_.for_each([&](job_node::place& at) {
            if (at.job->state == that_are) end(*at.job, how, why);
        });
    }

    job_result hand_out(job_node& j) noexcept {
        const std::shared_ptr<job_node> last = std::move(j.self);
        j.unlink();
        j.in_order.unlink();
        j.dependents.clear();
        return std::move(j.outcome);
    }

    // ---- ready jobs: those queued first are first ----

    struct queued_later {
        bool operator()(const job_node* a, const job_node* b) const noexcept { return a->number > b->number; }
    };
    void enter_ready(job_node& j) noexcept {
        if (std::exchange(j.in_ready, true)) return;
        ready_.push_back(&j); // there is room: see queue()
        std::push_heap(ready_.begin(), ready_.end(), queued_later());
    }
    job_node& take_ready() noexcept {
        std::pop_heap(ready_.begin(), ready_.end(), queued_later());
        job_node& first = *ready_.back();
        ready_.pop_back();
        first.in_ready = false;
        return first;
    }
    void leave_ready(job_node& j) noexcept {
        if (!std::exchange(j.in_ready, false)) return;
        ready_.erase(std::find(ready_.begin(), ready_.end(), &j));
        std::make_heap(ready_.begin(), ready_.end(), queued_later());
    }

    // ---- from the loop ----

    void look() noexcept {
        changed_ = true;
        if (active_) loop_->again(*this);
    }

    void on_event(platform::readiness) noexcept override {
        const std::shared_ptr<queue_state> me = this->shared_from_this(); // whoever is called may destroy the queue
        if (first_failed_ && !stopping_) stop_after(*first_failed_);
        sort_fresh();
        start_ready();
        tell_all();
        if (unfinished_ == 0 && ended_.empty()) end_round();
        wake();
    }

    void sort_fresh() noexcept {
        while (!fresh_.empty()) {
            job_node& j = fresh_.pop_front();
            if (stopping_) {
                end(j, job_state::skipped, "the queue was stopped");
            } else if (!j.bad_omen.empty()) {
                end(j, job_state::skipped, "what it comes after did not succeed");
                say_since(j, j.bad_omen);
            } else if (j.conditions == 0) {
                enter_ready(j);
            }
        }
    }

    // A turn is not for starting alone: what it does not get done is left for the next one.
    void start_ready() noexcept {
        const platform::clock::time_point begin = platform::clock::now();
        while (!ready_.empty() && occupied_ < most_ && may_start()) {
            start_one(take_ready());
            if (first_failed_ && !stopping_) return look(); // the rest is not to begin
            if (platform::clock::now() - begin > std::chrono::milliseconds(1)) return look();
        }
        if (!ready_.empty() && occupied_ < most_) return;
        spare_.give_back();
        taking_.cancel();
        waits_for_slot_ = false;
    }
    // There is a slot in `spare_`, if it needs one.
    bool may_start() noexcept {
        if (slots_ == nullptr || spare_) return true;
        if (!waits_for_slot_) spare_ = slots_->try_take();
        if (spare_ || waits_for_slot_) return static_cast<bool>(spare_);
        waits_for_slot_ = true;
        try {
            taking_.start(take_slot());
        } catch (const std::bad_alloc& e) {
            waits_for_slot_ = false;
            skip_waiting(e.what());
        }
        return static_cast<bool>(spare_);
    }
    task<> take_slot() {
        try {
            spare_ = co_await slots_->take();
        } catch (const std::exception& e) {
            skip_waiting(e.what());
        } catch (...) {
            skip_waiting("an exception of unknown type");
        }
        waits_for_slot_ = false;
        look();
    }

    void start_one(job_node& j) noexcept {
        if (!first_start_) first_start_ = platform::clock::now();
        j.state = job_state::running;
        ++occupied_;
        try {
            jobs_.start(run_job(j, std::move(spare_)));
        } catch (const std::bad_alloc&) { // before the first line of it
            j.outcome.state = job_state::not_started;
            judge(j, std::current_exception());
            --occupied_;
            end(j, job_state::not_started, {});
        }
    }

    void tell_all() noexcept {
        if (ended_.empty() && std::exchange(changed_, false)) tell(nullptr, false);
        while (!ended_.empty()) {
            job_node& j = ended_.pop_front();
            changed_ = false;
            if (!j.is_over()) {
                tell_ending(j, true);
                continue;
            }
            finished_.push_back(j);
            ++done_;
            if (!j.outcome) ++failed_;
            tell_ending(j, false);
        }
    }
    void stop_after(const job_node& j) noexcept {
        try {
            stop(concat({"skipped, since ", in_quotes(j.title()), " did not succeed"}));
        } catch (const std::bad_alloc&) {
            stop("the queue was stopped");
        }
    }
    void tell_ending(const job_node& j, bool again) noexcept {
        if (progress_ == nullptr) return;
        const std::shared_ptr<const job_node> kept = j.self;
        const job_result& r = j.outcome;
        job_ending ending;
        ending.name = j.title();
        ending.succeeded = static_cast<bool>(r);
        ending.status = r.status;
        const bool status_says_it = r.state == job_state::failed && !r.error && !r.stopped;
        if (!status_says_it) ending.reason = r.reason;
        ending.elapsed = r.elapsed;
        ending.again = again;
        tell(&ending, false);
    }
    void tell(const job_ending* last, bool finished) noexcept {
        const std::shared_ptr<progress_function> f = progress_;
        if (f == nullptr) return;
        try {
            names_.clear();
            running_.for_each([this](job_node::place& at) { names_.push_back(at.job->title()); });
            queue_progress now;
            now.total = total_;
            now.done = done_;
            now.failed = failed_;
            now.running = names_.size();
            now.waiting = total_ - done_ - names_.size();
            if (first_start_) now.elapsed = platform::clock::now() - *first_start_;
            now.names = names_;
            now.last = last;
            now.finished = finished;
            f->call(now);
        } catch (...) {
            failure_ = std::current_exception();
            progress_ = nullptr;
        }
    }

    void begin_round() noexcept {
        if (!active_) { // what was stopped before it ran is over
            stopping_ = false;
            first_failed_ = nullptr;
        }
        if (!std::exchange(round_told_, false)) return;
        total_ = done_ = failed_ = 0;
        first_start_.reset();
    }
    void end_round() noexcept {
        if (!std::exchange(round_told_, true)) {
            stopping_ = false;
            first_failed_ = nullptr;
            tell(nullptr, true);
        }
        active_ = !is_over(); // more may have been queued by that
    }

    void wake() noexcept {
        if (has_finished() || is_over() || failure_) schedule_all(for_one_);
        if (is_over() || failure_) schedule_all(for_all_);
    }
    void schedule_all(intrusive_list<waiter>& list) const noexcept {
        while (!list.empty()) loop_->schedule(list.pop_front());
    }

    // Nothing can be run without it. What waits does so for another one.
    void on_loop_end() noexcept override {
        event_target::unlink();
        cancel_running("the event_loop has ended");
        active_ = false;
        loop_ = nullptr;
    }

    const std::size_t most_;
    coproc::failure on_failure_ = coproc::failure::go_on;
    std::shared_ptr<progress_function> progress_;
    std::shared_ptr<job_node> first_failed_; // after which the rest is to be stopped
    job_slots* slots_ = nullptr;

    event_loop* loop_ = nullptr;
    bool active_ = false; // it goes on by itself
    bool stopping_ = false;
    bool changed_ = false;   // since that was told
    bool round_told_ = true; // that all is over
    bool waits_for_slot_ = false;

    intrusive_list<job_node::place> order_;   // those not handed out
    intrusive_list<job_node> fresh_;          // those to be looked at
    std::vector<job_node*> ready_;            // a heap
    intrusive_list<job_node::place> running_; // those with a child
    intrusive_list<job_node> ended_;          // those whose end, or one of whose attempts', has not been told
    intrusive_list<job_node> finished_;       // those told, which may be handed out
    std::size_t unfinished_ = 0;
    std::size_t occupied_ = 0; // slots
    std::size_t next_number_ = 0;
    std::size_t search_round_ = 0;

    std::size_t total_ = 0, done_ = 0, failed_ = 0;
    std::optional<platform::clock::time_point> first_start_;
    std::vector<std::string_view> names_;
    std::exception_ptr failure_;

    intrusive_list<waiter> for_one_;
    intrusive_list<waiter> for_all_;
    job_slot spare_;
    task_group taking_; // the one coroutine that waits for a slot
    task_group jobs_;
};

/// Destroyed while it waits, it cancels.
template <class Queue>
task<job_results> execute_all(std::shared_ptr<Queue> q) {
    q->begin();
    scope_exit given_up([&q] { q->cancel("execute_all was cancelled"); });
    for (;;) {
        q->throw_failure();
        if (q->is_over()) break;
        co_await q->all_finished();
    }
    given_up.release();
    co_return q->take_all();
}

template <class Queue>
task<std::optional<job_result>> next_result(std::shared_ptr<Queue> q) {
    q->begin();
    for (;;) {
        q->throw_failure();
        if (q->has_finished()) co_return q->take_one();
        if (q->is_over()) co_return std::nullopt;
        co_await q->one_finished();
    }
}

} // namespace detail
} // namespace coproc
