#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// capture: which part of an output is kept while it comes, when it is more than one wants to hold.
//
//     command("make").capture(capture::head_tail(4096, 65536))     // how it began, and how it ended

#include <cstddef>
#include <limits>

namespace coproc {

/// Whatever is not kept is read all the same, so that the child can go on, and counted.
class capture {
public:
    static constexpr std::size_t default_limit = std::size_t{256} << 20;

    /// All of it. More than `limit` bytes are an output_limit_error, so that no child can take all our memory.
    [[nodiscard]] static constexpr capture all(std::size_t limit = default_limit) noexcept { return {limit, 0, true}; }
    /// The first `n` bytes.
    [[nodiscard]] static constexpr capture head(std::size_t n) noexcept { return {n, 0, false}; }
    /// The last `n` bytes.
    [[nodiscard]] static constexpr capture tail(std::size_t n) noexcept { return {0, n, false}; }
    /// The first `n` and the last `m` bytes. While it runs, up to `m` more are held.
    [[nodiscard]] static constexpr capture head_tail(std::size_t n, std::size_t m) noexcept { return {n, m, false}; }

    [[nodiscard]] constexpr std::size_t head_bytes() const noexcept { return head_; }
    [[nodiscard]] constexpr std::size_t tail_bytes() const noexcept { return tail_; }
    /// More than that is an error.
    [[nodiscard]] constexpr bool is_limit() const noexcept { return fails_; }

    friend constexpr bool operator==(const capture&, const capture&) noexcept = default;

private:
    constexpr capture(std::size_t head, std::size_t tail, bool fails) noexcept
        : head_(head), tail_(tail), fails_(fails) {}

    std::size_t head_;
    std::size_t tail_;
    bool fails_;
};

} // namespace coproc
