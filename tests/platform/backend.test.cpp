// SPDX-License-Identifier: BSL-1.0
//
// The contract of contract.hpp, for whichever backend this system has.
#include <coproc/platform/platform.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/readable.hpp"
#include "support/resources.hpp"
#include "support/started_child.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc::platform;
using coproc::unique_fd;
using namespace std::chrono_literals;

namespace {

struct event {
    std::uint64_t tag;
    readiness what;
};
using events = std::vector<event>;

events collect(backend& queue, bool may_block) {
    events seen;
    queue.wait(may_block, [&](std::uint64_t tag, readiness what) { seen.push_back({tag, what}); });
    return seen;
}
/// From now on the handle tells of everything.
void settle(backend& queue) { CHECK(queue.settle() == 0u); }
/// What has happened already.
events now(backend& queue) { return collect(queue, false); }
/// What happens next; for what must happen. Not even a signal of the host makes it return with nothing.
events next(backend& queue) {
    for (;;) {
        if (events seen = collect(queue, true); !seen.empty()) return seen;
    }
}

#if defined(COPROC_BACKEND_KQUEUE) && defined(__linux__)
// libkqueue does its work within kevent(2): its descriptor does not tell.
bool has_news(const backend&) { return true; }
bool is_silent(const backend&, int = 0) { return true; }
#else
bool has_news(const backend& queue) { return readable(queue.native_handle()); }
bool is_silent(const backend& queue, int for_ms = 0) { return !readable(queue.native_handle(), for_ms); }
#endif

void put(const unique_fd& fd, std::string_view bytes) {
    REQUIRE(::write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}
void take(const unique_fd& fd, std::size_t size) {
    std::string bytes(size, '\0');
    REQUIRE(::read(fd.get(), bytes.data(), size) == static_cast<ssize_t>(size));
}

// Our ends are non-blocking, as in life.
pipe_ends nonblocking_pipe() {
    pipe_ends ends = make_pipe();
    ends.read = nonblocking(std::move(ends.read));
    ends.write = nonblocking(std::move(ends.write));
    return ends;
}

void drain(const unique_fd& fd) {
    char bytes[65536];
    while (::read(fd.get(), bytes, sizeof bytes) > 0) {
    }
}

} // namespace

TEST_CASE("a queue in which nothing happens has nothing to say", "[platform]") {
    const nothing_leaks check;
    backend queue;
    CHECK(is_silent(queue));
    CHECK(now(queue).empty());
    const pipe_ends ends = nonblocking_pipe();
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 7));
    CHECK(is_silent(queue));
    CHECK(now(queue).empty());
    queue.unwatch(ends.read.get(), interest::read);
}

TEST_CASE("bytes that come are a read event with its tag", "[platform]") {
    backend queue;
    const pipe_ends ends = nonblocking_pipe();
    const std::uint64_t tag = 0x1234'5678'9abc'def0; // all 64 bits come back
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, tag));
    put(ends.write, "x");
    CHECK(has_news(queue));
    const events seen = next(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].tag == tag);
    CHECK(seen[0].what.read);
    CHECK_FALSE(seen[0].what.hangup);
}

TEST_CASE("what was there before it was watched is reported too", "[platform]") {
    backend queue;
    const pipe_ends ends = nonblocking_pipe();
    put(ends.write, "x");
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    CHECK(has_news(queue));
    CHECK(now(queue).size() == 1u);
}

TEST_CASE("an event is told once until something new happens", "[platform]") {
    backend queue;
    const pipe_ends ends = nonblocking_pipe();
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    put(ends.write, "abc");
    CHECK(next(queue).size() == 1u);
    CHECK(is_silent(queue)); // although the bytes are still there
    CHECK(now(queue).empty());
    take(ends.read, 3);
    CHECK(now(queue).empty());
    put(ends.write, "d");
    CHECK(has_news(queue));
    CHECK(next(queue).size() == 1u);
    put(ends.write, "e"); // on top of one that was not taken
    CHECK(next(queue).size() == 1u);
}

