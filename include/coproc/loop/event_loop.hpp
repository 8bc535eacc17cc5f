#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// event_loop: the wheel that resumes coroutines when the kernel has news for them.
//
// One turn:
//
//     kernel queue ── wait ──> events ── translate the whole batch ──┐
//     timers that are due ───────────────────────────────────────────┼──> ready list ── resume each, once
//     functions posted from other threads, called here ──────────────┘
//
// Nothing is resumed while a batch is translated, so no event of it can find its target gone: a coroutine that is
// resumed may destroy any other, and what is destroyed has left the ready list.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/block_pool.hpp"
#include "../core/error.hpp"
#include "../core/intrusive_list.hpp"
#include "../coro/branch.hpp"
#include "../platform/fork_count.hpp"
#include "../platform/platform.hpp"
#include "timers.hpp"

namespace coproc {

/// A parked coroutine: in the list it waits in, or in the ready list of its loop. Destroying it cancels: it is not
/// resumed.
struct waiter : list_node {
    std::coroutine_handle<> coroutine;
};

/// A coroutine that waits for a child to leave our memory.
struct launch_waiter : waiter {
    const platform::launch* launch = nullptr;
};

/// Whoever is told about a descriptor or about a child's exit.
class event_target : public list_node {
public:
    /// Takes note, and schedules whoever waited; must not resume anybody. Nothing is ready when it comes from `again`.
    virtual void on_event(platform::readiness what) noexcept = 0;

protected:
    ~event_target() = default;
};

/// Something that must not outlive the loop it was left to, such as a child whose owner is gone.
class loop_resident : public list_node {
public:
    /// The loop ends. The resident has been taken off its list and may destroy itself.
    virtual void on_loop_end() noexcept = 0;

protected:
    ~loop_resident() = default;
};

class process_observer;

/// A process_observer, of which a loop need not know more than where it is.
class loop_observer : public list_node {
    friend class process_observer;
    loop_observer() noexcept = default;
    ~loop_observer() = default;
};

/// One thread's loop: made, used and destroyed on one thread; any number of them on any number of threads. Installs no
/// signal handler and starts no thread. Only `post` and `stop` may be called from elsewhere.
class event_loop {
public:
    /// Monotonic. Deadlines are points of it.
    using clock = platform::clock;

    /// Becomes `current()` on this thread. Throws std::system_error: EMFILE, ENFILE, ENOMEM.
    event_loop() : below_(std::exchange(here().newest, this)) {}
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;
    /// Kills and reaps the children that were left to it; that waits for one which a debugger holds. Whatever waits on
    /// it must be gone before.
    ~event_loop() {
        while (!residents_.empty()) residents_.pop_front().on_loop_end();
        for (collect_posted(); due_ != nullptr; collect_posted())
            take_due(); // what they hold may post in its destructor
        leave_thread();
    }

    /// The loop that is in a turn on this thread, or else the one made last of those that live. Throws usage_error if
    /// there is none.
    [[nodiscard]] static event_loop& current() {
        if (event_loop* const loop = try_current()) return *loop;
        throw usage_error("no event_loop on this thread: call coproc::run(), or make an event_loop first");
    }
    /// The same, or null.
    [[nodiscard]] static event_loop* try_current() noexcept {
        const loops_of_thread& loops = here();
        return loops.turning != nullptr ? loops.turning : loops.newest;
    }

    /// Turns until `stop()`.
    void run() {
        require_turn_possible();
        const exact_handle at_the_end(*this);
        while (!stopping_.exchange(false, std::memory_order_acquire)) turn(true);
    }

    /// Turns until `what` has completed; yields what it yields and throws what it throws. Not from within a turn: await
    /// there instead. `stop()` does not end it.
    template <awaitable A>
    await_result_t<A> run(A what) {
        auto root = detail::make_branch(std::move(what));
        root_ended end;
        require_turn_possible();
        const exact_handle at_the_end(*this);
        {
            const turn_scope scope(*this);
            root.start(end, 0);
        }
        while (!end.ended) turn(true);
        return root.take();
    }

