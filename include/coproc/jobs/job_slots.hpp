#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// job_slots: where a queue asks before it starts a job, when there is somebody with whom it has to share the machine.
//
//     job_slot mine = co_await slots.take();     // waits until there is one
//     co_await execute(command("cc", file));     // given back when `mine` is gone, whatever happens here

#include <coroutine>
#include <utility>

#include "../core/intrusive_list.hpp"
#include "../loop/event_loop.hpp"

namespace coproc {

class job_slots;

/// The right to run one job. Gives itself back when it is destroyed, assigned to, or told so; what it came from must
/// live until then.
class [[nodiscard]] job_slot {
public:
    /// None.
    job_slot() noexcept = default;
    job_slot(job_slot&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
    job_slot& operator=(job_slot other) noexcept {
        std::swap(from_, other.from_);
        return *this;
    }
    ~job_slot() { give_back(); }

    [[nodiscard]] explicit operator bool() const noexcept { return from_ != nullptr; }
    void give_back() noexcept;

private:
    friend job_slots;
    explicit job_slot(job_slots& from) noexcept : from_(&from) {}

    job_slots* from_ = nullptr;
};

/// Slots of some kind, such as `make_slots` and `make_server`. Stays where it is made; used on one thread, and by one
/// loop at a time. Must outlive the slots taken from it and whoever waits for one.
class job_slots {
    struct parked_take : waiter {
        event_loop* loop = nullptr;
        job_slot granted;
    };

public:
    job_slots(const job_slots&) = delete;
    job_slots& operator=(const job_slots&) = delete;

    class [[nodiscard]] take_awaiter final : parked_take {
    public:
        explicit take_awaiter(job_slots& from) noexcept : slots_(&from) {}
        take_awaiter(take_awaiter&&) noexcept = default;
        take_awaiter& operator=(take_awaiter&&) = delete;
        ~take_awaiter() {
            if (loop == nullptr || granted) return; // one that was granted and not fetched gives itself back
            unlink();
            slots_->one_less_waits();
        }

        bool await_ready() noexcept {
            granted = slots_->try_take();
            return static_cast<bool>(granted);
        }
        void await_suspend(std::coroutine_handle<> handle) {
            coroutine = handle;
            slots_->park(*this);
        }
        job_slot await_resume() noexcept {
            loop = nullptr;
            return std::move(granted);
        }

    private:
        job_slots* slots_;
    };

    /// Completes when there is a slot; first come, first served. Destroyed before, it takes none. Throws
    /// std::system_error where what the slots come from cannot be waited for.
    [[nodiscard]] take_awaiter take() noexcept { return take_awaiter(*this); }
    /// One that is there now, and for which nobody waits; or none.
    [[nodiscard]] job_slot try_take() noexcept { return waiting_.empty() && take_now() ? job_slot(*this) : job_slot(); }

protected:
    job_slots() noexcept = default;
    ~job_slots() = default;

    // What a kind of slots is made of.

    /// Takes one if that is possible without waiting.
    virtual bool take_now() noexcept = 0;
    /// Takes one back, which may be the time to `hand_out`.
    virtual void put_back() noexcept = 0;
    /// Somebody waits: from now on `hand_out` has to be called when there may be a slot.
    virtual void begin_to_watch(event_loop&) {}
    /// Nobody waits any more. Also called where nobody has.
    virtual void end_to_watch() noexcept {}

    /// Gives those who wait what there is; they are resumed in the next turn.
    void hand_out() noexcept {
        while (!waiting_.empty() && take_now()) {
            parked_take& first = waiting_.pop_front();
            first.granted = job_slot(*this);
            first.loop->schedule(first);
        }
        one_less_waits();
    }

private:
    friend job_slot;

    void park(parked_take& one) {
        event_loop& loop = event_loop::current();
        if (waiting_.empty()) begin_to_watch(loop);
        one.loop = &loop;
        waiting_.push_back(one);
    }
    void one_less_waits() noexcept {
        if (waiting_.empty()) end_to_watch();
    }

    intrusive_list<parked_take> waiting_;
};

inline void job_slot::give_back() noexcept {
    if (job_slots* const from = std::exchange(from_, nullptr)) from->put_back();
}

} // namespace coproc
