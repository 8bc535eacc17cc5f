#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A start with nothing left to decide: what `platform::spawn` is given and what it answers.

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>

#include "../core/error.hpp"
#include "signal_bits.hpp"

namespace coproc::platform {

class dispositions;

/// A descriptor that the child finds under another number.
struct passed_fd {
    int source; ///< above every target
    int target; ///< 3 or more
};

/// Whose rights the child takes. It then shares no memory with us, whose rights it gives up.
struct identity {
    static constexpr unsigned unchanged = static_cast<unsigned>(-1); // as for setresuid(2)
    uid_t user = unchanged;
    gid_t group = unchanged;
    bool set_groups = false;      ///< no groups is something else than groups left alone
    bool may_keep_groups = false; ///< where we have no right to set them
    const gid_t* groups = nullptr;
    std::size_t group_count = 0;
};

/// The session and the process group that the child takes.
struct session_plan {
    static constexpr pid_t ours = -1;
    static constexpr pid_t its_own = 0; // as for setpgid(2)
    bool is_new = false;                ///< a session of its own, and with it a group
    bool foreground = false;            ///< its own group is to have the foreground of our terminal
    pid_t group = ours;                 ///< or the number of one to join
};

/// What the child may use, see setrlimit(2).
struct resource_limit {
    int resource;
    rlimit value;
};

/// What else the child does to itself before its program runs.
struct settings_plan {
    const char* cgroup = nullptr;           ///< the directory of the one that it joins; null: ours
    int cgroup_procs = -1;                  ///< its file of that name, open for writing
    const resource_limit* limits = nullptr; ///< one for each resource
    std::size_t limit_count = 0;
    const unsigned long* processors = nullptr; ///< on which it may run, a bit each; null: on ours
    std::size_t processor_words = 0;
    int nice = 0;         ///< added to ours
    int umask = -1;       ///< -1: ours
    int death_signal = 0; ///< what it gets when the thread that makes it ends; 0: nothing
    pid_t parent = 0;     ///< us, if there is such a signal
    signal_bits blocked;  ///< when the program begins, besides what `inherit_signals` says
    signal_bits ignored;
};

/// Everything laid out in memory that stays as it is during the call.
struct spawn_plan {
    const char* path = nullptr;        ///< the file to execute: absolute, or relative to our own directory
    char* const* argv = nullptr;       ///< ends with a null pointer
    char* const* envp = nullptr;       ///< ends with a null pointer
    const char* cwd = nullptr;         ///< the child's directory; null: ours
    int stdio[3] = {-1, -1, -1};       ///< descriptors above 2 that become 0, 1 and 2; -1: ours is inherited
    const passed_fd* passed = nullptr; ///< in rising order of their targets
    std::size_t passed_count = 0;
    session_plan session;
    /// One of the descriptors in `stdio`: to be the controlling terminal of the new session. Or ours, of which it takes
    /// the foreground.
    int terminal = -1;
    const identity* as = nullptr;            ///< null: ours
    const settings_plan* settings = nullptr; ///< null: everything as we have it
    bool inherit_signals = false;            ///< else none is blocked and none ignored
    dispositions* ours = nullptr;            ///< knows what we ignore; null: nobody does
};

/// The step that failed and its errno; errno 0: the program runs.
struct spawn_outcome {
    spawn_stage stage = spawn_stage::exec;
    int error = 0;
    std::size_t which = 0; ///< of several limits
};

} // namespace coproc::platform
