#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// struct rusage and wait statuses, as the kernel gives them, in our words.

#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdint>

#include "contract.hpp"

namespace coproc::platform {

[[nodiscard]] inline resource_usage to_resource_usage(const rusage& raw) noexcept {
#if defined(__APPLE__)
    constexpr std::uint64_t rss_unit = 1; // bytes; every other system counts KiB (getrusage(2))
#else
    constexpr std::uint64_t rss_unit = 1024;
#endif
    const auto time = [](const timeval& t) {
        return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
    };
    const auto count = [](long n) { return static_cast<std::uint64_t>(n); };
    resource_usage usage;
    usage.user_time = time(raw.ru_utime);
    usage.system_time = time(raw.ru_stime);
    usage.peak_rss = count(raw.ru_maxrss) * rss_unit;
    usage.minor_faults = count(raw.ru_minflt);
    usage.major_faults = count(raw.ru_majflt);
    usage.voluntary_switches = count(raw.ru_nvcsw);
    usage.involuntary_switches = count(raw.ru_nivcsw);
    usage.blocks_read = count(raw.ru_inblock);
    usage.blocks_written = count(raw.ru_oublock);
    return usage;
}

/// What wait4(2) stores.
[[nodiscard]] inline exit_status to_exit_status(int wait_status) noexcept {
    if (WIFEXITED(wait_status)) return exit_status::exited(WEXITSTATUS(wait_status));
    if (WIFSIGNALED(wait_status)) return exit_status::signaled(WTERMSIG(wait_status), WCOREDUMP(wait_status));
    return exit_status::unknown();
}

/// Reaps by pid. Nothing if it runs on; unknown if somebody else has reaped it.
[[nodiscard]] inline std::optional<reaped> reap_by_pid(pid_t pid, int options) noexcept {
    if (pid <= 0) return reaped{}; // 0 and -1 would be any child at all
    int status = 0;
    rusage usage{};
    pid_t got = 0;
    do {
        got = ::wait4(pid, &status, options, &usage);
    } while (got < 0 && errno == EINTR); // the call has not reaped when it returns -1
    if (got == 0) return std::nullopt;
    if (got < 0) return reaped{};
    return reaped{to_exit_status(status), to_resource_usage(usage)};
}

} // namespace coproc::platform