    /// One turn, which waits for something to do for `timeout` at the most. A signal handler's return ends it, too, and
    /// while a child is being started (`start`) it is short.
    template <class Rep, class Period>
    void run_once(std::chrono::duration<Rep, Period> timeout) {
        require_turn_possible();
        const exact_handle at_the_end(*this);
        const platform::clock::duration longest = to_clock_duration(timeout);
        if (longest <= platform::clock::duration::zero()) return turn(false);
        alarm_clock bell(*this, longest);
        turn(true);
    }

    /// Does what can be done without waiting; what that makes possible is left for the next turn.
    void poll() {
        require_turn_possible();
        const exact_handle at_the_end(*this);
        turn(false);
    }

    /// Has `f()` called in the loop's thread, in a later turn. From any thread. What `f` throws comes out of that turn.
    template <class F>
    void post(F f) {
        struct call final : posted {
            explicit call(F g) : f(std::move(g)) {}
            void run() override { f(); }
            F f;
        };
        posted* const one = new call(std::move(f));
        posted* before = posted_.load(std::memory_order_relaxed);
        do {
            one->next = before;
        } while (!posted_.compare_exchange_weak(before, one, std::memory_order_release, std::memory_order_relaxed));
        if (before == nullptr) backend_.wake(); // else whoever posted that has rung the bell already
    }

    /// Makes `run()` return after the turn it is in; if it is not running, the next one returns at once. From any
    /// thread.
    void stop() noexcept {
        stopping_.store(true, std::memory_order_release);
        backend_.wake();
    }

    /// A descriptor that polls readable exactly when `poll()` has something to do, timers included: so a loop can live
    /// inside another. One `poll()` may leave it readable, so a host that is told of changes only must look again after
    /// each. It belongs to the loop: only poll it, and not any more when the loop is gone.
    [[nodiscard]] int native_handle() const noexcept { return backend_.native_handle(); }

    /// True while this loop is in a turn, that is, while it runs a coroutine or a posted function.
    [[nodiscard]] bool in_turn() const noexcept { return in_turn_; }

    // What awaitables are made of.

    /// Resumes it in the next turn; takes it from the list it waits in.
    void schedule(waiter& w) noexcept {
        w.unlink();
        ready_.push_back(w);
        if (!in_turn_) nudge();
    }

    /// `t.on_timer()` once `when` has passed. Throws std::bad_alloc.
    void add(timer& t, platform::clock::time_point when) {
        timers_.add(t, when);
        if (!in_turn_) sync_alarm_exactly();
    }
    void remove(timer& t) noexcept {
        if (!t.pending()) return;
        timers_.remove(t);
        if (!in_turn_) sync_alarm_exactly();
    }

    /// Names a registration in the kernel. Zero is none.
    using registration = std::uint64_t;

    /// Tells `target` what happens on `fd`, until `unwatch`. Throws std::bad_alloc; an error registers nothing.
    [[nodiscard]] std::error_code watch(int fd, platform::interest what, event_target& target, registration& made) {
        return enrol(target, made, [&](std::uint64_t tag) { return backend_.watch(fd, what, tag); });
    }
    /// Before the descriptor is closed. `made` must be a registration, and is none afterwards.
    [[gnu::noinline]] void unwatch(int fd, platform::interest what, registration& made) noexcept {
        if (!in_a_fork()) backend_.unwatch(fd, what);
        forget(made);
    }

    [[nodiscard]] std::error_code watch_exit(const platform::child& child, event_target& target, registration& made) {
        const std::error_code error =
            enrol(target, made, [&](std::uint64_t tag) { return backend_.watch_exit(child, tag); });
        if (!in_turn_) settle();
        return error;
    }
    void unwatch_exit(const platform::child& child, registration& made) noexcept {
        if (!in_a_fork()) backend_.unwatch_exit(child);
        forget(made);
    }

    /// Calls `target.on_event` in the next turn, for work that must not hold up everybody else any longer in this one.
    void again(event_target& target) noexcept {
        target.unlink();
        again_.push_back(target);
        if (!in_turn_) nudge();
    }
    /// Changes with every turn.
    [[nodiscard]] std::uint64_t turn_number() const noexcept { return turn_number_; }

    /// Resumes it once its child has left. No event tells of that, so every turn looks, and meanwhile the loop sleeps
    /// only on the first of them, for a moment at a time.
    void schedule_when_left(launch_waiter& w) noexcept {
        launching_.push_back(w);
        if (!in_turn_) sync_alarm_exactly();
    }
    /// Where children live until they have left.
    [[nodiscard]] platform::launch_slots& launch_slots() noexcept { return launch_slots_; }

