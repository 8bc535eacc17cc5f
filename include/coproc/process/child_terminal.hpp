#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The terminal of a child, made before the child is, and which of its streams it is.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../platform/foreground.hpp"
#include "../platform/pipe.hpp"
#include "../platform/pty.hpp"
#include "command.hpp"

namespace coproc::detail {

/// Whether stdin, stdout or stderr of its child is its terminal: those of which the command says nothing are.
[[nodiscard]] inline bool is_terminal(const command& c, std::size_t number) {
    return c.on_terminal() && !c.stdio_of(number);
}
/// The one of stdout and stderr by which it is read; 0: neither is the terminal.
[[nodiscard]] inline std::size_t terminal_reader(const command& c) {
    if (is_terminal(c, 1)) return 1;
    return is_terminal(c, 2) ? 2 : 0;
}

/// Throws usage_error if a terminal is wanted that would be none of the three.
inline void require_a_stream_on_terminal(const command& c) {
    if (!c.on_terminal() || terminal_reader(c) != 0 || is_terminal(c, 0)) return;
    throw usage_error("pty(): stdin, stdout and stderr are all said to be something else");
}

/// Null if the command does not want the foreground of our terminal. Throws spawn_error if we have none.
[[nodiscard]] inline std::unique_ptr<platform::foreground_loan> foreground_for(const command& c) {
    if (c.session().foreground() == nullptr) return nullptr;
    auto loan = c.session().foreground()();
    if (*loan) return loan;
    const std::error_code error = platform::last_error();
    throw spawn_error(spawn_stage::terminal, c.program(),
                      "opening our controlling terminal, of which it is to have the foreground, failed", error);
}

class child_terminal {
public:
    /// None.
    child_terminal() noexcept = default;
    /// None if the command wants none. Throws spawn_error; usage_error if the terminal would be none of the three.
    explicit child_terminal(const command& c) {
        if (c.on_terminal()) make(c);
    }

    /// The child's end; -1: none.
    [[nodiscard]] int source() const noexcept { return slave_.get(); }
    /// Our end for this stream, which may be empty.
    [[nodiscard]] unique_fd take_ours(std::size_t number) noexcept { return std::move(ours_[number]); }

private:
    [[gnu::cold]] void make(const command& c) {
        require_a_stream_on_terminal(c);
        const std::size_t reader = terminal_reader(c);
        const bool writes = is_terminal(c, 0);
        platform::pty_ends ends = c.on_terminal()->open();
        if (!ends.master) fail(c, platform::last_error());
        // Each stream has a descriptor of its own, since it is watched by that.
        if (reader != 0 && writes) {
            ours_[0] = unique_fd(::fcntl(ends.master.get(), F_DUPFD_CLOEXEC, 3));
            if (!ours_[0]) fail(c, platform::last_error());
        }
        ours_[reader] = std::move(ends.master); // 0: it is only written to
        for (unique_fd& fd : ours_) fd = platform::out_of_the_way(std::move(fd));
        slave_ = std::move(ends.slave);
        // Another user may want to open it by its name. Who may not give it away may not become that user either.
        if (const auto& user = c.identity().user) {
            [[maybe_unused]] const int given = ::fchown(slave_.get(), *user, static_cast<gid_t>(-1));
        }
    }
    [[noreturn]] static void fail(const command& c, std::error_code error) {
        throw spawn_error(spawn_stage::terminal, c.program(), "making a terminal failed", error);
    }

    std::array<unique_fd, 3> ours_;
    unique_fd slave_;
};

} // namespace coproc::detail
