// SPDX-License-Identifier: BSL-1.0
//
// SIGPIPE kills the host, or the child begins with SIGPIPE ignored.
//
// What users saw: a program that died because its child did not read; and pipelines under a host that ignores SIGPIPE
// (Python, Node) that went on for ever, since that is inherited through exec.
// Root cause: a write to a pipe knows no MSG_NOSIGNAL; dispositions that ignore survive exec.
// Reports: tiny-process-library #28, libsdl-org/SDL #10835, httrack #1691, linyaps #1926; nodejs/node #13662 (libuv
// 28eb1d4, 11563e1), JDK-8364611.
// Why not here: write_without_sigpipe blocks the signal in its thread around the write and takes the one that came, so
// nothing of the process changes; reset_dispositions gives every signal its default in the child.
#include <signal.h>

#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

// Seen to fail: write_without_sigpipe as a plain write(2); the host was ended by it, -13 == 0.
TEST_CASE("a host that never thought of SIGPIPE survives children that do not read", "[regression][process]") {
    const int code = in_a_fork([] {
        ::signal(SIGPIPE, SIG_DFL);
        const auto talk = []() -> task<int> {
            async_process deaf(child("deaf"));
            co_await deaf.read_line();
            bool broken = false;
            try {
                co_await deaf.write_stdin("x");
            } catch (const stream_error& e) {
                broken = e.code() == std::errc::broken_pipe;
            }
            if (!broken) co_return 1;
            async_process sip(child("sip"), "1"); // leaves in the middle of it
            const result r = co_await sip.communicate(std::string(1000000, 'x'));
            co_return r.status.code() == 3 ? 0 : 2;
        };
        if (const int wrong = run(talk())) return wrong;
        sigset_t pending;
        ::sigpending(&pending);
        return sigismember(&pending, SIGPIPE) == 0 ? 0 : 3; // and none is left to come later
    });
    CHECK(code == 0);
}

// Seen to fail: reset_dispositions doing nothing; the child said that it ignores 13, 1 == 0.
TEST_CASE("a child of a host that ignores SIGPIPE does not", "[regression][process]") {
    const int code = in_a_fork([] {
        ::signal(SIGPIPE, SIG_IGN);
        const auto talk = []() -> task<int> {
            async_process p(child("signal_state"));
            const result r = co_await p.communicate();
            if (!r.out.empty()) co_return 1;
            async_process writes(child("endless")); // ends by it as any filter does
            co_await writes.out().read(1);
            writes.out().close();
            const exit_status s = co_await writes.wait();
            co_return s.signal() == SIGPIPE ? 0 : 2;
        };
        if (const int wrong = run(talk())) return wrong;
        struct sigaction now {};
        ::sigaction(SIGPIPE, nullptr, &now);
        return now.sa_handler == SIG_IGN ? 0 : 3; // the host's own is as it was
    });
    CHECK(code == 0);
}
