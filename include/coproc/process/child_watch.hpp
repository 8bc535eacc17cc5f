#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// child_watch: one child from its start until it is reaped, which happens once, here, and nowhere else.
//
//     running ── the kernel says it has ended ──> reaped: status, usage ──> every waiter resumed
//        └── abandoned: killed, terminated or left alone, and reaped by the loop all the same
//
// Where signals go further than the process (`reach`), whoever is left of its family when it has been reaped is dealt
// with in the same way.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <coroutine>
#include <csignal>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "../core/exit_status.hpp"
#include "../core/intrusive_list.hpp"
#include "../core/resource_usage.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/foreground.hpp"
#include "../platform/fork_count.hpp"
#include "../platform/platform.hpp"
#include "destroy.hpp"
#include "family.hpp"

namespace coproc::detail {

class child_watch : event_target, loop_resident {
public:
    child_watch(event_loop& loop, destroy on_destroy) noexcept : loop_(&loop), on_destroy_(on_destroy) {}
    child_watch(const child_watch&) = delete;
    child_watch& operator=(const child_watch&) = delete;

    /// There is a child from now on.
    void start(platform::child child) noexcept {
        child_ = std::move(child);
        started_at_ = platform::clock::now();
        loop_->adopt(*this);
    }
    /// It has taken the foreground of our terminal (null: it has not), which is given back when it is reaped.
    void lend(std::unique_ptr<platform::foreground_loan> foreground) noexcept { foreground_ = std::move(foreground); }
    /// There is none again: no program has run, and it is ending by itself. Nobody may wait.
    void forget_failed() noexcept {
        forget();
        loop_resident::unlink();
        static_cast<void>(std::exchange(child_, {}).reap());
        if (foreground_) foreground_->give_back(); // and kept: it may be tried again
    }

    [[nodiscard]] bool reaped() const noexcept { return ended_.has_value(); }
    /// That, and who waits may know.
    [[nodiscard]] bool is_over() const noexcept { return reaped() && last_words_ == 0; }
    [[nodiscard]] exit_status status() const noexcept { return ended_ ? ended_->status : exit_status::unknown(); }
    [[nodiscard]] const std::optional<platform::reaped>& ended() const noexcept { return ended_; }
    [[nodiscard]] int pid() const noexcept { return child_.pid(); }
    [[nodiscard]] platform::clock::time_point started_at() const noexcept { return started_at_; }
    [[nodiscard]] platform::clock::duration elapsed() const noexcept {
        return (reaped() ? ended_at_ : platform::clock::now()) - started_at_;
    }
    /// Throws usage_error if the loop has ended.
    [[nodiscard]] event_loop& loop() const {
        if (loop_ == nullptr) throw usage_error("the event_loop of this child has ended");
        return *loop_;
    }

    /// Looks whether it has ended, without waiting.
    bool poll() noexcept {
        if (!reaped()) {
            if (family_ && is_being_ended()) family_->leader_may_end();
            if (std::optional<platform::reaped> now = child_.try_reap()) finish(*now);
        }
        return reaped();
    }

    /// False, and no system call, once it is reaped: its pid may be somebody else's by then.
    bool send_signal(int number) noexcept { return !reaped() && deliver(number); }

    // ---- as far as the command reaches ----

    /// False if there was nobody.
    bool signal_all(int number) noexcept { return family_ ? deliver(number, true) : send_signal(number); }
    /// Nobody is left but zombies, and the child itself has been reaped. Looks for others, not at the child.
    [[nodiscard]] bool all_gone() noexcept { return reaped() && (!family_ || family_->count() == 0); }
    /// Null where the child is all there is.
    [[nodiscard]] family* others() noexcept { return family_.get(); }

    /// While one of these lives, the end of the child is to be the end of all.
    class ending {
    public:
        explicit ending(child_watch& child) noexcept : child_(child) { ++child_.endings_; }
        ending(const ending&) = delete;
        ending& operator=(const ending&) = delete;
        ~ending() { --child_.endings_; }

    private:
        child_watch& child_;
    };
    /// There is one, or nobody owns the child any more, and it is not let go.
    [[nodiscard]] bool is_being_ended() const noexcept {
        return endings_ > 0 || (abandoned_ && !on_destroy_.detaches());
    }
    /// SIGKILL to all. True if the child itself lives on, since the system does not let us signal it: its program has
    /// more rights than we have, as sudo has. To wait for its end would be to wait for ever.
    [[nodiscard]] bool kill_all_in_vain() noexcept { return !kill_all() && is_beyond_our_rights(); }
    /// It lives on, and has ended with an unknown status as far as anybody here is concerned. The loop reaps it.
    /// Throws std::bad_alloc.
    [[gnu::cold]] void give_up();

