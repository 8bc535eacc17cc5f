#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A real make, and what it has to say.

#include <stdlib.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <coproc/process/async_process.hpp>
#include <coproc/process/command.hpp>
#include <coproc/process/result.hpp>

#include "catch.hpp"
#include "run_in_time.hpp"

/// Until the end of its scope an environment variable is this, or is not there.
class variable {
public:
    variable(const char* name, const char* value) : name_(name) {
        if (const char* const before = ::getenv(name)) before_ = before;
        set(value);
    }
    variable(const variable&) = delete;
    variable& operator=(const variable&) = delete;
    ~variable() { set(before_ ? before_->c_str() : nullptr); }

private:
    void set(const char* value) {
        if (value != nullptr) ::setenv(name_, value, 1);
        else ::unsetenv(name_);
    }
    const char* name_;
    std::optional<std::string> before_;
};

inline coproc::task<coproc::result> talk_with(const coproc::command& c) {
    coproc::async_process process(c);
    co_return co_await process.communicate();
}
inline coproc::result run_through(coproc::command c) {
    c.in(coproc::stdio::null);
    return run_in_time(talk_with(c));
}

/// A GNU make, or none; where there is none, the test says so and passes.
struct gnu_make {
    gnu_make() {
        for (const char* name : {"gmake", "make"}) {
            try {
                const std::string out = run_through(coproc::command(name, "--version")).out;
                if (out.compare(0, 9, "GNU Make ") != 0) continue;
                program = name;
                has_fifo = std::stod(out.substr(9)) > 4.35;
                return;
            } catch (const coproc::spawn_error&) { // not installed
            }
        }
        WARN("skipped: there is no GNU make here");
    }
    explicit operator bool() const { return !program.empty(); }

    /// The options for each way in which it can serve guests here: what a blocking pipe is to other systems than Linux
    /// is told in make_slots.hpp.
    [[nodiscard]] std::vector<std::vector<std::string>> styles() const {
        std::vector<std::vector<std::string>> all;
        if (has_fifo) all.push_back({"--jobserver-style=fifo"});
#if defined(__linux__)
        all.push_back(has_fifo ? std::vector<std::string>{"--jobserver-style=pipe"} : std::vector<std::string>{});
#else
        if (!has_fifo) WARN("skipped: this make can share its slots on Linux only");
#endif
        return all;
    }
    /// One that nobody serves yet, and that speaks English.
    [[nodiscard]] coproc::command top() const {
        return coproc::command(program, "--no-print-directory").unset_env("MAKEFLAGS").env("LC_ALL", "C");
    }

    std::string program;
    bool has_fifo = false;
};

/// The most jobs that were at work at once, by what children/job_log.cpp has written; -1 if not all have ended.
inline int most_at_once(const std::string& log) {
    int running = 0;
    int most = 0;
    for (const char c : log) most = std::max(most, running += c == '+' ? 1 : -1);
    return running == 0 ? most : -1;
}
