#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The streams of one child, and the rule between them: while anything of it is awaited, what it writes is taken in,
// whoever it is for. So no order of awaits can deadlock: a child that fills stderr while we wait for stdout, or that
// will not read before it has written, can always go on.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "../core/intrusive_list.hpp"
#include "../loop/event_loop.hpp"

namespace coproc {

class stream_group {
public:
    /// A reader of the group.
    class member : public list_node {
    public:
        /// From now on take in what comes, until `stop_collecting`.
        virtual void collect() noexcept = 0;
        virtual void stop_collecting() noexcept = 0;

    protected:
        ~member() = default;
    };

    void add(member& m) noexcept {
        members_.push_back(m);
        if (waiting_ != 0) m.collect();
    }

    /// A coroutine begins, or ends, to wait for something of the child.
    void enter() noexcept {
        if (waiting_++ == 0) members_.for_each([](member& m) { m.collect(); });
    }
    void leave() noexcept {
        if (--waiting_ == 0) members_.for_each([](member& m) { m.stop_collecting(); });
    }

    // ---- for whoever supervises the child ----

    /// From now on it is known when the last byte came.
    void watch_silence() noexcept {
        if (quiet_since_ == platform::clock::time_point()) quiet_since_ = platform::clock::now();
    }
    [[nodiscard]] platform::clock::time_point quiet_since() const noexcept { return quiet_since_; }
    /// Numbers what comes, in its order over all members.
    std::uint64_t note_arrival() noexcept {
        if (quiet_since_ != platform::clock::time_point()) quiet_since_ = platform::clock::now();
        return ++arrivals_;
    }

    /// Scheduled when an output has passed the limit of what is kept of it; null: nobody.
    void on_overflow(waiter* w) noexcept { supervisor_ = w; }
    [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
    void report_overflow(event_loop& loop) noexcept {
        if (std::exchange(overflowed_, true)) return;
        if (supervisor_ != nullptr) loop.schedule(*supervisor_);
    }

private:
    intrusive_list<member> members_;
    std::size_t waiting_ = 0;
    std::uint64_t arrivals_ = 0;
    waiter* supervisor_ = nullptr;
    platform::clock::time_point quiet_since_; // the epoch: nobody wants to know
    bool overflowed_ = false;
};

/// A stay in a group, if there is one; ended by `leave` or by the destructor.
class group_stay {
public:
    group_stay() noexcept = default;
    group_stay(group_stay&& other) noexcept { static_cast<void>(other); } // moved only before anybody waits
    group_stay& operator=(group_stay&&) = delete;
    ~group_stay() { leave(); }

    void enter(stream_group* group) noexcept {
        group_ = group;
        if (group_ != nullptr) group_->enter();
    }
    void leave() noexcept {
        if (group_ != nullptr) group_->leave();
        group_ = nullptr;
    }

private:
    stream_group* group_ = nullptr;
};

} // namespace coproc
