// SPDX-License-Identifier: BSL-1.0
//
// The streams of a child are made when they are first needed, and until then a descriptor is all there is of each.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/failing_allocations.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: ends of pipes that stay until the child has been reaped.
TEST_CASE("a child that nobody has talked to sees its pipes close when it is let go", "[process]") {
    const nothing_leaks check;
    const auto talk = [](destroy how, std::size_t left) -> task<> {
        const command c = command(child("hold")).on_destroy(how);
        const std::size_t before = open_pipes();
        {
            const async_process untouched(c);
            async_process closed(c);
            CHECK(open_pipes() == before + 6);
            closed.close_stdin();
            closed.close_stdin();
            CHECK(open_pipes() == before + 5);
        }
        CHECK(open_pipes() == before + left);
        while (!no_children()) co_await yield();
        CHECK(open_pipes() == before);
    };
    const auto both = [&]() -> task<> {
        co_await talk(destroy::kill, 0);
        co_await talk(destroy::terminate(1h), 4); // those that it writes to, until it has gone
    };
    run_in_time(both());
}

// Seen to fail: each of these without the streams; only those of a piped stdout.
TEST_CASE("whatever is awaited first what the child writes is taken in", "[process]") {
    const nothing_leaks check;
    using await = task<> (*)(async_process&);
    const await awaits[] = {
        [](async_process& p) -> task<> { static_cast<void>(co_await p.wait()); },
        [](async_process& p) -> task<> { static_cast<void>(co_await p.wait(1h)); },
        [](async_process& p) -> task<> { static_cast<void>(co_await p.wait_all()); },
        [](async_process& p) -> task<> { static_cast<void>(co_await p.wait_all(1h)); },
        [](async_process& p) -> task<> { static_cast<void>(co_await p.stop(stop_sequence().then(SIGWINCH, 1h))); },
        [](async_process& p) -> task<> { // it does not read, and ends when it has written
            const std::string much(1'000'000, 'x');
            bool ended = false;
            try {
                co_await p.in(4).write_all(much);
            } catch (const stream_error&) {
                ended = true;
            }
            CHECK(ended);
        },
        [](async_process& p) -> task<> { // nor does it write there
            const std::string nothing = co_await p.out(5).read_all();
            CHECK(nothing.empty());
        },
    };
    const auto talk = [](const await& first) -> task<> {
        const command both = command(child("flood"), "1:300000", "2:300000").in(4, stdio::pipe).out(5, stdio::pipe);
        const command only_err =
            command(child("flood"), "2:300000").out(stdio::null).in(4, stdio::pipe).out(5, stdio::pipe);
        for (const command& c : {both, only_err}) {
            async_process p(c);
            co_await first(p);
            const exit_status s = co_await p.wait();
            CHECK(s.success());
            const std::string err = co_await p.read_stderr();
            CHECK(err.size() == 300000u);
        }
    };
    for (const await& first : awaits) run_in_time(talk(first));
}

// Seen to fail: outputs that are still taken for piped when the loop has closed them.
TEST_CASE("a child that nobody has talked to can be asked when its loop has ended", "[process]") {
    const nothing_leaks check;
    std::optional<event_loop> gone(std::in_place);
    async_process p(child("hold"));
    async_process used(child("hold"));
    CHECK(used.out().is_open());
    gone.reset();
    const auto talk = [&]() -> task<> {
        for (async_process* const each : {&p, &used}) {
            const exit_status s = co_await each->wait();
            CHECK(s.signal() == SIGKILL);
            CHECK_FALSE(each->has_out());
            CHECK_THROWS_AS(each->out(), usage_error);
            bool refused = false;
            try {
                static_cast<void>(co_await each->communicate());
            } catch (const usage_error&) {
                refused = true;
            }
            CHECK(refused); // whether or not there had been streams
        }
    };
    run_in_time(talk());
}

