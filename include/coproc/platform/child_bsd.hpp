#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A child on macOS and BSD: its pid, which stays its own until we reap it.

#include <signal.h>
#include <sys/wait.h>

#include <optional>

#include "contract.hpp"
#include "rusage.hpp"

namespace coproc::platform {

class child {
public:
    child() noexcept = default;
    explicit child(pid_t pid) noexcept : pid_(pid) {}

    [[nodiscard]] int pid() const noexcept { return pid_; }
    bool send_signal(int number) const noexcept {
        return pid_ > 0 && ::kill(pid_, number) == 0; // kill(-1) would be everybody
    }
    [[nodiscard]] std::optional<reaped> try_reap() noexcept { return reap_by_pid(pid_, WNOHANG); }
    [[nodiscard]] reaped reap() noexcept { return reap_by_pid(pid_, 0).value_or(reaped{}); }

private:
    pid_t pid_ = -1;
};

static_assert(child_process<child>);

} // namespace coproc::platform
