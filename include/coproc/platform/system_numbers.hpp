#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Numbers that mean something to this system: which signals and which resources (setrlimit(2)) it has.

#include <signal.h>
#include <sys/resource.h>

namespace coproc::platform {

/// Signals are numbered from 1 to this.
#if defined(_SIG_MAXSIG)
constexpr int highest_signal = _SIG_MAXSIG; // FreeBSD, where NSIG counts the old ones
#else
constexpr int highest_signal = NSIG - 1;
#endif

/// "RLIMIT_NOFILE"; null for a number that is no resource here.
[[nodiscard]] constexpr const char* resource_name(int resource) noexcept {
    struct entry {
        int number;
        const char* name;
    };
    constexpr entry known[] = {
        {RLIMIT_CORE, "RLIMIT_CORE"},
        {RLIMIT_CPU, "RLIMIT_CPU"},
        {RLIMIT_DATA, "RLIMIT_DATA"},
        {RLIMIT_FSIZE, "RLIMIT_FSIZE"},
        {RLIMIT_NOFILE, "RLIMIT_NOFILE"},
        {RLIMIT_STACK, "RLIMIT_STACK"},
#if defined(RLIMIT_AS) // not on OpenBSD; on macOS the same as RLIMIT_RSS
        {RLIMIT_AS, "RLIMIT_AS"},
#endif
#if defined(RLIMIT_RSS)
        {RLIMIT_RSS, "RLIMIT_RSS"},
#endif
#if defined(RLIMIT_MEMLOCK)
        {RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
#endif
#if defined(RLIMIT_NPROC)
        {RLIMIT_NPROC, "RLIMIT_NPROC"},
#endif
#if defined(__linux__)
        {RLIMIT_LOCKS, "RLIMIT_LOCKS"},
        {RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"},
        {RLIMIT_NICE, "RLIMIT_NICE"},
        {RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
        {RLIMIT_RTTIME, "RLIMIT_RTTIME"},
        {RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
#endif
#if defined(RLIMIT_SBSIZE)
        {RLIMIT_SBSIZE, "RLIMIT_SBSIZE"},
#endif
#if defined(RLIMIT_NPTS)
        {RLIMIT_NPTS, "RLIMIT_NPTS"},
#endif
#if defined(RLIMIT_SWAP)
        {RLIMIT_SWAP, "RLIMIT_SWAP"},
#endif
#if defined(RLIMIT_KQUEUES)
        {RLIMIT_KQUEUES, "RLIMIT_KQUEUES"},
#endif
#if defined(RLIMIT_NTHR)
        {RLIMIT_NTHR, "RLIMIT_NTHR"},
#endif
    };
    for (const entry& e : known) {
        if (e.number == resource) return e.name;
    }
    return nullptr;
}

} // namespace coproc::platform