// Seen to fail: a close_in that does nothing where there are no streams; one that leaves the name out.
TEST_CASE("an input that is closed before there are streams is closed and has its name", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        p.close_stdin();
        const exit_status s = co_await p.wait(); // and with it the streams
        CHECK(s.success());
        CHECK(p.has_in());
        const std::string name = "stdin of " + std::string(child("cat"));
        CHECK_THROWS_WITH(p.in().write("x"), name + ": written to after close()");
        CHECK_THROWS_AS(p.write_stdin("x").await_ready(), usage_error);
        p.close_stdin();
        const std::string out = co_await p.read_stdout();
        CHECK(out.empty());
    };
    run_in_time(talk());
}

TEST_CASE("what a child has written before there are streams is read by whoever comes", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const bool waits_first : {false, true}) {
            CAPTURE(waits_first);
            async_process p(child("lines"), "100");
            while (p.running()) co_await yield(); // makes none
            if (waits_first) {
                const exit_status s = co_await p.wait();
                CHECK(s.success());
            }
            std::size_t lines = 0;
            while (const auto line = co_await p.read_line()) ++lines;
            CHECK(lines == 100u);
        }
    };
    run_in_time(talk());
}

TEST_CASE("a child whose pipes nobody has used is communicated with like any other", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        p.close_stdin();
        const result r = co_await p.communicate("is left out, since stdin was closed before");
        CHECK(r.status.success());
        CHECK(r.out.empty());
        async_process q(command(child("exit_with"), "0").in(stdio::null).out(stdio::null).err(stdio::null));
        const result nothing = co_await q.communicate();
        CHECK(nothing.status.success());
        CHECK(nothing.out_bytes == 0u);
        CHECK_THROWS_AS(q.out(), usage_error);
    };
    run_in_time(talk());
}

#if defined(COPROC_TEST_HAS_OWN_NEW)

// Seen to fail: streams that are made with the child; streams whose memory is not given back to the loop; a wait that
// makes those of a child without pipes.
TEST_CASE("streams are made when they are needed and of the memory of those before", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        long first_streams = 0;
        for (int i = 0; i < 5; ++i) {
            async_process p(child("cat"));
            p.close_stdin();
            while (p.running()) co_await yield();
            const long before = failing_allocations::made;
            const bool is_open = p.out().is_open();
            const long to_make_them = failing_allocations::made - before;
            CHECK(is_open);
            if (i == 0) first_streams = to_make_them;
            else CHECK(to_make_them == (platform::under_address_sanitizer ? 1 : 0));
            const std::string out = co_await p.read_stdout();
            CHECK(out.empty());
        }
        CHECK(first_streams == 1);
        const command unpiped = command(child("exit_with"), "0").in(stdio::null).out(stdio::null).err(stdio::null);
        std::vector<async_process> all; // and have what memory is there
        long to_wait = 0;
        for (int i = 0; i < 3; ++i) { // the loop's tables find their size
            async_process& p = all.emplace_back(unpiped);
            const long before = failing_allocations::made;
            const exit_status s = co_await p.wait(); // nothing of it is to be taken in
            to_wait = failing_allocations::made - before;
            CHECK(s.success());
        }
        CHECK(to_wait == 0);
    };
    run_in_time(talk());
}

// Seen to fail: ends that are let go before there is memory for the streams.
TEST_CASE("streams for which there is no memory can be asked for again", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        const auto fails = [](auto&& ask) {
            bool failed = false;
            failing_allocations::fail_from(0, true);
            try {
                ask();
            } catch (const std::bad_alloc&) {
                failed = true;
            }
            failing_allocations::fail_no_more();
            return failed;
        };
        CHECK(fails([&] { static_cast<void>(p.out()); }));
        CHECK(fails([&] { static_cast<void>(p.in()); }));
        CHECK(fails([&] { static_cast<void>(p.wait()); }));
        CHECK(fails([&] { static_cast<void>(p.wait(1h)); }));
        CHECK(fails([&] { static_cast<void>(p.read_line()); }));
        CHECK_FALSE(fails([&] { static_cast<void>(p.wait(0ms)); })); // looks, and waits for nothing
        CHECK_FALSE(fails([&] { static_cast<void>(p.running()); }));
        co_await p.write_stdin("there is\n");
        const std::optional<std::string> line = co_await p.read_line();
        CHECK(line == "there is");
        CHECK_FALSE(fails([&] { static_cast<void>(p.out()); }));
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

#endif
