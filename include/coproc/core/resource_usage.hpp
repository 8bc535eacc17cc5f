#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What a child has cost, taken by the same call that reaped it.

#include <chrono>
#include <cstdint>

namespace coproc {

/// The resources of a reaped child and of those of its descendants that it had reaped itself: getrusage(2).
struct resource_usage {
    std::chrono::microseconds user_time{};   ///< CPU time in the program
    std::chrono::microseconds system_time{}; ///< CPU time in the kernel on its behalf
    /// Most memory resident at once, in bytes; of the largest process, not a sum. Linux carries over what the starting
    /// process itself had at its peak (exec_mmap in fs/exec.c): a value no larger than that says only "not more".
    std::uint64_t peak_rss = 0;
    std::uint64_t minor_faults = 0;         ///< page faults served without I/O
    std::uint64_t major_faults = 0;         ///< page faults that read from a device
    std::uint64_t voluntary_switches = 0;   ///< times it gave up the CPU to wait
    std::uint64_t involuntary_switches = 0; ///< times it was made to
    std::uint64_t blocks_read = 0;          ///< block input operations
    std::uint64_t blocks_written = 0;       ///< block output operations

    [[nodiscard]] constexpr std::chrono::microseconds cpu_time() const noexcept { return user_time + system_time; }
};

} // namespace coproc
