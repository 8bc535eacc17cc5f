#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// How much memory this process has; 0 where nobody knows.

#include <unistd.h>

#include <cstddef>
#include <fstream>

#include "sanitizers.hpp"

#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 33)
#include <malloc.h>
#define COPROC_TEST_HAS_MALLINFO2 1
#endif
#endif

/// What is allocated, and not freed, on the heap of the main thread. A sanitizer has a heap of its own.
inline std::size_t allocated() {
#if defined(COPROC_TEST_HAS_MALLINFO2)
    if (!under_sanitizer) {
        const struct mallinfo2 now = ::mallinfo2();
        return now.uordblks + now.hblkhd;
    }
#endif
    return 0;
}

/// What is in memory of it, in bytes. Under a sanitizer freed memory is kept for a while.
inline std::size_t resident() {
    std::size_t size = 0;
    std::size_t pages = 0;
    if (!under_sanitizer) std::ifstream("/proc/self/statm") >> size >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}
