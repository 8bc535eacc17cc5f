#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// with_stop: anything that can be awaited, until somebody asks for a stop, from whatever thread.
//
//     std::stop_source source;
//     auto line = co_await with_stop(source.get_token(), proc.read_line());   // nullopt: stopped

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

#include "../platform/stop_token.hpp"
#include "interruptible.hpp"

namespace coproc {

template <class T>
class [[nodiscard]] stop_awaiter {
public:
    stop_awaiter(platform::stop_token token, detail::branch<T> what) noexcept
        : token_(std::move(token)), race_(std::move(what)) {}
    stop_awaiter(stop_awaiter&&) noexcept = default;
    stop_awaiter& operator=(stop_awaiter&&) = delete;
    ~stop_awaiter() { part(); }

    bool await_ready() const noexcept { return token_.stop_requested(); }
    bool await_suspend(std::coroutine_handle<> handle) {
        if (!race_.start(handle)) return false;
        link_ = std::make_shared<link>(link{&race_});
        callback_ = std::make_unique<platform::stop_callback<ask>>(token_, ask{link_, &event_loop::current()});
        return true;
    }
    detail::if_completed<T> await_resume() {
        part();
        return race_.finish();
    }

private:
    // A stop that comes from now on finds nobody.
    void part() noexcept {
        if (link_) link_->race = nullptr;
    }

    // Read and written in the loop's thread alone; it outlives this awaiter if the stop is on its way from another one.
    struct link {
        detail::interruptible<T>* race;
    };
    // Runs in the thread that asks for the stop.
    struct ask {
        std::shared_ptr<link> to;
        event_loop* loop;
        void operator()() const {
            loop->post([to = to, loop = loop] {
                if (to->race != nullptr) to->race->interrupt(*loop);
            });
        }
    };

    platform::stop_token token_;
    detail::interruptible<T> race_;
    std::shared_ptr<link> link_;
    std::unique_ptr<platform::stop_callback<ask>> callback_; // on the heap: a callback cannot be moved, an awaiter can
};

/// Completes with what `what` yields, in an optional, or with nullopt when a stop is asked for first: then `what` has
/// been destroyed, which cancels it. For an awaitable of void: true or false. Asked for before: `what` does not start.
template <awaitable A>
[[nodiscard]] auto with_stop(platform::stop_token token, A what) {
    return stop_awaiter<await_result_t<A>>(std::move(token), detail::make_branch(std::move(what)));
}

} // namespace coproc
