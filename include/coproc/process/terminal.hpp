#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// terminal: the pseudo-terminal that a command's child is to have.
//
//     command("ssh", host).pty(terminal(24, 80).echo(false))

#include <concepts>
#include <stdexcept>
#include <string>
#include <utility>

#include "../core/concat.hpp"
#include "../platform/pty.hpp"

namespace coproc {

/// In characters.
struct window_size {
    int rows = 0;
    int cols = 0;

    friend bool operator==(const window_size&, const window_size&) = default;
};

class terminal {
public:
    static constexpr int usual_rows = 24;
    static constexpr int usual_cols = 80;

    /// Throws std::invalid_argument for less than 1 or more than 65535.
    template <std::integral Rows = int, std::integral Cols = int>
    explicit terminal(Rows rows = usual_rows, Cols cols = usual_cols) {
        modes_.rows = checked(rows, "rows");
        modes_.cols = checked(cols, "columns");
        opens_ = &platform::make_pty;
    }

    /// Whether what is typed is seen in the output. As the system makes it, it is.
    terminal& echo(bool on) noexcept {
        modes_.echo = on ? platform::pty_modes::choice::on : platform::pty_modes::choice::off;
        return *this;
    }
    /// As cfmakeraw(3) has it: bytes go through as they are, both ways. No line is put together, `\n` stays `\n`,
    /// nothing is echoed unless `echo(true)` says so, no character signals, ends or erases anything. By default a
    /// terminal does all that, and the child may change it at any time.
    terminal& raw(bool on = true) noexcept {
        modes_.raw = on;
        return *this;
    }

    [[nodiscard]] window_size size() const noexcept { return {modes_.rows, modes_.cols}; }
    /// As the system takes it.
    [[nodiscard]] const platform::pty_modes& modes() const noexcept { return modes_; }
    /// Makes one.
    [[nodiscard]] platform::pty_ends open() const noexcept { return opens_(modes_); }

    /// Throws std::invalid_argument for what is no number of `what`.
    template <std::integral Number>
    [[nodiscard]] static unsigned short checked(Number number, const char* what) {
        if (std::in_range<unsigned short>(number) && number != 0) return static_cast<unsigned short>(number);
        throw std::invalid_argument(detail::concat({"a terminal cannot have ", number, " ", what, ": 1 to 65535"}));
    }

private:
    platform::pty_modes modes_;
    // Named in a template only, so that what makes terminals is no part of programs that have none.
    platform::pty_ends (*opens_)(const platform::pty_modes&) noexcept;
};

} // namespace coproc
