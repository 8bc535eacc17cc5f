#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The foreground of our controlling terminal: lent to a child, and had back.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "../core/unique_fd.hpp"
#include "pipe.hpp"

namespace coproc::platform {

/// Knows which group has the foreground before the child takes it (see `spawn_plan::terminal`). Destroyed, it gives it
/// back if whoever took it has gone.
class foreground_loan {
public:
    /// Empty where we have no controlling terminal, with errno.
    foreground_loan() noexcept
        : give_back_(&foreground_loan::give_back_to_lender),
          terminal_(above_stdio(unique_fd(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)))),
          lender_(terminal_ ? ::tcgetpgrp(terminal_.get()) : -1) {
        if (lender_ < 0) terminal_ = unique_fd();
    }
    foreground_loan(const foreground_loan&) = delete;
    foreground_loan& operator=(const foreground_loan&) = delete;
    ~foreground_loan() { give_back(); }

    /// Who makes loans can be had by this, so that a program that names it nowhere has nothing of all this in it.
    using maker = std::unique_ptr<foreground_loan> (*)();
    [[nodiscard]] static std::unique_ptr<foreground_loan> make() { return std::make_unique<foreground_loan>(); }

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(terminal_); }
    [[nodiscard]] int terminal() const noexcept { return terminal_.get(); }

    /// To whom it belonged, if it is still `taker` that has it, or a group of which nobody is left.
    void give_back(pid_t taker = -1) noexcept {
        if (terminal_) (this->*give_back_)(taker);
    }

private:
    [[gnu::cold]] void give_back_to_lender(pid_t taker) noexcept {
        const pid_t now = ::tcgetpgrp(terminal_.get());
        if (now <= 1 || now == lender_ || (now != taker && exists(now))) return;
        // We are in the background ourselves: to be allowed to do that takes that we do not mind the signal.
        sigset_t stop; // these are macros on macOS, which `::` would break
        sigset_t before;
        sigemptyset(&stop);
        sigaddset(&stop, SIGTTOU);
        ::pthread_sigmask(SIG_BLOCK, &stop, &before);
        // The lender may have been another child, which has gone meanwhile.
        if (::tcsetpgrp(terminal_.get(), lender_) != 0) ::tcsetpgrp(terminal_.get(), ::getpgrp());
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    static bool exists(pid_t group) noexcept { return ::kill(-group, 0) == 0 || errno != ESRCH; }

    void (foreground_loan::*give_back_)(pid_t) noexcept; // known to whoever has made it, and to nobody else
    unique_fd terminal_;
    pid_t lender_;
};

} // namespace coproc::platform
