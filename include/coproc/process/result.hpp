#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// result: all that is to be known of a child that has ended.

#include <cstddef>
#include <cstdint>
#include <string>

#include "../core/exit_status.hpp"
#include "../core/resource_usage.hpp"
#include "../loop/timers.hpp"
#include "judgement.hpp"

namespace coproc {

struct result {
    exit_status status;
    std::string out; ///< what was captured of stdout; empty if it was not piped
    std::string err; ///< what was captured of stderr; empty if it was not piped
    resource_usage usage;
    platform::clock::duration elapsed{}; ///< from the start until it was reaped
    std::string command_line;            ///< as a shell would read it

    std::uint64_t out_bytes = 0;  ///< all that it wrote to stdout, kept or not
    std::uint64_t err_bytes = 0;  ///< all that it wrote to stderr, kept or not
    bool out_truncated = false;   ///< not all that came of stdout was kept
    bool err_truncated = false;   ///< not all that came of stderr was kept
    std::size_t err_gap = 0;      ///< if so, where in `err` the bytes are missing
    bool timed_out = false;       ///< it was stopped since its time was over, in all or without output
    bool stopped = false;         ///< we have stopped it
    bool killed = false;          ///< and SIGKILL was needed
    bool pipes_abandoned = false; ///< somebody else, a child of its own perhaps, still held its pipes
    std::size_t survivors = 0;    ///< how many of those that were to be stopped with it could not be

    judgement accepted; ///< what counts as a success: as the command says

    /// The result itself if the status is one that is accepted; throws exit_error if not. (In process_error.hpp.)
    const result& check() const&;
    result check() &&;
};

} // namespace coproc
