#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What Linux remembers of a process that was reaped behind our back, for whoever holds its pidfd.

#include <sys/ioctl.h>

#include <cstdint>
#include <optional>

#include "contract.hpp"
#include "rusage.hpp"

namespace coproc::platform {

/// How the process of a pidfd had ended; unknown if the kernel does not tell, as before Linux 6.15. Nothing while the
/// process is still there.
[[nodiscard]] inline std::optional<exit_status> remembered_status(int pidfd) noexcept {
    // struct pidfd_info of <linux/pidfd.h>, in its first size, which every later kernel takes.
    struct {
        std::uint64_t mask;
        std::uint64_t cgroup;
        std::uint32_t ids[11];
        std::int32_t wait_status;
    } info{};
    constexpr std::uint64_t exit_is_told = 1U << 3;                                         // PIDFD_INFO_EXIT
    constexpr unsigned long get_info = _IOC(_IOC_READ | _IOC_WRITE, 0xff, 11, sizeof info); // PIDFD_GET_INFO
    info.mask = exit_is_told;
    if (::ioctl(pidfd, get_info, &info) != 0) return exit_status::unknown(); // an older kernel: it has forgotten
    if ((info.mask & exit_is_told) != 0) return to_exit_status(info.wait_status);
    return std::nullopt;
}

} // namespace coproc::platform
