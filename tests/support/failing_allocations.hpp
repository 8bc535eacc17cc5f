#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// operator new that fails when a test wants it to. It replaces that of the whole program, so only one file may include
// this; it fails nowhere but between `fail_from` and `fail_no_more` of the same thread.

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

namespace failing_allocations {

inline constexpr long never = std::numeric_limits<long>::max();
inline thread_local long left = never; // allocations that will still succeed
inline thread_local bool and_all_after = false;
inline thread_local bool has_failed = false;
inline thread_local long blocks = 0; // allocated by this thread and not freed by it
inline thread_local long made = 0;   // allocated by this thread

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
    if (block != nullptr) ++blocks, ++made;
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

void* operator new(std::size_t size) { return failing_allocations::allocate_or_throw(size); }
void* operator new[](std::size_t size) { return failing_allocations::allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return failing_allocations::allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return failing_allocations::allocate(size); }
void operator delete(void* block) noexcept { failing_allocations::release(block); }
void operator delete[](void* block) noexcept { failing_allocations::release(block); }
void operator delete(void* block, std::size_t) noexcept { failing_allocations::release(block); }
void operator delete[](void* block, std::size_t) noexcept { failing_allocations::release(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { failing_allocations::release(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { failing_allocations::release(block); }
