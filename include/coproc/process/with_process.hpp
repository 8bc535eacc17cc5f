#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// with_process: a child for the length of a coroutine, what Python's `async with` is for.
//
//     exit_status s = co_await with_process(command("server"), [&](async_process& p) -> task<> {
//         co_await p.write_stdin("hello\n");
//     });                                           // stdin is closed and the child awaited

#include <concepts>
#include <exception>
#include <optional>
#include <utility>

#include "../coro/awaitable.hpp"
#include "../coro/task.hpp"
#include "async_process.hpp"
#include "start.hpp"

namespace coproc {

/// Starts the command, awaits `body(process)`, closes what the child reads (`close_inputs`), waits for the child,
/// yields its status.
///
/// If the body throws, the child is stopped (SIGTERM, the grace of the command, SIGKILL) and reaped, and only then is
/// the exception seen. If this is cancelled, the child is sent SIGTERM, and SIGKILL after the grace, while the loop
/// goes on.
///
/// Lambdas: capture by reference, or nothing. GCC 12 destroys what a temporary lambda in a `co_await` operand has
/// captured by value twice.
template <class Body>
requires awaitable<std::invoke_result_t<Body&, async_process&>>
[[nodiscard]] task<exit_status> with_process(command what, Body body) {
    what.on_destroy(destroy::terminate(what.rules().grace));
    async_process process = co_await start(what);
    std::exception_ptr failure; // nothing can be awaited in a handler
    try {
        co_await body(process);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await process.stop();
        std::rethrow_exception(failure);
    }
    process.close_inputs();
    co_return co_await process.wait();
}

} // namespace coproc