TEST_CASE("a writer that leaves is a hang-up and a read event", "[platform]") {
    backend queue;
    pipe_ends ends = nonblocking_pipe();
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    put(ends.write, "last words");
    CHECK(next(queue).size() == 1u);
    ends.write.reset();
    const events seen = next(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].what.read); // the end is found by reading
    CHECK(seen[0].what.hangup);
    CHECK(now(queue).empty()); // it is told once, even so
}

TEST_CASE("a pipe whose writer has left before is a hang-up at once", "[platform]") {
    backend queue;
    pipe_ends ends = nonblocking_pipe();
    ends.write.reset();
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    const events seen = now(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].what.read);
    CHECK(seen[0].what.hangup);
}

TEST_CASE("the other side of a socket that has finished writing is a hang-up", "[platform]") {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    const unique_fd ours = nonblocking(unique_fd(fds[0]));
    const unique_fd theirs(fds[1]);
    backend queue;
    REQUIRE_FALSE(queue.watch(ours.get(), interest::read, 1));
    REQUIRE(::shutdown(theirs.get(), SHUT_WR) == 0);
    const events seen = next(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].what.read);
    CHECK(seen[0].what.hangup);
}

TEST_CASE("a pipe with room is a write event and so is room that comes later", "[platform]") {
    backend queue;
    const pipe_ends ends = nonblocking_pipe();
    REQUIRE_FALSE(queue.watch(ends.write.get(), interest::write, 3));
    events seen = now(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].tag == 3u);
    CHECK(seen[0].what.write);
    CHECK_FALSE(seen[0].what.hangup);

    fill(ends.write);
    static_cast<void>(now(queue)); // filling it is not news, but may look so
    CHECK(is_silent(queue));
    drain(ends.read);
    seen = next(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].what.write);
}

TEST_CASE("a reader that leaves a full pipe is a hang-up and a write event", "[platform]") {
    backend queue;
    pipe_ends ends = nonblocking_pipe();
    fill(ends.write);
    REQUIRE_FALSE(queue.watch(ends.write.get(), interest::write, 1));
    CHECK(now(queue).empty());
    ends.read.reset();
    const events seen = next(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].what.write); // the reason is found by writing
    CHECK(seen[0].what.hangup);
}

TEST_CASE("events that nobody has seen yet are dropped when their descriptor is unwatched", "[platform]") {
    backend queue;
    pipe_ends ends = nonblocking_pipe();
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    put(ends.write, "x");
    REQUIRE(has_news(queue));
    queue.unwatch(ends.read.get(), interest::read);
    CHECK(is_silent(queue));
    CHECK(now(queue).empty());
    put(ends.write, "y");
    CHECK(now(queue).empty());
}

TEST_CASE("a descriptor that was closed after unwatching is silent though a copy lives on", "[platform]") {
    backend queue;
    pipe_ends ends = nonblocking_pipe();
    const unique_fd copy(::dup(ends.read.get())); // as in a child
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    queue.unwatch(ends.read.get(), interest::read);
    ends.read.reset();
    put(ends.write, "x");
    CHECK(is_silent(queue));
    CHECK(now(queue).empty());
}

TEST_CASE("a descriptor can be watched again under another tag", "[platform]") {
    backend queue;
    const pipe_ends ends = nonblocking_pipe();
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    put(ends.write, "x");
    queue.unwatch(ends.read.get(), interest::read);
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 2));
    const events seen = now(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].tag == 2u);
}

TEST_CASE("a number that is used again is another descriptor", "[platform]") {
    backend queue;
    unique_fd first_writer;
    int number = -1;
    {
        pipe_ends first = nonblocking_pipe();
        number = first.read.get();
        REQUIRE_FALSE(queue.watch(number, interest::read, 1));
        put(first.write, "stale");
        queue.unwatch(number, interest::read);
        first_writer = std::move(first.write);
    }
    pipe_ends second = nonblocking_pipe();
    if (second.read.get() != number) { // somebody else was quicker
        REQUIRE(::dup2(second.read.get(), number) == number);
        second.read = unique_fd(number);
    }
    REQUIRE_FALSE(queue.watch(number, interest::read, 2));
    CHECK(now(queue).empty());
    put(second.write, "fresh");
    const events seen = next(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].tag == 2u);
}

