#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// operator new that counts, and that fails when a test wants it to: main.cpp puts it in the place of the C++ library's.
// It fails nowhere but between `fail_from` and `fail_no_more` of the same thread.

#include <cstdlib>
#include <limits>
#include <new>

#include "sanitizers.hpp"

#if !defined(COPROC_TEST_UNDER_TSAN) // which brings an operator new of its own, not to be replaced
#define COPROC_TEST_HAS_OWN_NEW 1
#endif

namespace failing_allocations {

inline constexpr long never = std::numeric_limits<long>::max();
inline thread_local long left = never; // allocations that will still succeed
inline thread_local bool and_all_after = false;
inline thread_local bool has_failed = false;
inline thread_local long made = 0;   // by this thread
inline thread_local long blocks = 0; // allocated by this thread and not freed by it

/// The allocation behind `count` others fails; with `all`, those behind that one as well.
inline void fail_from(long count, bool all) noexcept {
    left = count;
    and_all_after = all;
    has_failed = false;
}
/// Whether one has failed.
inline bool fail_no_more() noexcept {
    left = never;
    return has_failed;
}

inline void* allocate(std::size_t size) noexcept {
    if (left == 0) {
        has_failed = true;
        if (!and_all_after) left = never;
        return nullptr;
    }
    if (left != never) --left;
    void* const block = std::malloc(size != 0 ? size : 1);
    if (block == nullptr) return nullptr;
    ++made;
    ++blocks;
    return block;
}
inline void* allocate_or_throw(std::size_t size) {
    if (void* const block = allocate(size)) return block;
    throw std::bad_alloc();
}
inline void release(void* block) noexcept {
    if (block != nullptr) --blocks;
    std::free(block);
}

} // namespace failing_allocations
