#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The one owner of a coroutine frame. Destroying it destroys the frame, and with it all that the coroutine holds or
// waits for: that is what cancelling means here.

#include <coroutine>
#include <utility>

namespace coproc::detail {

template <class Promise>
class unique_frame {
public:
    unique_frame() noexcept = default;
    explicit unique_frame(std::coroutine_handle<Promise> handle) noexcept : handle_(handle) {}
    unique_frame(unique_frame&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    unique_frame& operator=(unique_frame other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~unique_frame() {
        if (handle_) handle_.destroy();
    }

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
    [[nodiscard]] std::coroutine_handle<Promise> get() const noexcept { return handle_; }
    [[nodiscard]] Promise& promise() const { return handle_.promise(); }

private:
    std::coroutine_handle<Promise> handle_;
};

} // namespace coproc::detail