TEST_CASE("what never blocks is refused as such for who waits for an event would wait for ever", "[platform]") {
    backend queue;
    const temporary_directory directory;
    const unique_fd file(::open(directory.file("empty", "").c_str(), O_RDWR | O_CLOEXEC));
    CHECK(queue.watch(file.get(), interest::read, 1) == std::errc::operation_not_permitted);
    CHECK(queue.watch(file.get(), interest::write, 2) == std::errc::operation_not_permitted);
    const unique_fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    CHECK(queue.watch(null.get(), interest::read, 3) == std::errc::operation_not_permitted);
    CHECK(is_silent(queue));
    CHECK(now(queue).empty());
}

TEST_CASE("what cannot be watched is an error and nothing is registered", "[platform]") {
    backend queue;
    CHECK(queue.watch(-1, interest::read, 1) == std::errc::bad_file_descriptor);
    CHECK(now(queue).empty());
    queue.unwatch(-1, interest::read); // harmless
    CHECK(is_silent(queue));
}

TEST_CASE("more events than fit into one batch all come and each once", "[platform]") {
    backend queue;
    std::vector<pipe_ends> pipes;
    for (std::uint64_t tag = 0; tag < 200; ++tag) {
        pipes.push_back(nonblocking_pipe());
        REQUIRE_FALSE(queue.watch(pipes.back().read.get(), interest::read, tag));
        put(pipes.back().write, "x");
    }
    std::map<std::uint64_t, int> seen;
    for (events batch = now(queue); !batch.empty(); batch = now(queue)) {
        for (const event& each : batch) ++seen[each.tag];
    }
    CHECK(seen.size() == 200u);
    for (const auto& [tag, times] : seen) CHECK(times == 1);
}

TEST_CASE("a callback may unwatch what it is told about", "[platform]") {
    backend queue;
    pipe_ends ends = nonblocking_pipe();
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    put(ends.write, "x");
    int told = 0;
    queue.wait(true, [&](std::uint64_t, readiness) {
        ++told;
        queue.unwatch(ends.read.get(), interest::read);
        ends.read.reset();
    });
    CHECK(told == 1);
    CHECK(now(queue).empty());
}

TEST_CASE("an alarm ends the wait and never early", "[platform]") {
    backend queue;
    const clock::time_point when = clock::now() + 5ms;
    queue.arm(when);
    CHECK(collect(queue, true).empty()); // it has no tag
    CHECK(clock::now() >= when);
    CHECK(is_silent(queue));

    const clock::time_point again = clock::now() + 300us; // finer than the milliseconds of poll(2)
    queue.arm(again);
    CHECK(collect(queue, true).empty());
    CHECK(clock::now() >= again);
}

TEST_CASE("an alarm is seen from outside when it rings and never early", "[platform][native_handle]") {
    backend queue;
    const clock::time_point when = clock::now() + 2ms;
    queue.arm(when);
    CHECK(readable(queue.native_handle(), -1));
    CHECK(clock::now() >= when);
    CHECK(now(queue).empty());
    CHECK_FALSE(readable(queue.native_handle()));
}

TEST_CASE("an alarm for the past rings at once", "[platform]") {
    backend queue;
    for (const clock::time_point when :
         {clock::now() - 1h, clock::now(), clock::time_point(), clock::time_point(-1h)}) {
        queue.arm(when);
        CHECK(collect(queue, true).empty()); // would block for ever
    }
}

TEST_CASE("of several alarms the last counts", "[platform]") {
    backend queue;
    queue.arm(clock::now() + 1h);
    const clock::time_point sooner = clock::now() + 2ms;
    queue.arm(sooner);
    CHECK(collect(queue, true).empty());
    CHECK(clock::now() >= sooner);

    queue.arm(clock::now()); // due, and then put off before anybody has looked
    queue.arm(clock::now() + 1h);
    CHECK(is_silent(queue));
}