    /// Of this process, for the children that are made here.
    [[nodiscard]] platform::dispositions& dispositions() noexcept { return dispositions_; }

    /// Memory for its streams and their bytes.
    [[nodiscard]] const shared_block_pool& blocks() const noexcept { return blocks_; }

    /// Has it told when the loop ends, unless it is destroyed before. The newest is told first: of two children the one
    /// that reads what the other writes is most often the later one, and must not take the end of that one for the end
    /// of all there is.
    void adopt(loop_resident& resident) noexcept { residents_.push_front(resident); }

    /// Has it told of the children that are started here. (In process/observer.hpp.)
    void observe(loop_observer& observer) noexcept {
        observer.unlink();
        observers_.push_back(observer);
    }
    /// Whether there is anybody to be told: an observer, or whoever has set COPROC_TRACE.
    [[nodiscard]] bool observed() const noexcept { return traced_ || !observers_.empty(); }
    [[nodiscard]] bool traced() const noexcept { return traced_; }
    /// `f` may end any of them.
    template <class F>
    void for_each_observer(F f) {
        intrusive_list<loop_observer> rest;
        rest.take(observers_);
        while (!rest.empty()) {
            loop_observer& next = rest.pop_front();
            observers_.push_back(next);
            f(next);
        }
    }

private:
    struct posted {
        virtual ~posted() = default;
        virtual void run() = 0;
        posted* next = nullptr;
    };

    // Ends a wait.
    class alarm_clock final : public timer {
    public:
        alarm_clock(event_loop& loop, platform::clock::duration after) : loop_(loop) {
            loop_.timers_.add(*this, deadline_after(after));
        }
        alarm_clock(const alarm_clock&) = delete;
        alarm_clock& operator=(const alarm_clock&) = delete;
        ~alarm_clock() { loop_.timers_.remove(*this); }
        void on_timer() noexcept override {}

    private:
        event_loop& loop_;
    };

    // A registration's tag is a place in `targets_` and the number of times the place had been given up: an event that
    // was under way when its target left finds that number changed, and nobody.
    struct place {
        event_target* target = nullptr;
        std::uint32_t generation = 1; // never 0, so that no tag is 0
        std::uint32_t next_vacant = no_place;
    };
    static constexpr std::uint32_t no_place = ~std::uint32_t{0};

    struct root_ended final : detail::branch_owner {
        std::coroutine_handle<> branch_ended(std::size_t) noexcept override {
            ended = true;
            return std::noop_coroutine();
        }
        bool ended = false;
    };

    struct loops_of_thread {
        event_loop* newest = nullptr;  // made last, linked to those before it by below_
        event_loop* turning = nullptr; // the innermost that is in a turn
    };
    static loops_of_thread& here() noexcept {
        static thread_local loops_of_thread loops;
        return loops;
    }

    // Before anything of the loop is touched: on a wrong thread even looking would be a race.
    void require_turn_possible() const {
        if (!belongs_here()) throw usage_error("an event_loop can only be run on the thread that made it");
        if (in_turn_) throw usage_error("the event_loop is in a turn already: await instead of running it again");
        if (in_a_fork()) throw usage_error("an event_loop cannot be run in a fork of its process: make another one");
    }

    // The kernel's queue, bell and alarm are shared with the process that made this loop, which must not feel it when
    // a fork of it destroys what it has inherited.
    [[nodiscard]] bool in_a_fork() const noexcept { return platform::fork_count() != made_after_forks_; }

    // This loop is `current()`, and cannot be run again from here.
    class turn_scope {
    public:
        explicit turn_scope(event_loop& loop) noexcept : loop_(loop) {
            loop.in_turn_ = true;
            outer_ = std::exchange(here().turning, &loop);
        }
        turn_scope(const turn_scope&) = delete;
        turn_scope& operator=(const turn_scope&) = delete;
        ~turn_scope() {
            loop_.in_turn_ = false;
            here().turning = outer_;
        }

    private:
        event_loop& loop_;
        event_loop* outer_;
    };

