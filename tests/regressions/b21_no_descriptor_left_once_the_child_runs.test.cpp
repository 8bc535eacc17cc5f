// SPDX-License-Identifier: BSL-1.0
//
// No descriptor left, when the child runs already.
//
// What users saw: a start that "failed" while its program ran: whoever tried again ran it twice. Or a parent that fell
// back to a wait that blocked.
// Root cause: something was acquired behind the point of no return: pidfd_open after the spawn said EMFILE.
// Reports: oven-sh/bun PR #35924; cpython #151179, #151186 (pidfd leaked).
// Why not here: pipes, memory and the state come first, and the pidfd comes with the clone itself (CLONE_PIDFD). Where
// posix_spawn serves, a pidfd that cannot be had is done without (spawn_by). "It failed" means "none ran".
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

namespace {

// Leaves room for so many descriptors more.
void leave(int count) {
    const int next = ::dup(0);
    ::close(next);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = static_cast<rlim_t>(next + count);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

// Seen to fail: spawn_by_clone copying the pidfd behind the clone and giving up with EMFILE where it could not: a child
// was left, 5 == 0. And, with COPROC_SPAWN=posix_spawn, spawn_by giving up without a pidfd: more programs
// ran than starts had worked, 2 == 0.
TEST_CASE("a start that fails for want of descriptors has run nothing", "[regression][process][own_descriptors]") {
    const temporary_directory directory;
    const std::string traces = directory / "traces"; // a line for each program that ran
    const int code = in_a_fork([&] {
        ::dup2(::open(traces.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 1);
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        event_loop loop;
        int worked = 0;
        int failed = 0;
        for (int left = 0; left < 14; ++left) {
            const command c = command(child("shout")).out(stdio::inherit); // and two pipes
            leave(left);
            try {
                async_process p(c);
                ++worked;
                if (!loop.run(p.wait()).success()) return 1;
            } catch (const spawn_error& e) {
                ++failed;
                if (e.code() != std::errc::too_many_files_open) return 4;
            }
            ::setrlimit(RLIMIT_NOFILE, &before);
            if (!no_children()) return 5;
        }
        const std::string ran = content_of(traces);
        if (std::count(ran.begin(), ran.end(), '\n') != worked) return 2;
        return worked > 0 && failed > 3 ? 0 : 3;
    });
    CHECK(code == 0);
}
