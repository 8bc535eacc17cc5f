#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Pseudo-terminals: two ends, of which ours, the master, is where a human with a keyboard would be.

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "../core/unique_fd.hpp"
#include "pipe.hpp"

namespace coproc::platform {

struct pty_ends {
    unique_fd master; ///< ours
    unique_fd slave;  ///< the child's: what it takes for a terminal
};

/// What is not said stays as the system makes it: lines are put together and echoed.
struct pty_modes {
    enum class choice : signed char { unsaid = -1, off, on };
    unsigned short rows = 0;
    unsigned short cols = 0;
    choice echo = choice::unsaid;
    bool raw = false; ///< as cfmakeraw(3), with which nothing is echoed unless that is said
};

// ---- making one ----

namespace detail {

[[nodiscard]] inline unique_fd open_master() noexcept {
#if defined(__APPLE__) // which does not promise to take O_CLOEXEC here
    unique_fd master(::posix_openpt(O_RDWR | O_NOCTTY));
    if (master) ::fcntl(master.get(), F_SETFD, FD_CLOEXEC);
#else
    unique_fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
#endif
    master = above_stdio(std::move(master));
    if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0) return {};
    return master;
}

// Opened by name.
[[nodiscard]] inline unique_fd open_named_slave(const unique_fd& master) noexcept {
    char name[128];
#if defined(__APPLE__)
    if (::ioctl(master.get(), TIOCPTYGNAME, name) != 0) return {}; // ptsname(3) is not for threads
#else
    if (const int error = ::ptsname_r(master.get(), name, sizeof name); error != 0) {
        if (error > 0) errno = error; // some tell it that way
        return {};
    }
#endif
    return unique_fd(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

[[nodiscard]] inline unique_fd open_slave(const unique_fd& master) noexcept {
#if defined(TIOCGPTPEER) // Linux 4.13: also where /dev/pts is another one than the master's
    unique_fd slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave && errno != EMFILE && errno != ENFILE) slave = open_named_slave(master);
#else
    unique_fd slave = open_named_slave(master);
#endif
    return above_stdio(std::move(slave));
}

[[nodiscard]] inline bool set_modes(int fd, const pty_modes& modes) noexcept {
    if (!modes.raw && modes.echo == pty_modes::choice::unsaid) return true;
    termios now; // NOLINT(cppcoreguidelines-pro-type-member-init): the call fills it
    if (::tcgetattr(fd, &now) != 0) return false;
    if (modes.raw) ::cfmakeraw(&now);
    if (modes.echo == pty_modes::choice::on) now.c_lflag |= static_cast<tcflag_t>(ECHO);
    if (modes.echo == pty_modes::choice::off) now.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
    return ::tcsetattr(fd, TCSANOW, &now) == 0;
}

} // namespace detail

/// The number of rows and columns. The foreground group of the terminal is sent SIGWINCH if that is a change.
[[nodiscard]] inline bool set_window_size(int fd, unsigned short rows, unsigned short cols) noexcept {
    winsize size{};
    size.ws_row = rows;
    size.ws_col = cols;
    return ::ioctl(fd, TIOCSWINSZ, &size) == 0;
}
/// False on failure, with errno.
[[nodiscard]] inline bool get_window_size(int fd, unsigned short& rows, unsigned short& cols) noexcept {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return false;
    rows = size.ws_row;
    cols = size.ws_col;
    return true;
}

/// Both ends close-on-exec, above 2 and nobody's controlling terminal; ours does not block. Empty ends on failure, with
/// errno.
///
/// While the slave is open somewhere, the master does not hang up; so ours is to be closed only when the child has its
/// own.
[[nodiscard, gnu::cold]] inline pty_ends make_pty(const pty_modes& modes) noexcept {
    pty_ends ends;
    ends.master = detail::open_master();
    if (!ends.master) return {};
    ends.slave = detail::open_slave(ends.master);
    if (!ends.slave || !detail::set_modes(ends.slave.get(), modes) ||
        !set_window_size(ends.slave.get(), modes.rows, modes.cols) || !set_nonblocking(ends.master)) {
        const int error = errno;
        ends = {};
        errno = error;
    }
    return ends;
}

// ---- its end ----

/// Whether the errno of a read that has just failed is how the end of a terminal's output is told: on Linux the master
/// says EIO when no slave is open any more and all that was written has been read (elsewhere read(2) answers 0). errno
/// stays as it is.
[[nodiscard]] inline bool says_end([[maybe_unused]] int fd) noexcept {
#if defined(__linux__)
    if (errno != EIO) return false;
    unsigned number = 0;
    const bool is_master = ::ioctl(fd, TIOCGPTN, &number) == 0;
    errno = EIO;
    return is_master;
#else
    return false;
#endif
}

/// Whether nobody has the slave of this master open any more. Elsewhere than on Linux a write says so (EIO).
[[nodiscard]] inline bool has_hung_up([[maybe_unused]] int master) noexcept {
#if defined(__linux__)
    pollfd now{master, 0, 0};
    return ::poll(&now, 1, 0) == 1 && (now.revents & POLLHUP) != 0;
#else
    return false;
#endif
}

/// What is typed to end the input of a terminal.
struct typed_end {
    char bytes[2] = {};
    std::size_t count = 0;
};

namespace detail {

// Whether the line that is being typed is empty behind `last`.
[[nodiscard]] inline bool begins_line(const termios& modes, char last) noexcept {
    const auto is = [&](int key) {
        return static_cast<unsigned char>(last) == modes.c_cc[key] && modes.c_cc[key] != _POSIX_VDISABLE;
    };
    if (last == '\n' || is(VEOF) || is(VEOL) || is(VKILL)) return true;
    if (last == '\r') return (modes.c_iflag & static_cast<tcflag_t>(ICRNL)) != 0;
    const bool interrupts = (modes.c_lflag & static_cast<tcflag_t>(ISIG)) != 0;
    const bool flushes = (modes.c_lflag & static_cast<tcflag_t>(NOFLSH)) == 0;
    return interrupts && flushes && (is(VINTR) || is(VQUIT) || is(VSUSP));
}

} // namespace detail

/// As a human would end the input of the terminal of this master, with `last` as the byte typed last: by its
/// end-of-file character, which hands what has been typed of a line to the child, and which is the end only where that
/// is nothing; so twice in the midst of a line. Nothing where there is no such character: the child takes each byte as
/// it comes, and only itself knows what it takes for the end.
[[nodiscard]] inline typed_end end_of_input(int master, char last) noexcept {
    termios modes; // NOLINT(cppcoreguidelines-pro-type-member-init): the call fills it
    if (::tcgetattr(master, &modes) != 0 || (modes.c_lflag & static_cast<tcflag_t>(ICANON)) == 0) return {};
    const cc_t end = modes.c_cc[VEOF];
    if (end == _POSIX_VDISABLE) return {};
    const char typed = static_cast<char>(end);
    return {{typed, typed}, detail::begins_line(modes, last) ? std::size_t{1} : std::size_t{2}};
}

} // namespace coproc::platform
