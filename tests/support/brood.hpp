#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Children that have children: tests/children/brood.cpp, whose letters say who does what.

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <coproc/loop/sleep.hpp>
#include <coproc/process/async_process.hpp>

#include "catch.hpp"
#include "children.hpp"

inline coproc::command brood(const std::string& what) { return coproc::command(child("brood"), what); }

/// The next `count` lines, each of which is the pid of one that is ready.
inline coproc::task<std::vector<int>> pids_from(coproc::async_process& p, std::size_t count) {
    std::vector<int> pids;
    while (pids.size() < count) {
        const auto line = co_await p.read_line();
        REQUIRE(line);
        pids.push_back(std::stoi(*line));
    }
    co_return pids;
}

/// Whether a process that is not our child runs; a zombie, which its parent or init may leave lying, does not.
inline bool runs(int pid) {
#if defined(__linux__)
    const auto facts = coproc::platform::facts_of(pid);
    return facts && facts->state != 'Z' && facts->state != 'X';
#else
    return ::kill(pid, 0) == 0;
#endif
}

/// Until none of them runs.
inline coproc::task<> until_gone(const std::vector<int>& pids) {
    for (const int pid : pids) {
        while (runs(pid)) co_await coproc::sleep_for(std::chrono::microseconds(100));
    }
}

/// All of a brood have the pipe of its stdout. What they write until the last of them has ended; for ever if one has
/// been left behind.
inline auto until_the_last_has_ended(coproc::async_process& p) { return p.read_stdout(); }
