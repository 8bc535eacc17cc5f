#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A child on the ground floor: started by platform::spawn alone, with no loop and no stream.

#include <coproc/platform/environment.hpp>
#include <coproc/platform/pipe.hpp>
#include <coproc/platform/platform.hpp>

#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>
#include <utility>

#include "catch.hpp"

/// Runs tests/children/end_by.cpp: ends by the code or signal given, but not before `let_it_end`. Killed and reaped
/// with its owner, unless somebody has reaped it before.
class started_child {
public:
    started_child(std::string how, int number) {
        using namespace coproc::platform;
        pipe_ends ends = make_pipe();
        static const char program[] = COPROC_TEST_CHILDREN "/end_by";
        std::string argument = std::to_string(number);
        char* argv[] = {const_cast<char*>(program), how.data(), argument.data(), nullptr};

        spawn_plan plan;
        plan.path = program;
        plan.argv = argv;
        plan.envp = environment();
        plan.stdio[0] = ends.read.get();
        const spawn_outcome outcome = spawn(plan, process);
        REQUIRE(outcome.error == 0);
        stdin_ = std::move(ends.write);
    }
    started_child(const started_child&) = delete;
    started_child& operator=(const started_child&) = delete;
    ~started_child() {
        if (reaped) return;
        process.send_signal(SIGKILL);
        static_cast<void>(process.reap());
    }

    void let_it_end() { stdin_.reset(); }

    /// Ended, but not reaped: a zombie.
    void wait_until_ended() {
        let_it_end();
        siginfo_t info{};
        while (::waitid(P_PID, static_cast<id_t>(process.pid()), &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
        }
    }

    coproc::platform::reaped reap() {
        reaped = true;
        return process.reap();
    }

    coproc::platform::child process;
    bool reaped = false;

private:
    coproc::unique_fd stdin_;
};
