#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A child on macOS and BSD: its pid, which stays its own until we reap it.

#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <optional>

#include "contract.hpp"
#include "process_group.hpp"
#include "rusage.hpp"

namespace coproc::platform {

class child {
public:
    child() noexcept = default;
    /// One that is not ours somebody else reaps.
    explicit child(pid_t pid, bool is_ours = true) noexcept : pid_(pid), is_ours_(is_ours) {}

    [[nodiscard]] int pid() const noexcept { return pid_; }
    bool send_signal(int number) const noexcept {
        return pid_ > 0 && ::kill(pid_, number) == 0; // kill(-1) would be everybody
    }
    /// To everybody in the process group that this child leads; false if there is nobody, or it has been reaped.
    bool signal_group(int number, bool is_reaped) const noexcept {
        return !is_reaped && platform::signal_group(pid_, number);
    }
    /// Before it is reaped, and its group cannot be named any more: if it has ended, the others get their SIGKILL now.
    void kill_group_at_the_last_moment() const noexcept {
        if (waits_to_be_reaped(pid_)) platform::signal_group(pid_, SIGKILL);
    }
    [[nodiscard]] std::optional<reaped> try_reap() noexcept { return reap_with(WNOHANG); }
    [[nodiscard]] reaped reap() noexcept { return reap_with(0).value_or(reaped{}); }

private:
    [[nodiscard]] std::optional<reaped> reap_with(int options) noexcept {
        if (is_ours_) return reap_by_pid(pid_, options);
        if (::kill(pid_, 0) == 0 || errno != ESRCH) return std::nullopt;
        return reaped{};
    }

    pid_t pid_ = -1;
    bool is_ours_ = true;
};

static_assert(child_process<child>);

/// A process that runs already, a child of ours or not. On failure one without a pid, with errno: ESRCH.
[[nodiscard, gnu::cold]] inline child running_process(pid_t pid) noexcept {
    const bool is_there = ::kill(pid, 0) == 0 || errno == EPERM;
    return is_there ? child(pid, is_our_child(pid)) : child();
}

} // namespace coproc::platform
