// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/stop.hpp>

#include <concepts>
#include <optional>

#include <coproc/coro/awaitable.hpp>

#include "support/catch.hpp"

using namespace coproc;

// What it does is told in async_process_waiting and async_process_signals.
static_assert(std::same_as<await_result_t<wait_awaiter>, exit_status>);
static_assert(std::same_as<await_result_t<timed_wait_awaiter>, std::optional<exit_status>>);
static_assert(std::movable<wait_awaiter> || std::move_constructible<wait_awaiter>);
static_assert(std::move_constructible<timed_wait_awaiter>);
