// SPDX-License-Identifier: BSL-1.0
//
// How often memory is asked for: to start a child, and then for nothing that is done over and over. Counted, not timed.
// What a compiler saves by itself (some put a coroutine's frame into its caller's) is welcome: the numbers are the
// most.
#include "support/failing_allocations.hpp"

#if defined(COPROC_TEST_HAS_OWN_NEW)

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// Allocations of this thread since this was made.
class allocation_count {
public:
    [[nodiscard]] long now() const noexcept { return failing_allocations::made - before_; }

private:
    long before_ = failing_allocations::made;
};

// What is done over and over, after the first times, in which tables and buffers find their size.
constexpr int warm_up = 3;
constexpr int times_counted = 20;

task<> says_nothing() { co_return; }
task<int> says_seven() { co_return 7; }

task<> all_lines_have_come(async_process& p) {
    const exit_status s = co_await p.wait(); // meanwhile they are taken in
    CHECK(s.success());
}

} // namespace

namespace {
// The state that the loop inherits from its owner, and the words of the command, for whoever asks for them later: the
// user's own strings.
constexpr long most_to_start = 2;
} // namespace

// Seen to fail: the working directory asked for with every start.
TEST_CASE("a child is started with one allocation beyond a copy of its words", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const command c(child("hold"), "an argument", "and another one, which is a little longer");
        for (int i = 0; i < warm_up + times_counted; ++i) {
            const allocation_count allocations;
            async_process p(c);
            const long to_start = allocations.now();
            p.close_stdin();
            const exit_status s = co_await p.wait();
            CHECK(s.success());
            if (i >= warm_up) CHECK(to_start <= most_to_start);
        }
    };
    run_in_time(talk());
}

// Seen to fail: the working directory asked for with every start; a slot for each.
TEST_CASE("a child whose start nobody waits for takes no more allocations than another", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const command c(child("hold"), "an argument", "and another one, which is a little longer");
        for (int i = 0; i < warm_up + times_counted; ++i) {
            const allocation_count allocations;
            async_process p = co_await start(c);
            const long to_start = allocations.now();
            p.close_stdin();
            const exit_status s = co_await p.wait();
            CHECK(s.success());
            if (i >= warm_up) CHECK(to_start <= most_to_start);
        }
    };
    run_in_time(talk());
}

// Seen to fail: a child_watch that makes a list of those that it wakes; a heap of timers that gives its room back.
TEST_CASE("waiting for a child allocates nothing", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process stays(child("hold"));
        for (int i = 0; i < warm_up; ++i) static_cast<void>(co_await stays.wait(100us));
        const allocation_count allocations;
        for (int i = 0; i < times_counted; ++i) {
            const auto timed_out = co_await stays.wait(100us);
            const auto looked = co_await stays.wait(0ms);
            if (timed_out || looked || !stays.running()) FAIL("it has ended");
        }
        CHECK(allocations.now() == 0);
        const command c = command(child("exit_with"), "0").in(stdio::inherit).out(stdio::inherit).err(stdio::inherit);
        for (int i = 0; i < warm_up + times_counted; ++i) {
            async_process p(c);
            const allocation_count to_the_end;
            const exit_status s = co_await p.wait();
            const exit_status again = co_await p.wait();
            const long to_wait = to_the_end.now();
            CHECK(s.success());
            CHECK(again.success());
            if (i >= warm_up) CHECK(to_wait == 0);
        }
    };
    run_in_time(talk());
}

// Seen to fail: write_all with a copy of its bytes; read_line by a string with room for more.
TEST_CASE("a question and its answer allocate nothing", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        static_cast<void>(co_await p.wait(100us)); // for whoever waits, a place in the loop is found once
        const std::string long_line(1000, 'x');
        const std::string with_newline = long_line + "\n";
        allocation_count allocations;
        for (int i = 0; i < warm_up + times_counted; ++i) {
            if (i == warm_up) allocations = {};
            co_await p.write_stdin("short\n");
            const std::optional<std::string> line = co_await p.read_line();
            if (line != "short") FAIL("cat");
            co_await p.write_stdin(with_newline);
            const std::optional<std::string_view> view = co_await p.out().next_line();
            if (view != long_line) FAIL("cat");
            p.in().write("short\n");
            co_await p.in().drain();
            const std::string bytes = co_await p.out().read_exactly(6);
            if (bytes != "short\n") FAIL("cat");
        }
        CHECK(allocations.now() == 0);
    };
    run_in_time(talk());
}

// Seen to fail: read_line by a string with room for more.
TEST_CASE("a thousand lines that have come are taken without an allocation", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("lines"), "3000");
        co_await all_lines_have_come(p);
        const allocation_count allocations;
        auto lines = p.stream_stdout();
        for (int i = 0; i < 1000; ++i) {
            const auto short_enough = co_await p.read_line();
            const auto view = co_await p.out().next_line();
            const auto next = co_await lines.next();
            if (!short_enough || !view || !next) FAIL("lines");
        }
        CHECK(allocations.now() == 0);
        const auto none = co_await p.read_line();
        CHECK_FALSE(none);
    };
    run_in_time(talk());
}

// Seen to fail: a task with something else on the heap.
TEST_CASE("a task allocates its frame and nothing else", "[coro]") {
    const auto talk = []() -> task<> {
        const allocation_count allocations;
        for (int i = 0; i < times_counted; ++i) co_await says_nothing();
        CHECK(allocations.now() <= times_counted);
        const allocation_count with_a_value;
        int sum = 0;
        for (int i = 0; i < times_counted; ++i) sum += co_await says_seven();
        CHECK(with_a_value.now() <= times_counted);
        CHECK(sum == 7 * times_counted);
    };
    run_in_time(talk());
}

// Seen to fail: a heap of timers that gives its room back; a posted function in a std::shared_ptr beside its link.
TEST_CASE("the loop allocates nothing for who waits in it and a deadline costs one frame", "[loop]") {
    const auto talk = []() -> task<> {
        event_loop& loop = event_loop::current();
        allocation_count allocations;
        for (int i = 0; i < warm_up + times_counted; ++i) {
            if (i == warm_up) allocations = {};
            co_await yield();
            co_await sleep_for(10us);
        }
        CHECK(allocations.now() == 0);
        static_cast<void>(co_await with_timeout(sleep_for(10us), 1h));
        const allocation_count with_deadlines;
        for (int i = 0; i < times_counted; ++i) {
            const bool done = co_await with_timeout(sleep_for(10us), 1h);
            if (!done) FAIL("an hour");
        }
        CHECK(with_deadlines.now() <= times_counted);
        const allocation_count posts; // from wherever they come they have to be kept somewhere
        for (int i = 0; i < times_counted; ++i) loop.post([] {});
        CHECK(posts.now() <= times_counted);
        co_await yield();
    };
    run_in_time(talk());
}

#endif
