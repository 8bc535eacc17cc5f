#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A process of its own for a test that closes, limits or ignores what the test program itself still needs. It reports
// by its exit code: 0 is good, and each check has a number of its own.

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>

/// The exit code of `f()`, run in a fork; -n if signal n ended it; 254 if it threw.
template <class F>
int in_a_fork(F f) {
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) {
        int code = 254;
        try {
            ::alarm(60); // nobody waits for ever
            code = f();
        } catch (const std::exception& e) {
            std::fprintf(stderr, "in a fork: %s\n", e.what());
        } catch (...) {
        }
        ::_exit(code);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}
