#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// task_group: any number of coroutines at once, none of which outlives the scope.
//
//     task_group group;
//     for (auto& job : jobs) group.start(run_one(job));
//     co_await group.join();
//
// Whoever joins is resumed by the loop and not by the coroutine that ended: that one may have been started a moment ago
// by another of the group, which is still running and must not see the group go.

#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>

#include "../core/error.hpp"
#include "../core/intrusive_list.hpp"
#include "../coro/awaitable.hpp"
#include "event_loop.hpp"

namespace coproc {

class task_group {
public:
    task_group() noexcept = default;
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;
    /// Cancels what still runs. Not from within one of the group's own coroutines.
    ~task_group() {
        destroy_all(members_);
        destroy_all(ended_);
    }

    /// Runs it at once, up to where it first waits. What it yields is dropped; what it throws comes out of `join`.
    template <awaitable A>
    void start(A what) {
        const member::coroutine coroutine = run(std::move(what));
        coroutine.promise->owner = this;
        members_.push_back(*coroutine.promise);
        ++running_;
        if (joiner_ != nullptr && !joinable())
            joiner_->unlink(); // it was on its way, and has to wait for this one, too
        std::coroutine_handle<member>::from_promise(*coroutine.promise).resume();
    }

    /// Completes when none is running, or as soon as one has thrown: then it throws that, and leaving the scope cancels
    /// the rest. One waiter at a time. More may be started while it waits, and after.
    [[nodiscard]] auto join() noexcept { return join_awaiter(*this); }

    /// Destroys what still runs, which cancels it; a `join` that waits completes. Not from within one of the group's
    /// own coroutines.
    void cancel() noexcept {
        destroy_all(members_);
        destroy_all(ended_);
        running_ = 0;
        wake_joiner();
    }

    [[nodiscard]] std::size_t running() const noexcept { return running_; }

private:
    // The promise of a coroutine that nobody holds: the group destroys its frame.
    struct member : list_node {
        struct coroutine {
            using promise_type = member;
            member* promise;
        };

        coroutine get_return_object() noexcept { return {this}; }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept {
            if (!owner->error_) owner->error_ = std::current_exception();
        }
        auto final_suspend() const noexcept {
            struct tell_owner {
                bool await_ready() const noexcept { return false; }
                void await_suspend(std::coroutine_handle<member> self) const noexcept {
                    self.promise().owner->member_ended(self.promise());
                }
                void await_resume() const noexcept {}
            };
            return tell_owner{};
        }

        task_group* owner = nullptr;
    };

    static void destroy_all(intrusive_list<member>& list) noexcept {
        while (!list.empty()) std::coroutine_handle<member>::from_promise(list.pop_front()).destroy();
    }

    // The frame of the one that ends now is still in use, so it is those that ended before it that are destroyed here:
    // a group that runs for ever keeps one of them, not all.
    void member_ended(member& now) noexcept {
        destroy_all(ended_);
        now.unlink();
        ended_.push_back(now);
        --running_;
        if (joinable()) wake_joiner();
    }
    void wake_joiner() noexcept {
        if (joiner_ != nullptr) joiner_->loop->schedule(*joiner_);
    }

    template <class A>
    static member::coroutine run(A what) {
        co_await std::move(what);
    }

    struct joiner : waiter {
        event_loop* loop = nullptr;
    };

    class join_awaiter final : joiner {
    public:
        explicit join_awaiter(task_group& group) noexcept : group_(&group) {}
        join_awaiter(join_awaiter&&) noexcept = default;
        ~join_awaiter() { part(); }

        bool await_ready() const noexcept { return group_->joinable(); }
        void await_suspend(std::coroutine_handle<> handle) {
            if (group_->joiner_ != nullptr) throw usage_error("two coroutines join the same task_group");
            loop = &event_loop::current();
            coroutine = handle;
            group_->joiner_ = this;
        }
        void await_resume() {
            part();
            if (group_->error_) std::rethrow_exception(std::exchange(group_->error_, nullptr));
        }

    private:
        void part() noexcept {
            if (coroutine) group_->joiner_ = nullptr;
            coroutine = nullptr;
        }

        task_group* group_;
    };

    [[nodiscard]] bool joinable() const noexcept { return running_ == 0 || error_; }

    intrusive_list<member> members_; // those that run
    intrusive_list<member> ended_;
    std::size_t running_ = 0;
    joiner* joiner_ = nullptr;
    std::exception_ptr error_;
};

} // namespace coproc