TEST_CASE("an alarm that was taken back does not ring", "[platform]") {
    backend queue;
    queue.disarm(); // of none
    queue.arm(clock::now() + 1ms);
    queue.disarm();
    CHECK(is_silent(queue, 5));
    queue.arm(clock::now()); // due, and taken back before anybody has looked
    queue.disarm();
    CHECK(is_silent(queue));
    queue.arm(clock::now()); // and it can be set again
    CHECK(collect(queue, true).empty());
}

TEST_CASE("an alarm at the end of time is one that never rings", "[platform]") {
    backend queue;
    queue.arm(clock::time_point::max());
    CHECK(is_silent(queue));
}

TEST_CASE("an alarm and an event come out of one wait", "[platform]") {
    backend queue;
    const pipe_ends ends = nonblocking_pipe();
    REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 1));
    queue.arm(clock::now());
    put(ends.write, "x");
    events seen = collect(queue, true);
    if (seen.empty()) seen = collect(queue, true); // the alarm first; that is fair, too
    CHECK(seen.size() == 1u);
}

TEST_CASE("a wake-up makes the next wait return", "[platform]") {
    backend queue;
    queue.wake();
    CHECK(has_news(queue));
    CHECK(collect(queue, true).empty());
    CHECK(is_silent(queue));
}

TEST_CASE("many wake-ups are one and more can follow", "[platform]") {
    backend queue;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 100; ++i) queue.wake();
        CHECK(collect(queue, true).empty());
        CHECK(is_silent(queue));
    }
}

TEST_CASE("a wake-up from another thread ends a wait that is under way", "[platform]") {
    backend queue;
    for (int i = 0; i < 20; ++i) {
        std::thread other([&] { queue.wake(); });
        CHECK(collect(queue, true).empty()); // before or during: it returns either way
        other.join();
        static_cast<void>(now(queue));
    }
}

TEST_CASE("the end of a child that is watched is an event", "[platform][process]") {
    const nothing_leaks check;
    backend queue;
    started_child child("code", 4);
    const std::error_code refused = queue.watch_exit(child.process, 11);
    REQUIRE_FALSE(refused);
    CHECK(is_silent(queue));
    CHECK(now(queue).empty());
    child.let_it_end();
    const events seen = next(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].tag == 11u);
    queue.unwatch_exit(child.process);
    CHECK(child.reap().status == coproc::exit_status::exited(4)); // may come a little after the event
}

TEST_CASE("the end of the only thing that is waited for is an event and then there is another", "[platform][process]") {
    const nothing_leaks check;
    backend queue;
    for (std::uint64_t tag = 1; tag <= 3; ++tag) {
        started_child child("code", 0);
        REQUIRE_FALSE(queue.watch_exit(child.process, tag));
        child.let_it_end();
        const events seen = next(queue);
        REQUIRE(seen.size() == 1u);
        CHECK(seen[0].tag == tag);
        queue.unwatch_exit(child.process);
        CHECK(now(queue).empty());
        child.reap();
    }
}

// Seen to fail: an only child that is never registered; a sleep in which the queue is not heard; it waits for ever.
TEST_CASE("who waits for one child alone hears a wake-up and an alarm and a pipe before its end",
          "[platform][process]") {
    const nothing_leaks check;
    for (int what = 0; what < 5; ++what) { // 4: a pipe that is watched when the child has been slept on
        CAPTURE(what);
        backend queue;
        const pipe_ends ends = nonblocking_pipe();
        started_child child("code", 0);
        REQUIRE_FALSE(queue.watch_exit(child.process, 1));
        for (int times = 0; times < 3; ++times) {
            if (what == 0 || (what == 4 && times == 0)) {
                std::thread other([&] { queue.wake(); });
                CHECK(collect(queue, true).empty());
                other.join();
            } else if (what == 1) {
                queue.arm(clock::now() + 1ms);
                while (!queue.wait(true, [](std::uint64_t, readiness) { FAIL_CHECK("an event"); })) {
                }
            } else if (what == 2 || what == 4) {
                if (times == what / 4) REQUIRE_FALSE(queue.watch(ends.read.get(), interest::read, 2));
                put(ends.write, "x");
                const events seen = next(queue);
                REQUIRE(seen.size() == 1u);
                CHECK(seen[0].tag == 2u);
                take(ends.read, 1);
            } else {
                CHECK(now(queue).empty());
            }
        }
        child.let_it_end();
        const events seen = next(queue);
        REQUIRE(seen.size() == 1u);
        CHECK(seen[0].tag == 1u);
        queue.unwatch_exit(child.process);
        if (what == 2 || what == 4) queue.unwatch(ends.read.get(), interest::read);
        child.reap();
    }
}

