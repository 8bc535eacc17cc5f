#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// An object that is counted while it lives: what a coroutine holds must be gone when the coroutine is.

#include <utility>

/// Move-only, as most of what a coroutine owns. `count` must outlive it.
class counted {
public:
    explicit counted(int& count) noexcept : count_(&count) { ++count; }
    counted(counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (count_ != nullptr) --*count_;
    }

private:
    int* count_;
};
