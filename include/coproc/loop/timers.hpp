#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The deadlines of a loop: a binary heap of timers that live in whoever waits.

#include <cassert>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "../platform/contract.hpp"

namespace coproc {

/// `start + d`, or the end of time where that overflows.
[[nodiscard]] inline platform::clock::time_point
deadline_after(platform::clock::duration d, platform::clock::time_point start = platform::clock::now()) noexcept {
    if (d > platform::clock::time_point::max() - start) return platform::clock::time_point::max();
    return start + d;
}

/// Any duration as one of the clock's, the unrepresentable as the longest; rounded up, since a timer is never early.
template <class Rep, class Period>
[[nodiscard]] platform::clock::duration to_clock_duration(std::chrono::duration<Rep, Period> d) noexcept {
    using approximate = std::chrono::duration<double, platform::clock::period>;
    const double ticks = std::chrono::duration_cast<approximate>(d).count();
    const auto longest = static_cast<double>(platform::clock::duration::max().count());
    if (!(ticks < longest)) return platform::clock::duration::max(); // not a number, either
    if (ticks <= -longest) return platform::clock::duration::min();
    if constexpr (std::chrono::treat_as_floating_point_v<Rep>) {
        return std::chrono::ceil<platform::clock::duration>(approximate(ticks));
    } else {
        return std::chrono::ceil<platform::clock::duration>(d);
    }
}

/// Something to be done at a point in time.
class timer {
public:
    timer() noexcept = default;
    timer(timer&& other) noexcept {
        assert(!other.pending());
        static_cast<void>(other);
    }
    timer& operator=(timer&&) = delete;

    [[nodiscard]] bool pending() const noexcept { return place_ != nowhere; }

    /// The deadline has passed; the timer is not pending any more.
    virtual void on_timer() noexcept = 0;

protected:
    /// Whoever derives takes it out of its loop before.
    ~timer() { assert(!pending()); }

private:
    friend class timer_heap;
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

    platform::clock::time_point when_;
    std::size_t place_ = nowhere; // in the heap, so that it can be taken out from the middle
};

class timer_heap {
public:
    [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
    /// The earliest deadline; the end of time if there is none.
    [[nodiscard]] platform::clock::time_point earliest() const noexcept {
        return heap_.empty() ? platform::clock::time_point::max() : heap_.front()->when_;
    }

    [[nodiscard]] timer& front() const noexcept { return *heap_.front(); }

    /// Throws std::bad_alloc.
    void add(timer& t, platform::clock::time_point when) {
        assert(!t.pending());
        heap_.push_back(&t);
        t.when_ = when;
        place(heap_.size() - 1, t);
        rise(t);
    }

    // Out of line: whoever waits takes his timers out wherever he ends.
    [[gnu::noinline]] void remove(timer& t) noexcept {
        if (!t.pending()) return;
        timer& last = *heap_.back();
        heap_.pop_back();
        if (&last != &t) {
            place(t.place_, last);
            rise(last);
            sink(last);
        }
        t.place_ = timer::nowhere;
    }

private:
    void place(std::size_t at, timer& t) noexcept {
        heap_[at] = &t;
        t.place_ = at;
    }
    void swap(timer& upper, timer& lower) noexcept {
        const std::size_t at = upper.place_;
        place(lower.place_, upper);
        place(at, lower);
    }

    void rise(timer& t) noexcept {
        while (t.place_ > 0) {
            timer& parent = *heap_[(t.place_ - 1) / 2];
            if (parent.when_ <= t.when_) return;
            swap(parent, t);
        }
    }
    void sink(timer& t) noexcept {
        for (;;) {
            std::size_t child = 2 * t.place_ + 1;
            if (child >= heap_.size()) return;
            if (child + 1 < heap_.size() && heap_[child + 1]->when_ < heap_[child]->when_) ++child;
            if (t.when_ <= heap_[child]->when_) return;
            swap(t, *heap_[child]);
        }
    }

    std::vector<timer*> heap_;
};

} // namespace coproc
