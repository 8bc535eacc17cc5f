#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A kernel that refuses system calls (seccomp, Linux): old ones, sandboxes, bad days. For good, so only in a fork.

#if defined(__linux__)

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <vector>

namespace system_calls {

inline bool answer(const std::vector<long>& numbers, unsigned action) {
    std::vector<sock_filter> program;
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    for (const long number : numbers) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, action));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

} // namespace system_calls

/// From now on these fail with `error`, here and in whatever is started from here.
template <class... Numbers>
bool refuse_system_calls(int error, Numbers... numbers) {
    return system_calls::answer({static_cast<long>(numbers)...}, SECCOMP_RET_ERRNO | static_cast<unsigned>(error));
}

/// From now on these end the process by SIGSYS.
template <class... Numbers>
bool die_by_system_calls(Numbers... numbers) {
    return system_calls::answer({static_cast<long>(numbers)...}, SECCOMP_RET_KILL_PROCESS);
}

#endif
