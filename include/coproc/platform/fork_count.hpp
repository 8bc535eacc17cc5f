#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Whether we still are the process that made something, without asking the kernel each time.

#include <pthread.h>

#include <atomic>

namespace coproc::platform {
namespace detail {

inline std::atomic<unsigned> forks{0};

} // namespace detail

/// How many calls of fork(2) lie between the first call of this function and us: another number means that we are a
/// copy of the process that had called it, and that what it had from the kernel is shared with it.
[[nodiscard]] inline unsigned fork_count() noexcept {
    static const int counted =
        ::pthread_atfork(nullptr, nullptr, [] { detail::forks.fetch_add(1, std::memory_order_relaxed); });
    static_cast<void>(counted); // fails only for want of memory; then a fork is taken for the original
    return detail::forks.load(std::memory_order_relaxed);
}

} // namespace coproc::platform
