#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The one owner of a file descriptor.

#include <unistd.h>

#include <utility>

namespace coproc {

/// Owns a descriptor and closes it once. Empty is -1.
class unique_fd {
public:
    constexpr unique_fd() noexcept = default;
    explicit constexpr unique_fd(int fd) noexcept : fd_(fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~unique_fd() { reset(); }

    [[nodiscard]] constexpr int get() const noexcept { return fd_; }
    [[nodiscard]] explicit constexpr operator bool() const noexcept { return fd_ >= 0; }

    /// The caller owns it from now on.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    void reset() noexcept {
        // Never repeated on EINTR: Linux has freed the number by then, and another thread may hold it (close(2)).
        if (const int fd = release(); fd >= 0) ::close(fd);
    }

private:
    int fd_ = -1;
};

} // namespace coproc