    // When the loop is left, also by an exception, its handle tells what is to be done: all that is watched is
    // registered, the alarm rings for the earliest timer and for no other, and what is ready rings at once. Inside,
    // only the first timer matters.
    class exact_handle {
    public:
        explicit exact_handle(event_loop& loop) noexcept : loop_(loop) {}
        exact_handle(const exact_handle&) = delete;
        exact_handle& operator=(const exact_handle&) = delete;
        ~exact_handle() {
            loop_.settle();
            loop_.sync_alarm_exactly();
            if (!loop_.nothing_ready()) loop_.nudge();
        }

    private:
        event_loop& loop_;
    };

    void turn(bool may_block) {
        const turn_scope scope(*this);
        ++turn_number_;
        nudged_ = false;
        if (timers_.earliest() < armed_) set_alarm(timers_.earliest());
        look_at_launches();
        const bool may_sleep = may_block && is_idle();
        const bool alarm_rang =
            backend_.wait(may_sleep && launching_.empty(), [this](std::uint64_t tag, platform::readiness what) {
                if (event_target* const target = target_of(tag)) target->on_event(what);
            });
        if (alarm_rang) armed_ = platform::clock::time_point::max(); // it may be a little early, and rings only once
        else if (may_sleep && !launching_.empty() && is_idle()) sleep_on_launch();
        call_again();
        ring_due_timers();
        call_posted();
        resume_ready();
    }

    void look_at_launches() noexcept {
        if (launching_.empty()) return;
        intrusive_list<launch_waiter> all;
        all.take(launching_);
        while (!all.empty()) {
            launch_waiter& w = all.pop_front();
            if (w.launch->has_left()) ready_.push_back(w);
            else launching_.push_back(w);
        }
    }
    // The child wakes us. The kernel's queue is not heard meanwhile, so not for long; but a timer that would ring
    // before the next tick of the system (4 ms) has to be set in the hardware, which took as long on a virtual machine
    // as the whole start: 54 us.
    void sleep_on_launch() noexcept {
        const platform::clock::time_point next = timers_.earliest();
        const platform::clock::duration until_then =
            next == platform::clock::time_point::max() ? longest_sleep : next - platform::clock::now();
        launching_.front().launch->sleep(std::min(until_then, longest_sleep));
        look_at_launches();
    }

    [[nodiscard]] bool is_idle() const noexcept {
        return nothing_ready() && posted_.load(std::memory_order_acquire) == nullptr;
    }
    [[nodiscard]] bool nothing_ready() const noexcept {
        return ready_.empty() && resuming_.empty() && again_.empty() && due_ == nullptr;
    }

    // Null: whoever it was has left.
    [[nodiscard]] event_target* target_of(std::uint64_t tag) const noexcept {
        const place& p = targets_[static_cast<std::uint32_t>(tag)];
        return p.generation == tag >> 32 ? p.target : nullptr;
    }
    // Outside a turn nobody is told anything: not even who is just being destroyed.
    [[gnu::noinline]] void settle() noexcept {
        const std::uint64_t refused = in_a_fork() ? 0 : backend_.settle();
        event_target* const unheard = refused != 0 ? target_of(refused) : nullptr;
        if (unheard != nullptr) again(*unheard);
    }

    void call_again() noexcept {
        intrusive_list<event_target> now;
        now.take(again_);
        while (!now.empty()) now.pop_front().on_event({});
    }

    // An alarm that nobody needs any more is left to ring: that is a turn for nothing, but only moving it forward saves
    // a system call for each deadline that is never reached.
    void ring_due_timers() noexcept {
        if (timers_.empty() && armed_ == platform::clock::time_point::max()) return;
        const platform::clock::time_point now = platform::clock::now();
        if (armed_ <= now) armed_ = platform::clock::time_point::max(); // it has rung, or does so now
        while (timers_.earliest() <= now) {
            timer& due = timers_.front();
            timers_.remove(due);
            due.on_timer();
        }
    }

    // Oldest first. One that throws ends the turn; those behind it are called in the next.
    void call_posted() {
        collect_posted();
        while (due_ != nullptr) take_due()->run();
    }
    void collect_posted() noexcept {
        if (posted_.load(std::memory_order_relaxed) == nullptr) return;
        posted* newest = posted_.exchange(nullptr, std::memory_order_acquire);
        posted* oldest = nullptr;
        while (newest != nullptr) oldest = std::exchange(newest, std::exchange(newest->next, oldest));
        posted** end = &due_;
        while (*end != nullptr) end = &(*end)->next;
        *end = oldest;
    }
    std::unique_ptr<posted> take_due() noexcept { return std::unique_ptr<posted>(std::exchange(due_, due_->next)); }

