#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// result: all that is to be known of a child that has ended.

#include <chrono>
#include <string>

#include "../core/exit_status.hpp"
#include "../core/resource_usage.hpp"
#include "../loop/timers.hpp"

namespace coproc {

struct result {
    exit_status status;
    std::string out; ///< what was captured of stdout; empty if it was not piped
    std::string err; ///< what was captured of stderr; empty if it was not piped
    resource_usage usage;
    platform::clock::duration elapsed{}; ///< from the start until it was reaped
    std::string command_line;            ///< as a shell would read it

    /// The result itself if the status is a success; throws exit_error if not. (In process_error.hpp.)
    const result& check() const&;
    result check() &&;
};

} // namespace coproc