    /// How many the last stop had to leave.
    [[nodiscard]] std::size_t survivors() const noexcept { return survivors_ + (given_up_ ? 1 : 0); }
    void survivors(std::size_t number) noexcept { survivors_ = number; }

    // ---- life ----

    void on_destroy(destroy policy) noexcept { on_destroy_ = policy; }

    /// Schedules `w` when the child has been reaped. Throws std::bad_alloc.
    void add(waiter& w) {
        event_loop& mine = loop();
        watch();
        waiters_.push_back(w);
        if (is_over()) mine.schedule(w); // the watch itself found it ended
    }

    /// Its owner is gone: it is signalled, the streams close. The loop reaps the child, if there is one; then this
    /// destroys itself.
    ///
    /// In that order: a child that hears of the end of its input before it is killed may take what it has read, of an
    /// input that was cut off, for the whole, and act on it. (Who dies by a signal does not come back from read(2).)
    [[gnu::cold]] void abandon() noexcept {
        const bool never_started = child_.pid() < 0;
        const bool nobody_is_left = reaped() && (!family_ || on_destroy_.detaches());
        abandoned_ = true;
        if (never_started || nobody_is_left || loop_ == nullptr || in_a_fork()) {
            close_streams();
            if (!is_hearing_) delete this; // else he did that who has just been shown the last words
            return;
        }
        const bool gently = on_destroy_.leave() != nullptr;
        if (!on_destroy_.detaches()) signal_all(gently ? SIGTERM : SIGKILL);
        if (gently) on_destroy_.leave()(*this);
        else close_streams();
        try {
            if (gently) loop_->add(grace_over_, deadline_after(on_destroy_.grace()));
            watch();
        } catch (const std::bad_alloc&) {
            // No memory to wait with: then no grace either, and a look in every turn.
            if (!on_destroy_.detaches()) signal_all(SIGKILL);
            loop_->remove(grace_over_);
            loop_->again(*this);
            return;
        }
        destroy_if_done();
    }

protected:
    virtual ~child_watch() { forget_all(); }

    /// Before there is a child.
    void reach_for(const family_maker& how, platform::extent how_far) {
        if (how_far.is_wider()) family_ = how.make(child_, std::move(how_far));
    }

    /// The streams go before the child is looked at for the last time.
    virtual void close_streams() noexcept = 0;

    /// Somebody is to be shown what the child has written before its end is told. He may let go of the child.
    [[nodiscard]] virtual bool has_last_words() const noexcept { return false; }
    /// True if there was more than one turn has time for.
    [[nodiscard]] virtual bool take_last_words() noexcept { return false; }

    // To whoever observes the loop; called only if somebody does.
    virtual void tell_signal(event_loop&, int /*number*/, bool /*delivered*/) noexcept {}
    virtual void tell_exit(event_loop&) noexcept {}

private:
    // True if that is the end of the child for certain.
    bool kill_all() noexcept { return signal_all(SIGKILL) && !family_; }
    [[nodiscard]] bool is_beyond_our_rights() noexcept { return !poll() && !child_.send_signal(0) && errno == EPERM; }

    // Signals leave here and nowhere else.
    bool deliver(int number, bool to_all = false) noexcept {
        const bool delivered = to_all ? family_->send(number) : child_.send_signal(number);
        if (loop_ != nullptr && loop_->observed() && number != 0) tell_signal(*loop_, number, delivered);
        return delivered;
    }

    // In a fork of the process that started it, it is somebody else's child.
    [[nodiscard]] bool in_a_fork() const noexcept { return platform::fork_count() != started_after_forks_; }

    // Asks the kernel to tell; where it cannot, or the child has ended before we asked, looks by itself.
    [[gnu::noinline]] void watch() {
        if (watched_ != 0 || reaped() || look_again_.pending()) return;
        if (loop_->watch_exit(child_, *this, watched_)) look();
    }

    void on_event(platform::readiness) noexcept override {
        if (last_words_ != 0) hear_last_words();
        else look();
        destroy_if_done();
    }

    // The kernel may speak too early: kqueue before the child can be reaped, a pidfd while a debugger still holds it.
    // So what counts is the reaping, which never blocks; if it finds nothing, it is tried again, from 0.1 ms on up to
    // 50 ms.
    [[gnu::noinline]] void look() noexcept {
        if (poll()) return;
        try {
            if (!look_again_.pending()) loop_->add(look_again_, deadline_after(look_interval_));
            look_interval_ = std::min<platform::clock::duration>(2 * look_interval_, std::chrono::milliseconds(50));
        } catch (const std::bad_alloc&) {
            loop_->again(*this);
        }
    }

