#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// How a lazy coroutine begins: by waiting; and a look whether the compiler has made a sound frame of it.
//
// GCC 12 puts the value of a condition such as `if (co_await ready())` in front of all else where the coroutine has no
// variable of its own around it. Then the frame does not begin with what a handle calls, and who resumes it calls some
// other word of it, which hangs, or worse, without a sound. Of a sound frame the look costs nothing from -O1 on.

#include <coroutine>
#include <cstdio>
#include <cstdlib>

namespace coproc::detail {

[[noreturn, gnu::cold]] inline void refuse_frame() noexcept {
    std::fputs("coproc: this compiler has made a wrong frame of a coroutine (GCC 12 does of a co_await in a condition "
               "where there is no local variable around it): give what is awaited a name, as in "
               "`if (const bool ok = co_await ready())`\n",
               stderr);
    std::abort();
}

template <class Promise>
class first_suspension {
public:
    explicit first_suspension(const Promise& promise) noexcept : promise_(&promise) {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> begin_of_frame) const noexcept {
        const auto seen_from_promise = std::coroutine_handle<const Promise>::from_promise(*promise_);
        if (seen_from_promise.address() != begin_of_frame.address()) refuse_frame();
    }
    void await_resume() const noexcept {}

private:
    const Promise* promise_;
};

} // namespace coproc::detail
