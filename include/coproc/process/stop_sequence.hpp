#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// stop_sequence: how a child is asked to end, as a value.
//
//     co_await p.stop(stop_sequence().then(SIGINT, 1s).then(SIGTERM, 2s));   // and SIGKILL after that

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/concat.hpp"
#include "../loop/timers.hpp"
#include "../platform/system_numbers.hpp"

namespace coproc {

/// Signals, each with the time that it is given to work. It ends the moment that nobody is left to be stopped; SIGKILL
/// is always the last, and of an empty sequence the only one.
class stop_sequence {
public:
    struct step {
        int signal;
        platform::clock::duration time;
    };

    stop_sequence() noexcept {} // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12's sake

    /// Then this signal, and so long for everybody to end. With no time, or less, the next step follows at once:
    /// `then(SIGCONT, 0s).then(SIGTERM, 5s)`. Throws std::invalid_argument for what is no signal.
    template <class Rep, class Period>
    stop_sequence& then(int signal, std::chrono::duration<Rep, Period> time) {
        if (signal <= 0 || signal > platform::highest_signal) {
            throw std::invalid_argument(detail::concat({signal, " is no signal"}));
        }
        steps_.push_back({signal, to_clock_duration(time)});
        return *this;
    }

    [[nodiscard]] const std::vector<step>& steps() const noexcept { return steps_; }

private:
    std::vector<step> steps_;
};

namespace detail {

/// SIGTERM and a grace. Without a grace it is SIGKILL at once.
[[nodiscard]] inline stop_sequence terminate_within(platform::clock::duration grace) {
    stop_sequence sequence;
    if (grace > platform::clock::duration::zero()) sequence.then(SIGTERM, grace);
    return sequence;
}

} // namespace detail
} // namespace coproc