    // Those that are ready now. Whoever becomes ready by that waits for the next turn, so that the kernel is heard
    // between.
    void resume_ready() {
        resuming_.take(ready_);
        while (!resuming_.empty()) resuming_.pop_front().coroutine.resume();
    }

    // For whoever polls the loop's handle, a launch is a thing to come back for.
    void sync_alarm_exactly() noexcept {
        platform::clock::time_point next = timers_.earliest();
        if (!launching_.empty()) next = std::min(next, platform::clock::now() + look_interval);
        if (next != armed_ && !in_a_fork()) set_alarm(next);
    }
    [[gnu::noinline]] void set_alarm(platform::clock::time_point when) noexcept {
        armed_ = when;
        if (when == platform::clock::time_point::max()) backend_.disarm();
        else backend_.arm(when);
    }

    [[gnu::noinline]] void nudge() noexcept {
        if (!std::exchange(nudged_, true) && !in_a_fork()) backend_.wake();
    }

    template <class Register>
    std::error_code enrol(event_target& target, registration& made, Register do_register) {
        if (vacant_ == no_place) {
            targets_.emplace_back();
            vacant_ = static_cast<std::uint32_t>(targets_.size() - 1);
        }
        place& p = targets_[vacant_];
        const std::uint64_t tag = std::uint64_t{p.generation} << 32 | vacant_;
        if (const std::error_code error = do_register(tag)) return error;
        vacant_ = std::exchange(p.next_vacant, no_place);
        p.target = &target;
        made = tag;
        return {};
    }

    void forget(registration& made) noexcept {
        const auto index = static_cast<std::uint32_t>(std::exchange(made, 0));
        place& p = targets_[index];
        p.target = nullptr;
        if (++p.generation == 0) p.generation = 1;
        p.next_vacant = std::exchange(vacant_, index);
    }

    [[nodiscard]] static bool trace_asked_for() noexcept {
        const char* const value = std::getenv("COPROC_TRACE"); // NOLINT(concurrency-mt-unsafe)
        return value != nullptr && *value != '\0' && std::string_view(value) != "0";
    }

    [[nodiscard]] bool belongs_here() const noexcept {
        for (const event_loop* loop = here().newest; loop != nullptr; loop = loop->below_) {
            if (loop == this) return true;
        }
        return false;
    }
    void leave_thread() noexcept {
        for (event_loop** at = &here().newest; *at != nullptr; at = &(*at)->below_) {
            if (*at != this) continue;
            *at = below_;
            return;
        }
    }

    static constexpr platform::clock::duration longest_sleep = std::chrono::milliseconds(5);   // on a launch
    static constexpr platform::clock::duration look_interval = std::chrono::microseconds(200); // at one, by a host

    platform::backend backend_;
    platform::launch_slots launch_slots_;
    platform::dispositions dispositions_;
    intrusive_list<waiter> ready_; // for the next turn
    intrusive_list<waiter>
        resuming_; // for this one; empty between turns, unless a coroutine's promise let an exception out
    intrusive_list<event_target> again_;
    intrusive_list<launch_waiter> launching_;
    timer_heap timers_;
    platform::clock::time_point armed_ = platform::clock::time_point::max(); // when the backend's alarm rings
    std::vector<place> targets_;
    std::uint32_t vacant_ = no_place; // the one given up last, linked to those before it
    intrusive_list<loop_resident> residents_;
    shared_block_pool blocks_ = shared_block_pool::make();
    intrusive_list<loop_observer> observers_;
    std::atomic<posted*> posted_{nullptr}; // newest first
    posted* due_ = nullptr;                // oldest first
    std::atomic<bool> stopping_{false};
    std::uint64_t turn_number_ = 0;
    unsigned made_after_forks_ = platform::fork_count();
    bool in_turn_ = false;
    bool nudged_ = false;
    bool traced_ = trace_asked_for();
    event_loop* below_; // the loop of this thread that was current before
};

} // namespace coproc
