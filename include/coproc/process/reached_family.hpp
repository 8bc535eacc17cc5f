#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// reached_family: the family of a child by what the system tells of its group, its descendants or its control group.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "../core/intrusive_list.hpp"
#include "../core/unique_fd.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/platform.hpp"
#include "family.hpp"

namespace coproc::detail {

class reached_family final : public family, event_target, timer {
public:
    reached_family(const platform::child& leader, platform::extent how_far) noexcept
        : family(table()), leader_(leader), others_(std::move(how_far)) {}
    ~reached_family() { part(); }

    void leader_is_reaped() noexcept { is_reaped_ = true; }
    void leader_may_end() const noexcept {
        if (others_.reach().group) leader_.kill_group_at_the_last_moment();
    }

    bool send(int number) noexcept {
        if (number == SIGKILL) return kill();
        if (others_.go_beyond_the_group()) look();
        const bool by_group = others_.reach().group && leader_.signal_group(number, is_reaped_);
        // Before it has made its group, and when it has left it again, it is not in there.
        const bool to_leader = !is_reaped_ && !(by_group && is_in_own_group()) && leader_.send_signal(number);
        const bool to_others = others_.send(number, by_group ? leader_.pid() : 0);
        return by_group || to_leader || to_others;
    }

    /// SIGKILL, also to those who are being forked at this moment.
    bool kill() noexcept {
        bool killed = false;
        try {
            killed = others_.kill(leader_, is_reaped_);
        } catch (const std::bad_alloc&) {
            killed = others_.send(SIGKILL, 0); // those who are known
        }
        if (others_.reach().group) killed = leader_.signal_group(SIGKILL, is_reaped_) || killed;
        if (!is_reaped_) killed = leader_.send_signal(SIGKILL) || killed;
        return killed;
    }

    [[nodiscard]] std::size_t count() noexcept {
        look();
        return others_.size();
    }

    void add(event_loop& loop, waiter& w) {
        loop_ = &loop;
        waiters_.push_back(w);
        watch();
    }
    void tell_when_gone(event_loop& loop, event_target& target) {
        loop_ = &loop;
        target_ = &target;
        watch();
    }

private:
    static reached_family& self(family& f) noexcept { return static_cast<reached_family&>(f); }
    static const verbs& table() noexcept {
        static constexpr verbs all{
            [](family* f) noexcept { delete static_cast<reached_family*>(f); },
            [](family& f) noexcept { self(f).leader_is_reaped(); },
            [](const family& f) noexcept { static_cast<const reached_family&>(f).leader_may_end(); },
            [](family& f, int number) noexcept { return self(f).send(number); },
            [](family& f) noexcept { return self(f).count(); },
            [](family& f, event_loop& loop, waiter& w) { self(f).add(loop, w); },
            [](family& f, event_loop& loop, event_target& target) { self(f).tell_when_gone(loop, target); },
            [](family& f) noexcept { self(f).part(); }};
        return all;
    }

    void part() noexcept {
        unwatch();
        loop_ = nullptr;
        target_ = nullptr;
    }
    [[nodiscard]] bool is_in_own_group() const noexcept { return ::getpgid(leader_.pid()) == leader_.pid(); }

    void look() noexcept {
        try {
            others_.look(leader_, is_reaped_);
        } catch (const std::bad_alloc&) {
            // Then those who are known have to do.
        }
    }

    // It waits for one of them to end, whoever it is, and then looks at them all: with hundreds, that is one descriptor
    // and not hundreds. Where nothing would tell, it looks every now and then.
    void watch() {
        if (event_target::linked() || timer::pending() || watched_ != 0) return;
        const bool is_told = watch_one();
        if (is_told && !others_.must_be_looked_for()) return;
        loop_->add(*this, deadline_after(interval_));
        interval_ = std::min<platform::clock::duration>(2 * interval_, std::chrono::milliseconds(50));
    }
    // A copy of the descriptor, since whoever looks may find that it is not needed any more.
    bool watch_one() {
        if (others_.exit_fd() < 0) return false;
        exit_fd_ = unique_fd(::fcntl(others_.exit_fd(), F_DUPFD_CLOEXEC, 3));
        return exit_fd_ && !loop_->watch(exit_fd_.get(), platform::interest::read, *this, watched_);
    }
    void unwatch() noexcept {
        event_target::unlink();
        if (loop_ == nullptr) return;
        loop_->remove(*this);
        if (watched_ != 0) loop_->unwatch(exit_fd_.get(), platform::interest::read, watched_);
        exit_fd_.reset();
    }

    void on_event(platform::readiness) noexcept override { tell(); }
    void on_timer() noexcept override { tell(); }
    void tell() noexcept {
        unwatch();
        if (waiters_.empty() && target_ == nullptr) return;
        if (count() == 0) {
            while (!waiters_.empty()) loop_->schedule(waiters_.pop_front());
            if (target_ != nullptr) loop_->again(*std::exchange(target_, nullptr));
            interval_ = shortest;
            return;
        }
        try {
            watch();
        } catch (const std::bad_alloc&) {
            loop_->again(*this);
        }
    }

    static constexpr platform::clock::duration shortest = std::chrono::milliseconds(1);

    const platform::child& leader_;
    platform::relatives others_;
    intrusive_list<waiter> waiters_;
    event_target* target_ = nullptr;
    event_loop* loop_ = nullptr; // while somebody waits
    unique_fd exit_fd_;
    event_loop::registration watched_ = 0;
    platform::clock::duration interval_ = shortest;
    bool is_reaped_ = false;
};

[[nodiscard]] inline const family_maker& reached_families() noexcept {
    // NOLINTBEGIN(bugprone-unhandled-exception-at-new): not noexcept
    static constexpr family_maker maker{[](const platform::child& leader, platform::extent how_far) {
                                            return family_owner(new reached_family(leader, std::move(how_far)));
                                        },
                                        [](const platform::extent& how_far) { return platform::refusal_of(how_far); }};
    // NOLINTEND(bugprone-unhandled-exception-at-new)
    return maker;
}

} // namespace coproc::detail
