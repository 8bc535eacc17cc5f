#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Starting a child on Linux without waiting for it: the parent goes on while the child executes its program, perhaps on
// another processor.
//
//     parent                                      child, in a slot: a stack, a copy of the plan, a word
//     copy the plan, block all signals
//     clone3(VM | PIDFD | CHILD_CLEARTID | …) ────┐
//     unblock, go on with whatever there is       ├ the same as in a start that is waited for
//     the slot's word is clear: look  <───────────┴ execve, or an error and the exit: the kernel clears the word
//
// Not waiting is worth more than all else: of 64 children at once, 60 us each and not 120 (two processors). What it
// takes: two of us run in one memory at the same time. So the child has everything that it reads in its slot, which is
// not touched before the word is clear; its system calls are made without libc, whose thread-local storage is that of
// our thread; and all signals are blocked until it has its own dispositions.

#include <linux/sched.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "fork_count.hpp"
#include "plan_copy.hpp"
#include "shared_word_linux.hpp"
#include "spawn_linux.hpp"

namespace coproc::platform {

class launch;

/// What a child borrows until it executes its program.
class launch_slot {
    friend class launch;
    friend class launch_slots;

    shared_word occupied_;      // cleared by the kernel
    launch* lent_to_ = nullptr; // who will ask how it went
    plan_copy plan_;
    detail::child_slot child_{nullptr, 0, {}, false};
    alignas(64) char stack_[4096]; // child_main and what it calls take less than half, also at -O0
};

/// The slots of one thread, used again and again.
class launch_slots {
public:
    launch_slots() = default;
    launch_slots(const launch_slots&) = delete;
    launch_slots& operator=(const launch_slots&) = delete;
    /// Waits for children that are still in one, but not in a fork, where nobody would clear the words.
    ~launch_slots();

private:
    friend class launch;

    // Enough for all processors of a large machine. Each costs a few pages.
    static constexpr std::size_t most = 64;

    // A free one, or null.
    launch_slot* find();

    std::vector<std::unique_ptr<launch_slot>> slots_;
    const launch_slot* last_ = nullptr; // that was lent
    std::size_t next_ = 0;              // where to look first: behind the one found last, and so at the one lent first
    unsigned made_after_forks_ = fork_count();
};

/// One start that nobody has waited for. Stays where it is: its slot knows it.
class launch {
public:
    launch() noexcept = default;
    launch(const launch&) = delete;
    launch& operator=(const launch&) = delete;
    ~launch() { give_back(); }

    /// Makes the child. False if there is none: this cannot be done here, or not now, or too many are under way
    /// already; `spawn` may do it, and knows why not. Throws std::bad_alloc.
    [[nodiscard]] bool begin(launch_slots& places, const spawn_plan& plan, child& started) {
        // Who takes another identity must have memory of its own.
        if (plan.as != nullptr || detail::method() != detail::spawn_method::clone3) return false;
        launch_slot* const slot = places.find();
        if (slot == nullptr) return false;
        slot->plan_.assign(plan);
        const launch_slot* const before = std::exchange(places.last_, slot);
        return run(*slot, before != nullptr && !before->occupied_.is_clear(), started);
    }

    /// The child has left our memory: its program runs, or none ever will.
    [[nodiscard]] bool has_left() const noexcept { return slot_ == nullptr || slot_->occupied_.is_clear(); }
    /// Sleeps until it has, for `longest` at most.
    void sleep(clock::duration longest) const noexcept {
        if (slot_ != nullptr) slot_->occupied_.sleep(longest);
    }

    /// Once it has left.
    [[nodiscard]] spawn_outcome outcome() const noexcept {
        return slot_ == nullptr ? spawn_outcome{} : slot_->child_.outcome;
    }
    /// What was to be started, if that has failed; until `give_back`.
    [[nodiscard]] const spawn_plan& plan() const noexcept { return slot_->plan_.plan(); }
    /// Nobody will ask any more.
    void give_back() noexcept {
        if (slot_ != nullptr) std::exchange(slot_, nullptr)->lent_to_ = nullptr;
    }

private:
    friend class launch_slots;

    // We go on meanwhile, so what a child would find is not what we ignore when it is made. With others under way all
    // processors have work, and one look is less of it than 62 calls; alone, the child does these beside us.
    static detail::kernel_sigset other_than_default(const spawn_plan& plan, bool others_are_under_way) noexcept {
        if (plan.inherit_signals) return 0;
        const bool look = others_are_under_way && plan.ours != nullptr && plan.ours->may_be_known();
        return look ? plan.ours->ignored() : detail::every_signal;
    }

    bool run(launch_slot& slot, bool others_are_under_way, child& started) noexcept {
        slot.child_ = detail::child_slot{&slot.plan_.plan(), 0, {}, false};
        int pidfd = -1;
        long pid = 0;
        {
            const detail::all_signals_blocked guard;
            slot.child_.mask = detail::first_mask(slot.plan_.plan(), guard.before());
            slot.child_.other_than_default = other_than_default(slot.plan_.plan(), others_are_under_way);
            slot.occupied_.set();
            pid = detail::clone3_child(CLONE_VM, slot.stack_, slot.child_, pidfd, slot.occupied_.address());
        }
        if (pid < 0) {
            slot.occupied_.clear();
            return false;
        }
        started = detail::named_child(pid, pidfd);
        slot_ = &slot;
        slot.lent_to_ = this;
        return true;
    }

    launch_slot* slot_ = nullptr; // null: it went well
};

inline launch_slots::~launch_slots() {
    for (const std::unique_ptr<launch_slot>& slot : slots_) {
        if (slot->lent_to_ != nullptr) slot->lent_to_->give_back();
        const bool in_a_fork = fork_count() != made_after_forks_;
        while (!in_a_fork && !slot->occupied_.is_clear()) slot->occupied_.sleep(std::chrono::milliseconds(10));
    }
}

inline launch_slot* launch_slots::find() {
    for (std::size_t tried = 0; tried < slots_.size(); ++tried) {
        launch_slot& slot = *slots_[next_];
        next_ = (next_ + 1) % slots_.size();
        if (!slot.occupied_.is_clear()) continue;
        // Of one that went well there is nothing left to ask; one that failed is kept.
        if (slot.lent_to_ != nullptr && slot.child_.outcome.error == 0) slot.lent_to_->give_back();
        if (slot.lent_to_ == nullptr) return &slot;
    }
    if (slots_.size() == most) return nullptr;
    next_ = 0;
    return slots_.emplace_back(std::make_unique<launch_slot>()).get();
}

} // namespace coproc::platform