// Seen to fail: poll(2) called again; -14 == 0.
TEST_CASE("a signal of the host ends a wait for one child alone", "[platform][process]") {
    CHECK(in_a_fork([] {
              struct sigaction handled {};
              handled.sa_handler = [](int) {};
              ::sigaction(SIGUSR1, &handled, nullptr);
              backend queue;
              started_child child("code", 0);
              if (queue.watch_exit(child.process, 1)) return 1;
              std::atomic<bool> ended{false};
              std::thread other([&, host = ::pthread_self()] {
                  while (!ended) { // the first may come before the wait
                      std::this_thread::sleep_for(1ms);
                      ::pthread_kill(host, SIGUSR1);
                  }
              });
              const bool nothing = collect(queue, true).empty();
              ended = true;
              other.join();
              queue.unwatch_exit(child.process);
              return nothing ? 0 : 2;
          }) == 0);
}

TEST_CASE("once all is settled the handle tells of the end of a child", "[platform][process][native_handle]") {
    const nothing_leaks check;
    backend queue;
    started_child child("code", 0);
    REQUIRE_FALSE(queue.watch_exit(child.process, 1));
    settle(queue);
    CHECK(is_silent(queue));
    child.wait_until_ended();
    CHECK(has_news(queue));
    CHECK(next(queue).size() == 1u);
    queue.unwatch_exit(child.process);
    child.reap();
}

TEST_CASE("a child that has ended before it is watched is not waited for in vain", "[platform][process]") {
    const nothing_leaks check;
    backend queue;
    started_child child("code", 6);
    child.wait_until_ended();
    if (!queue.watch_exit(child.process, 12)) { // else the caller looks for itself
        settle(queue);
        CHECK(has_news(queue));
        const events seen = next(queue);
        REQUIRE(seen.size() == 1u);
        CHECK(seen[0].tag == 12u);
        queue.unwatch_exit(child.process);
    }
    const std::optional<reaped> end = child.process.try_reap();
    REQUIRE(end);
    child.reaped = true;
    CHECK(end->status == coproc::exit_status::exited(6));
}

TEST_CASE("the end of a child that is not watched any more is no event", "[platform][process]") {
    const nothing_leaks check;
    backend queue;
    started_child unwatched("code", 0);
    started_child watched("code", 0);
    REQUIRE_FALSE(queue.watch_exit(unwatched.process, 1));
    REQUIRE_FALSE(queue.watch_exit(watched.process, 2));
    queue.unwatch_exit(unwatched.process);
    unwatched.wait_until_ended();
    CHECK(now(queue).empty());
    watched.let_it_end();
    const events seen = next(queue);
    REQUIRE(seen.size() == 1u);
    CHECK(seen[0].tag == 2u);
    queue.unwatch_exit(watched.process);
    unwatched.reap();
    watched.reap();
}

TEST_CASE("exit events that nobody has seen are dropped with their watch", "[platform][process]") {
    const nothing_leaks check;
    backend queue;
    started_child child("code", 0);
    REQUIRE_FALSE(queue.watch_exit(child.process, 1));
    child.wait_until_ended();
    queue.unwatch_exit(child.process);
    CHECK(is_silent(queue));
    CHECK(now(queue).empty());
    child.reap();
}

TEST_CASE("a queue leaves nothing open and is not inherited by programs", "[platform]") {
    const nothing_leaks check;
    const std::set<int> before = open_descriptors();
    const backend queue;
    for (const int fd : open_descriptors()) {
        if (before.count(fd) == 0) CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    }
}
