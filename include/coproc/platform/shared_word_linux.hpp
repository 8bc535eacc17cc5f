#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A word of memory that somebody else clears: the kernel, when a child has left our memory (CLONE_CHILD_CLEARTID,
// clone(2)). No descriptor tells of that, so whoever waits looks, or sleeps on the word for a moment.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "contract.hpp"

namespace coproc::platform {

class shared_word {
public:
    void set() noexcept { value_.store(1, std::memory_order_relaxed); }
    void clear() noexcept { value_.store(0, std::memory_order_relaxed); }
    [[nodiscard]] bool is_clear() const noexcept { return value_.load(std::memory_order_acquire) == 0; }
    /// Where the kernel writes.
    [[nodiscard]] void* address() noexcept { return &value_; }

    /// Sleeps until it is clear, for `longest` at most; a signal ends that early.
    void sleep(clock::duration longest) const noexcept {
        using namespace std::chrono;
        const std::uint32_t now = value_.load(std::memory_order_acquire);
        if (now == 0 || longest <= clock::duration::zero()) return;
        const auto whole = duration_cast<seconds>(longest);
        const timespec time{static_cast<time_t>(whole.count()),
                            static_cast<long>(duration_cast<nanoseconds>(longest - whole).count())};
        // Not FUTEX_PRIVATE_FLAG: the kernel wakes without it.
        ::syscall(SYS_futex, &value_, FUTEX_WAIT, now, &time, nullptr, 0);
    }

private:
    std::atomic<std::uint32_t> value_{0};
};

static_assert(sizeof(shared_word) == 4); // a pid_t, to the kernel

} // namespace coproc::platform
