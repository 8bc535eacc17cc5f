// SPDX-License-Identifier: BSL-1.0
//
// Children whom we may not signal, since their program has more rights than we have, as with sudo.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/rights.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

constexpr int not_so_here = 99; // where set-user-ID programs get nothing, as in some containers

// What `f(command, leash)` says, as an ordinary user; the child of the command goes when the leash is closed.
template <class F>
int beyond_us(F f) {
    const for_everybody program("above_us");
    if (::chmod(program.path().c_str(), 04755) != 0) return not_so_here;
    return in_a_fork([&] {
        platform::pipe_ends leash = platform::make_pipe();
        if (!become_nobody()) return 98;
        command c(program.path());
        c.pass_fd(3, leash.read.get());
        return f(c, leash.write);
    });
}

bool as_it_should_be(int code) {
    if (code == not_so_here) WARN("set-user-ID programs have no rights of their own here");
    else CHECK(code == 0);
    return code == 0;
}

task<bool> is_above(async_process& p) {
    const auto line = co_await p.read_line();
    co_return line == "ready 0";
}

} // namespace

TEST_CASE("a run is over in time although its child may not be signalled by us", "[process]") {
    if (!we_are_root()) return;
    const nothing_leaks check;
    for (const bool with_group : {false, true}) {
        const int code = beyond_us([&](command& c, unique_fd& leash) {
            c.grace(50ms).drain(50ms);
            if (with_group) c.new_process_group();
            event_loop loop;
            const auto talk = [&]() -> task<int> {
                async_process p(c);
                const bool above = co_await is_above(p);
                if (!above) co_return not_so_here;
                const int pid = *p.pid();
                std::optional<timeout_error> error;
                try {
                    const result r = co_await p.execute(100ms);
                } catch (const timeout_error& e) {
                    error = e;
                }
                if (!error) co_return 1;
                const result& r = error->result();
                if (!r.timed_out || !r.stopped || r.killed || !r.pipes_abandoned) co_return 2;
                if (r.status != exit_status::unknown() || r.survivors != 1) co_return 3;
                if (std::string(error->what()).find("with 1 left running") == std::string::npos) co_return 4;
                const auto again = co_await p.stop();
                if (again != exit_status::unknown() || p.running() || p.pid()) co_return 5;
                if (::kill(pid, 0) == 0 || errno != EPERM) co_return 6; // it does run
                leash.reset();
                for (int tries = 0; tries < 5000; ++tries) { // when it ends the loop reaps it
                    if (::kill(pid, 0) != 0 && errno == ESRCH) co_return 0;
                    co_await sleep_for(1ms);
                }
                co_return 7;
            };
            return loop.run(talk());
        });
        if (!as_it_should_be(code)) return;
    }
}

// Seen to fail: with a group that is not there for us since we may not signal it; with a time for others who do not
// die and another one after it for the pipes that they hold.
TEST_CASE("a run is over in time although others of it may not be signalled by us", "[process]") {
    if (!we_are_root()) return;
    const nothing_leaks check;
    const int code = beyond_us([&](command& above, unique_fd& leash) {
        command c(child("keep_child"), above.program());
        c.pass_fd(3, above.passed_fds().front().second.get()).new_process_group().grace(1ms).drain(1s);
        event_loop loop;
        const auto talk = [&]() -> task<int> {
            async_process p(c);
            const bool is_ready = co_await is_above(p);
            if (!is_ready) co_return not_so_here;
            const auto began = std::chrono::steady_clock::now();
            std::optional<timeout_error> error;
            try {
                const result r = co_await p.execute(1ms);
            } catch (const timeout_error& e) {
                error = e;
            }
            const auto took = std::chrono::steady_clock::now() - began;
            if (!error) co_return 1;
            const result& r = error->result();
            if (r.status.signal() == 0 || r.survivors != 1 || !r.pipes_abandoned) co_return 2;
            if (took < 1s || took > 1900ms) co_return 3;
            leash.reset();
            co_return 0;
        };
        return loop.run(talk());
    });
    static_cast<void>(as_it_should_be(code));
}

TEST_CASE("neither destruction nor the end of a loop waits for a child that may not be signalled by us", "[process]") {
    if (!we_are_root()) return;
    const nothing_leaks check;
    const int code = beyond_us([](command& c, unique_fd& leash) {
        int pid = 0;
        const auto talk = [&]() -> task<int> {
            async_process p(c);
            const bool above = co_await is_above(p);
            if (!above) co_return not_so_here;
            pid = *p.pid();
            co_return 0;
        };
        const int end = run(talk());
        if (end != 0) return end;
        if (::waitpid(pid, nullptr, WNOHANG) != 0) return 1; // it runs
        leash.reset();
        return ::waitpid(pid, nullptr, 0) == pid ? 0 : 2;
    });
    as_it_should_be(code);
}
