#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// destroy: what becomes of a child that still runs when its async_process is destroyed.

#include <chrono>
#include <stdexcept>

#include "../loop/timers.hpp"

namespace coproc {

namespace detail {
class child_watch;
/// Its input closes; what it writes on its way out is taken in and dropped. (In process_state.hpp.)
inline void listen_to_the_end(child_watch& child) noexcept;
} // namespace detail

/// In every case the destructor returns at once and the loop reaps the child, so that it is never a zombie.
/// The signal is sent before the pipes close: a child that dies by it has not seen the end of an input that was cut
/// off.
class destroy {
public:
    enum kind : unsigned char {
        kill, ///< SIGKILL
        /// It lives on, also beyond the loop. What is buffered for its stdin and not in the pipe yet is dropped: await
        /// `in().wait_closed()` before.
        detach,
    };

    constexpr destroy(kind k) noexcept
        : detach_(k == detach) {} // NOLINT(google-explicit-constructor): on_destroy(destroy::kill)

    /// SIGTERM now, and SIGKILL if it is still there after `grace`, or at the end of the loop. Until then what it
    /// writes is taken in and dropped. Throws std::invalid_argument for a negative one.
    template <class Rep, class Period>
    [[nodiscard]] static destroy terminate(std::chrono::duration<Rep, Period> grace) {
        if (grace < grace.zero()) throw std::invalid_argument("the grace of a destruction is negative");
        destroy policy(kill);
        policy.grace_ = to_clock_duration(grace);
        if (policy.grace_ != policy.grace_.zero()) policy.leave_ = &detail::listen_to_the_end;
        return policy;
    }

    [[nodiscard]] bool detaches() const noexcept { return detach_; }
    /// Zero: SIGKILL at once.
    [[nodiscard]] platform::clock::duration grace() const noexcept { return grace_; }
    /// What is done with the streams of one that has a grace, by a pointer: a program that never says `terminate` has
    /// nothing of it. Null if there is none.
    using leave_function = void (*)(detail::child_watch&) noexcept;
    [[nodiscard]] leave_function leave() const noexcept { return leave_; }

private:
    platform::clock::duration grace_{};
    leave_function leave_ = nullptr;
    bool detach_;
};

} // namespace coproc
