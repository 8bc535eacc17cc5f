#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A start with nothing left to decide: what `platform::spawn` is given and what it answers.

#include "../core/error.hpp"

namespace coproc::platform {

/// Everything laid out in memory that stays as it is during the call.
struct spawn_plan {
    const char* path = nullptr;  ///< the file to execute: absolute, or relative to our own directory
    char* const* argv = nullptr; ///< ends with a null pointer
    char* const* envp = nullptr; ///< ends with a null pointer
    const char* cwd = nullptr;   ///< the child's directory; null: ours
    int stdio[3] = {-1, -1, -1}; ///< descriptors above 2 that become 0, 1 and 2; -1: ours is inherited
};

/// The step that failed and its errno; errno 0: the program runs.
struct spawn_outcome {
    spawn_stage stage = spawn_stage::exec;
    int error = 0;
};

} // namespace coproc::platform
