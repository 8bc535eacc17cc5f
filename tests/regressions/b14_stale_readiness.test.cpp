// SPDX-License-Identifier: BSL-1.0
//
// News of a descriptor that is no more.
//
// What users saw: epoll went on reporting a descriptor that had been closed, and the loop took 100 % of a CPU; or an
// event of the same batch woke the new owner of the number.
// Root cause: epoll watches open file descriptions, and a child held a copy of it; deregistering after the close fails
// with EBADF. And an event names a number, which may have been given to somebody else in the meantime.
// Reports: joyent/libuv #1099 and #1100 (100 % CPU), libuv #1148 (PR #1468), uvloop #61, moonbitlang/async #571.
// Why not here: release_descriptor deregisters before it closes, and event_loop::dispatch compares the generation of
// the registration: an event that is too late finds nobody.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/driven.hpp"
#include "support/pipes.hpp"
#include "support/readable.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: stream_reader::release_descriptor closing first and deregistering then; the loop's handle was readable.
TEST_CASE("a pipe that we have closed is silent though somebody has a copy", "[regression][native_handle]") {
    const nothing_leaks check;
    event_loop loop;
    platform::pipe_ends pipe = platform::make_pipe();
    const unique_fd copy(::fcntl(pipe.read.get(), F_DUPFD_CLOEXEC, 3)); // as a child has one that was forked
    {
        stream_reader reader(std::move(pipe.read));
        const auto waits = drive(reader.read_line());
        loop.poll();
    }
    loop.poll();
    const std::uint64_t before = loop.turn_number();
    put_into(pipe.write, "news for nobody\n");
    CHECK_FALSE(readable(loop.native_handle(), 20));
    run_in_time(sleep_for(20ms));
    CHECK(loop.turn_number() - before < 20);
}

namespace {

// Told of something, it does something.
template <class F>
class listener final : public event_target {
public:
    explicit listener(F f) : f_(std::move(f)) {}
    void on_event(platform::readiness what) noexcept override { f_(what); }

private:
    F f_;
};

} // namespace

// Seen to fail: event_loop::dispatch without its look at the generation; the newcomer was told, "2 == 1".
TEST_CASE("an event for the old owner of a number does not reach the new one", "[regression]") {
    const nothing_leaks check;
    event_loop loop;
    platform::pipe_ends one = platform::make_pipe();
    platform::pipe_ends two = platform::make_pipe();
    platform::pipe_ends fresh = platform::make_pipe();
    event_loop::registration at_one = 0;
    event_loop::registration at_two = 0;
    event_loop::registration at_fresh = 0;
    int told = 0;
    listener newcomer([&](platform::readiness) { ++told; });
    // Whichever comes first takes the place of both away and gives a number to the newcomer.
    const auto take_over = [&](platform::readiness) {
        if (at_fresh != 0) return;
        loop.unwatch(one.read.get(), platform::interest::read, at_one);
        loop.unwatch(two.read.get(), platform::interest::read, at_two);
        const int number = two.read.get();
        ::dup2(fresh.read.get(), number); // closes what had it
        CHECK_FALSE(loop.watch(number, platform::interest::read, newcomer, at_fresh));
    };
    listener first(take_over);
    listener second(take_over);
    CHECK_FALSE(loop.watch(one.read.get(), platform::interest::read, first, at_one));
    CHECK_FALSE(loop.watch(two.read.get(), platform::interest::read, second, at_two));
    put_into(one.write, "x");
    put_into(two.write, "x"); // both in one batch
    loop.run_once(5s);
    loop.poll();
    CHECK(at_fresh != 0);
    CHECK(told == 0);
    put_into(fresh.write, "x");
    loop.run_once(5s);
    CHECK(told == 1);
    loop.unwatch(two.read.get(), platform::interest::read, at_fresh);
}
