#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Commands that are only started to see what comes of it.

#include <optional>
#include <string>

#include <coproc/process/async_process.hpp>

#include "catch.hpp"
#include "resources.hpp"
#include "run_in_time.hpp"

/// With nothing to read on its stdin.
inline coproc::task<coproc::result> run_it(coproc::command c) {
    coproc::async_process p(c);
    co_return co_await p.communicate();
}

/// What it writes on stdout, and it does nothing else.
inline std::string output_of(const coproc::command& c) {
    const coproc::result r = run_in_time(run_it(c));
    CHECK(r.status.success());
    CHECK(r.err.empty());
    return r.out;
}

/// Whether it cannot be started, in the loop that is there.
inline bool fails(const coproc::command& c) {
    try {
        coproc::async_process p(c);
    } catch (const coproc::spawn_error&) {
        return true;
    }
    return false;
}

/// Why it cannot be started; nothing if it can, and then it is killed.
inline std::optional<coproc::spawn_error> failure_of(const coproc::command& c) {
    const nothing_leaks check;
    coproc::event_loop loop;
    try {
        const nothing_leaks check_in_the_loop; // nothing is left for the loop to do either
        coproc::async_process p(c);
    } catch (const coproc::spawn_error& e) {
        return e;
    }
    return std::nullopt;
}
