#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// session_choice: the session and the process group that a command's child is to have.

#include <concepts>
#include <stdexcept>
#include <string>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../platform/foreground.hpp"
#include "../platform/spawn_plan.hpp"

namespace coproc::detail {

class session_choice {
public:
    /// Throws std::invalid_argument if another group is to be joined: that one is not in a session that is new;
    /// usage_error if the foreground of our terminal is wanted, which is not that session's.
    void begin_session() {
        if (plan_.foreground) refuse_foreground();
        if (joins()) throw std::invalid_argument(contradiction());
        plan_.is_new = true;
    }
    /// A session has one of its own anyway.
    void make_group() noexcept { plan_.group = platform::session_plan::its_own; }
    /// The same, in the foreground. Throws usage_error where there is to be a session, or another group.
    void take_foreground() {
        if (plan_.is_new || joins()) refuse_foreground();
        make_group();
        plan_.foreground = true;
        foreground_ = &platform::foreground_loan::make;
    }
    /// Throws std::invalid_argument for what is no group, and where there is to be a session; usage_error where its own
    /// group is to be in the foreground.
    template <std::integral Id>
    void join(Id group) {
        if (!std::in_range<pid_t>(group) || static_cast<pid_t>(group) <= 1) {
            throw std::invalid_argument(concat({group, " is no process group that can be joined"}));
        }
        if (plan_.is_new) throw std::invalid_argument(contradiction());
        if (plan_.foreground) refuse_foreground();
        plan_.group = static_cast<pid_t>(group);
    }

    [[nodiscard]] bool has_own_group() const noexcept {
        return plan_.is_new || plan_.group == platform::session_plan::its_own;
    }
    /// Null: our terminal is no concern of the child's.
    [[nodiscard]] platform::foreground_loan::maker foreground() const noexcept { return foreground_; }
    /// What is asked of the system.
    [[nodiscard]] const platform::session_plan& plan() const noexcept { return plan_; }

private:
    [[noreturn]] static void refuse_foreground() {
        throw usage_error("foreground() is for a group of the child's own in our session: "
                          "neither pty() nor new_session() nor process_group(id)");
    }
    static const char* contradiction() noexcept {
        return "a child cannot begin a session and join a process group of another one";
    }
    [[nodiscard]] bool joins() const noexcept { return plan_.group > platform::session_plan::its_own; }

    platform::session_plan plan_;
    platform::foreground_loan::maker foreground_ = nullptr;
};

} // namespace coproc::detail
