#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Which signals this process ignores, asked in one look. Without it a child resets all 62 that can be ignored, most of
// them for nothing, and that is an eighth of the time of a start.

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "../core/unique_fd.hpp"
#include "fork_count.hpp"
#include "pipe.hpp"

namespace coproc::platform {

using kernel_sigset = std::uint64_t; // the kernel's, 64 signals; libc's has room for 1024

/// Keeps one descriptor open, that of /proc/self/status: opening it for each look would cost half as much again.
/// Without one (no /proc, no descriptor left) it knows nothing.
class dispositions {
public:
    dispositions() noexcept
        : status_(above_stdio(unique_fd(::open("/proc/self/status", O_RDONLY | O_CLOEXEC | O_NOCTTY)))) {}

    /// Exactly those that are ignored, or nothing where that cannot be said for certain. With a second thread it
    /// cannot: that one may begin to ignore another signal between this look and the clone that copies the
    /// dispositions, as a library does around each write to a socket. To be called with all signals blocked, since a
    /// handler may, too.
    [[nodiscard]] std::optional<kernel_sigset> ignored() noexcept {
        if (!status_ || fork_count() != opened_after_forks_) return std::nullopt;
        if (looks_spared_ != 0) return --looks_spared_, std::nullopt;
        char text[2048]; // what we look for comes within the first 1,200, unless we are in hundreds of groups
        const ssize_t size = ::pread(status_.get(), text, sizeof text, 0);
        const auto bits = ignored_by_only_thread({text, size > 0 ? static_cast<std::size_t>(size) : 0});
        if (!bits) looks_spared_ = 15; // who has threads keeps them for a while
        return bits;
    }

    /// The same, of what is read there: `Threads:` and a number, `SigIgn:` and 16 digits (proc_pid_status(5)).
    [[nodiscard]] static std::optional<kernel_sigset> ignored_by_only_thread(std::string_view status) noexcept {
        if (!after(status, "\nThreads:\t1\n")) return std::nullopt;
        const std::optional<std::string_view> digits = after(status, "\nSigIgn:\t");
        if (!digits || digits->size() <= 16 || (*digits)[16] != '\n') return std::nullopt;
        kernel_sigset bits = 0;
        for (const char digit : digits->substr(0, 16)) {
            const bool decimal = digit >= '0' && digit <= '9';
            if (!decimal && (digit < 'a' || digit > 'f')) return std::nullopt;
            bits = bits << 4 | static_cast<kernel_sigset>(decimal ? digit - '0' : digit - 'a' + 10);
        }
        return bits;
    }

private:
    // What comes behind the first of these words.
    static std::optional<std::string_view> after(std::string_view text, std::string_view words) noexcept {
        const void* const at = ::memmem(text.data(), text.size(), words.data(), words.size());
        if (at == nullptr) return std::nullopt;
        return text.substr(static_cast<std::size_t>(static_cast<const char*>(at) - text.data()) + words.size());
    }

    unique_fd status_;
    unsigned looks_spared_ = 0;                  // as many are not worth their time
    unsigned opened_after_forks_ = fork_count(); // in a fork it would tell of the process that has opened it
};

} // namespace coproc::platform
