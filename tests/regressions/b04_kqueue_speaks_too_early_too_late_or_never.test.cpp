// SPDX-License-Identifier: BSL-1.0
//
// kqueue tells too early, too late, or not at all.
//
// What users saw: an exit that was never reported, a process that hung while it was being closed, the wrong handle
// invalidated.
// Root cause: NOTE_EXIT can come before the child is a zombie, so that WNOHANG found nothing and nobody looked again; a
// registration for a child that has ended already fails with ESRCH, which was taken for an error; and in one case the
// number of a process was compared with the number of a descriptor.
// Reports: libuv #3504, #3506 (OpenBSD), #3521 (NOTE_EXIT before it can be waited for), #3451 (ESRCH), #3441 (XNU loses
// SIGCHLD), #3893 (events miscounted, hang on an M1), #3629 (a pid compared with a descriptor).
// Why not here: an event, a refused registration and a timer all end in child_watch::look, which reaps if there is
// something to reap and else looks again; and an event names its target by its tag, never by a pid or a descriptor
// (event_loop::dispatch).
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/started_child.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// A child_watch with nothing around it.
class watch final : public detail::child_watch {
public:
    explicit watch(event_loop& loop) : child_watch(loop, destroy::kill) {}

private:
    void close_streams() noexcept override {}
};

#if defined(__linux__)
// One that no queue can be asked about, as when kqueue answers ESRCH.
platform::child unwatchable(const platform::child& known) { return {known.pid(), unique_fd()}; }
#else
platform::child unwatchable(const platform::child& known) { return known; }
#endif

task<exit_status> end_of(watch& child, stream_group& group) {
    wait_awaiter end(child, group);
    co_return co_await end;
}

struct abandoning {
    void operator()(watch* w) const noexcept { w->abandon(); }
};

std::unique_ptr<watch, abandoning> watch_over(event_loop& loop, platform::child child) {
    std::unique_ptr<watch, abandoning> made(new watch(loop));
    made->start(std::move(child));
    return made;
}

} // namespace

// Seen to fail: child_watch::look without its timer; "hangs: nothing came of it in 30 s".
TEST_CASE("the end of a child that the queue never tells of is found", "[regression][process]") {
    const nothing_leaks check;
    event_loop loop;
    stream_group group;
    started_child runs("code", 7);
    runs.reaped = true; // by the watch
    const auto w = watch_over(loop, unwatchable(runs.process));
    const auto talk = [&]() -> task<exit_status> {
        const auto later = [&]() -> task<> {
            co_await sleep_for(5ms);
            runs.let_it_end();
        };
        auto both = co_await when_all(end_of(*w, group), later());
        co_return std::get<0>(both);
    };
    CHECK(run_in_time(talk()) == exit_status::exited(7));
}

// Seen to fail: child_watch::watch doing nothing after an error; "hangs: nothing came of it in 30 s".
TEST_CASE("a child that has ended before anybody could register is found", "[regression][process]") {
    const nothing_leaks check;
    event_loop loop;
    stream_group group;
    started_child ended("code", 7);
    ended.wait_until_ended();
    ended.reaped = true;
    const auto w = watch_over(loop, unwatchable(ended.process));
    CHECK(run_in_time(end_of(*w, group)) == exit_status::exited(7));
}

TEST_CASE("hundreds of short lives are all noticed to have ended", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<int> {
        int good = 0;
        for (int i = 0; i < 300; ++i) { // each round is a race between the end and the registration
            async_process p(child("exit_with"), std::to_string(i % 256));
            const exit_status s = co_await p.wait();
            good += s == exit_status::exited(i % 256);
        }
        co_return good;
    };
    CHECK(run_in_time(talk()) == 300);
}

TEST_CASE("a descriptor may have the number of a process", "[regression][process]") {
    const nothing_leaks check;
    const int code = in_a_fork([] {
        const auto talk = []() -> task<int> {
            async_process p(child("hold"));
            const int pid = *p.pid();
            const auto enough = static_cast<rlim_t>(pid) + 10;
            const rlimit room{enough, enough};
            platform::pipe_ends pipe = platform::make_pipe();
            if (::setrlimit(RLIMIT_NOFILE, &room) != 0 || ::dup2(pipe.read.get(), pid) != pid) co_return 0; // no such
            ::fcntl(pid, F_SETFD, FD_CLOEXEC);
            stream_reader reader{unique_fd(pid)};
            const auto close_both = [&]() -> task<> {
                co_await sleep_for(1ms);
                pipe.write.reset(); // this one ends and is deregistered
                co_await sleep_for(1ms);
                p.close_stdin(); // and that one is still watched
            };
            auto all = co_await when_all(reader.read_all(), p.wait(25s), close_both());
            co_return std::get<1>(all) == exit_status::exited(0) ? 0 : 1;
        };
        return run(talk());
    });
    CHECK(code == 0);
}
