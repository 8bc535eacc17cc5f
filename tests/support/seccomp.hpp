#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A kernel that refuses some calls (Linux). For a process of its own, see forked.hpp: there is no way back.

#if defined(__linux__)

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <vector>

class kernel_that_refuses {
public:
    static constexpr std::uint32_t deadly = SECCOMP_RET_KILL_PROCESS; ///< whoever makes the call is ended by SIGSYS
    static constexpr std::uint32_t with(int error) {                  ///< the call fails with that errno
        return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
    }

    kernel_that_refuses& call(long number, std::uint32_t verdict) {
        program_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
        program_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
        program_.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
        return *this;
    }
    /// Only if its first argument has that bit (of the lower 32, on a little-endian machine).
    kernel_that_refuses& call_with_flag(long number, std::uint32_t flag, std::uint32_t verdict) {
        program_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
        program_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 3));
        program_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)));
        program_.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flag, 0, 1));
        program_.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
        return *this;
    }
    /// From now on. False if this kernel has no such filters.
    [[nodiscard]] bool begin() {
        program_.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
        const sock_fprog all{static_cast<unsigned short>(program_.size()), program_.data()};
        return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0;
    }

private:
    std::vector<sock_filter> program_;
};

#endif
