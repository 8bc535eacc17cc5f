#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A process in which some system calls fail: an old kernel, a container, a resource that has run out. Linux, on the
// processors that we know.

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#define COPROC_TEST_HAS_SYSTEM_CALL_FILTER 1

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cstddef>
#include <cstdint>
#include <vector>

/// In place of an error: whoever makes the call is ended by SIGSYS.
constexpr int deadly = -1;

/// `call` fails with `error`; with flags given, only where that argument has one of them.
struct failing_call {
    long call;
    int error;
    std::uint32_t if_flags = 0;
    std::size_t argument = 0;
};

/// From now on and in every child. For a test in a fork.
inline bool filter_system_calls(const std::vector<failing_call>& calls) {
    const auto word = [](std::size_t offset) {
        return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)};
    };
    std::vector<sock_filter> program;
    for (const failing_call& c : calls) {
        const bool any = c.if_flags == 0;
        program.push_back(word(offsetof(seccomp_data, nr)));
        program.push_back(
            {BPF_JMP | BPF_JEQ | BPF_K, 0, static_cast<std::uint8_t>(any ? 1 : 3), static_cast<std::uint32_t>(c.call)});
        if (!any) {
            program.push_back(word(offsetof(seccomp_data, args) + 8 * c.argument)); // its low half
            program.push_back({BPF_JMP | BPF_JSET | BPF_K, 0, 1, c.if_flags});
        }
        const std::uint32_t fail = SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(c.error);
        program.push_back({BPF_RET | BPF_K, 0, 0, c.error == deadly ? SECCOMP_RET_KILL_PROCESS : fail});
    }
    program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
    const sock_fprog all{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0;
}

#endif
