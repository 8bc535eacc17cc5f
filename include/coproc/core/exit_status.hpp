#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// How a child ended: with a code, by a signal, or in a way that nobody could tell us.
//
//     exit_status s = co_await proc.wait();
//     if (s.success()) …
//     else if (auto n = s.signal()) …       // never folded into 128 + n
//     std::cerr << s.to_string();           // "exited with code 3", "killed by SIGKILL (core dumped)"

#include <csignal>
#include <optional>
#include <string>

#include "concat.hpp"

namespace coproc {

/// The name of a signal, "SIGTERM"; "signal 42" for one that POSIX does not name.
[[nodiscard, gnu::cold]] inline std::string signal_name(int number) {
    switch (number) {
    case SIGABRT: return "SIGABRT";
    case SIGALRM: return "SIGALRM";
    case SIGBUS: return "SIGBUS";
    case SIGCHLD: return "SIGCHLD";
    case SIGCONT: return "SIGCONT";
    case SIGFPE: return "SIGFPE";
    case SIGHUP: return "SIGHUP";
    case SIGILL: return "SIGILL";
    case SIGINT: return "SIGINT";
    case SIGKILL: return "SIGKILL";
    case SIGPIPE: return "SIGPIPE";
    case SIGPROF: return "SIGPROF";
    case SIGQUIT: return "SIGQUIT";
    case SIGSEGV: return "SIGSEGV";
    case SIGSTOP: return "SIGSTOP";
    case SIGSYS: return "SIGSYS";
    case SIGTERM: return "SIGTERM";
    case SIGTRAP: return "SIGTRAP";
    case SIGTSTP: return "SIGTSTP";
    case SIGTTIN: return "SIGTTIN";
    case SIGTTOU: return "SIGTTOU";
    case SIGURG: return "SIGURG";
    case SIGUSR1: return "SIGUSR1";
    case SIGUSR2: return "SIGUSR2";
    case SIGVTALRM: return "SIGVTALRM";
    case SIGXCPU: return "SIGXCPU";
    case SIGXFSZ: return "SIGXFSZ";
    default: return detail::concat({"signal ", number});
    }
}

/// A sum of three cases: exited(code), signaled(signal, core dumped), unknown.
///
/// Unknown is what is left when somebody else reaped the child and the kernel keeps no record: it is never
/// a success, and never an invented 0.
class exit_status {
public:
    /// Unknown.
    constexpr exit_status() noexcept = default;

    [[nodiscard]] static constexpr exit_status exited(int code) noexcept { return {kind::exited, code, false}; }
    [[nodiscard]] static constexpr exit_status signaled(int signal, bool core_dumped = false) noexcept {
        return {kind::signaled, signal, core_dumped};
    }
    [[nodiscard]] static constexpr exit_status unknown() noexcept { return {}; }

    /// True for exited(0) and for nothing else.
    [[nodiscard]] constexpr bool success() const noexcept { return kind_ == kind::exited && value_ == 0; }
    [[nodiscard]] constexpr bool known() const noexcept { return kind_ != kind::unknown; }

    /// 0 … 255 if the child exited.
    [[nodiscard]] constexpr std::optional<int> code() const noexcept { return value_of(kind::exited); }
    /// The number of the signal if one ended the child.
    [[nodiscard]] constexpr std::optional<int> signal() const noexcept { return value_of(kind::signaled); }
    [[nodiscard]] constexpr bool core_dumped() const noexcept { return core_dumped_; }

    [[nodiscard]] std::string to_string() const {
        switch (kind_) {
        case kind::exited: return detail::concat({"exited with code ", value_});
        case kind::signaled:
            return detail::concat({"killed by ", signal_name(value_), core_dumped_ ? " (core dumped)" : ""});
        case kind::unknown: break;
        }
        return "ended with unknown status";
    }

    friend constexpr bool operator==(const exit_status&, const exit_status&) noexcept = default;

private:
    enum class kind : unsigned char { unknown, exited, signaled };

    constexpr exit_status(kind k, int value, bool core_dumped) noexcept
        : value_(value), kind_(k), core_dumped_(core_dumped) {}

    [[nodiscard]] constexpr std::optional<int> value_of(kind k) const noexcept {
        return kind_ == k ? std::optional<int>(value_) : std::nullopt;
    }

    int value_ = 0;
    kind kind_ = kind::unknown;
    bool core_dumped_ = false;
};

} // namespace coproc