    void finish(const platform::reaped& end) noexcept {
        forget();
        if (family_) family_->leader_is_reaped();
        else if (loop_ != nullptr) loop_->remove(grace_over_);
        if (foreground_) foreground_->give_back(child_.pid());
        foreground_.reset();
        ended_ = end;
        ended_at_ = platform::clock::now();
        if (loop_ != nullptr && loop_->observed()) tell_exit(*loop_);
        if (!has_last_words()) return wake_all();
        last_words_ = 2; // a turn has time for what any pipe holds, but this one may be nearly over
        loop_->again(*this);
    }

    // Straight from the loop. Who waits is resumed after that, in this turn or the next.
    void hear_last_words() noexcept {
        is_hearing_ = true;
        const bool more = take_last_words();
        is_hearing_ = false;
        if (--last_words_ != 0 && more) return loop_->again(*this);
        last_words_ = 0;
        wake_all();
    }

    void wake_all() noexcept {
        while (!waiters_.empty()) loop_->schedule(waiters_.pop_front());
    }

    [[gnu::noinline]] void forget() noexcept {
        if (loop_ == nullptr) return;
        if (watched_ != 0) loop_->unwatch_exit(child_, watched_);
        loop_->remove(look_again_);
        event_target::unlink();
    }
    void forget_all() noexcept {
        forget();
        if (loop_ != nullptr) loop_->remove(grace_over_);
        if (family_) family_->leave_loop();
    }

    void destroy_if_done() noexcept {
        if (!abandoned_ || !is_over()) return;
        const bool others_have_time = grace_over_.pending() && family_ && family_->count() > 0;
        if (!others_have_time) return delete this;
        try {
            family_->tell_when_gone(*loop_, *this);
        } catch (const std::bad_alloc&) {
            // Then it is found when the grace is over.
        }
    }

    [[gnu::cold]] void on_loop_end() noexcept override {
        const bool ends_it = !on_destroy_.detaches() && !in_a_fork();
        const bool is_killed = ends_it && kill_all();
        close_streams(); // as in `abandon`
        if (ends_it && (is_killed || !is_beyond_our_rights()) && !reaped()) finish(child_.reap());
        forget_all();
        loop_ = nullptr;
        if (abandoned_) delete this;
    }

    // A deadline that calls one of our functions.
    class alarm final : public timer {
    public:
        alarm(child_watch& owner, void (child_watch::*action)() noexcept) noexcept : owner_(owner), action_(action) {}
        void on_timer() noexcept override { (owner_.*action_)(); }

    private:
        child_watch& owner_;
        void (child_watch::*action_)() noexcept;
    };
    void on_look_again() noexcept { on_event({}); }
    void on_grace_over() noexcept {
        signal_all(SIGKILL);
        destroy_if_done();
    }

    event_loop* loop_; // null after its end
    platform::child child_;
    family_owner family_; // null: the child alone
    event_loop::registration watched_ = 0;
    std::unique_ptr<platform::foreground_loan> foreground_; // null: our terminal is no concern of the child's
    std::optional<platform::reaped> ended_;
    intrusive_list<waiter> waiters_;
    alarm look_again_{*this, &child_watch::on_look_again};
    alarm grace_over_{*this, &child_watch::on_grace_over};
    platform::clock::duration look_interval_ = std::chrono::microseconds(100);
    platform::clock::time_point started_at_;
    platform::clock::time_point ended_at_;
    destroy on_destroy_;
    unsigned started_after_forks_ = platform::fork_count();
    std::size_t survivors_ = 0;
    int endings_ = 0;
    bool abandoned_ = false;
    bool is_hearing_ = false;
    bool given_up_ = false;
    unsigned char last_words_ = 0; // turns that are left for them
};

/// A child that nobody wants to hear of any more.
class unwanted_child final : public child_watch {
public:
    explicit unwanted_child(event_loop& loop) noexcept : child_watch(loop, destroy::detach) {}

private:
    void close_streams() noexcept override {}
};

inline void child_watch::give_up() {
    auto* const heir = new unwanted_child(loop()); // destroys itself
    given_up_ = true;
    heir->lend(std::move(foreground_)); // as long as it lives on
    finish(platform::reaped{});
    heir->start(std::move(child_));
    heir->abandon();
}

} // namespace coproc::detail
