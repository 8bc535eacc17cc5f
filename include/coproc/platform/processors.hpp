#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// How much can be done at once.

#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <cstddef>

namespace coproc::platform {

/// The number of processors that this process may use, as far as the system tells; at least 1.
[[nodiscard]] inline std::size_t usable_processors() noexcept {
    long count = 0;
#if defined(__linux__)
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
    if (count < 1) count = ::sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : static_cast<std::size_t>(count);
}

} // namespace coproc::platform
