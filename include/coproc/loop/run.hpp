#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// run: the door from main into coroutines, and the way to wait for one anywhere else.
//
//     int main() { return run(app()); }

#include <utility>

#include "event_loop.hpp"

namespace coproc {

/// Runs a loop until `what` has completed; yields what it yields and throws what it throws. The loop is this thread's,
/// or one that lives for this call where there is none; it kills and reaps what is left of its children at its end.
///
/// Throws usage_error in a turn of a loop, where it would stop everything else: `co_await` there.
template <awaitable A>
await_result_t<A> run(A what) {
    if (event_loop* const mine = event_loop::try_current()) return mine->run(std::move(what));
    event_loop loop;
    return loop.run(std::move(what));
}

} // namespace coproc
