// SPDX-License-Identifier: BSL-1.0
//
// Readers and writers of the user's own, used from child to child.
#include <coproc/process/streams.hpp>

#include <optional>
#include <string>

#include <coproc/process/async_process.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

TEST_CASE("a reader of our own is used from child to child", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        stream_reader out;
        for (int i = 0; i < 3; ++i) {
            async_process p(command(child("shout")).err(stdio::null), streams().out(out));
            CHECK(&p.out() == &out);
            const std::optional<std::string> line = co_await p.read_line();
            CHECK(line == "out");
            const std::optional<std::string> none = co_await p.read_line();
            CHECK_FALSE(none);
            CHECK(out.at_eof());
        }
        const std::optional<std::string> none = co_await out.read_line(); // for ever
        CHECK_FALSE(none);
    };
    run_in_time(talk());
}

TEST_CASE("a writer of our own is used from child to child", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        stream_writer in;
        for (const char* word : {"one", "two"}) {
            async_process p(command(child("cat")), streams().in(in));
            in.write(word);
            p.close_stdin();
            const std::string back = co_await p.read_stdout();
            CHECK(back == word);
        }
        CHECK(in.is_closing());
    };
    run_in_time(talk());
}

TEST_CASE("what was not read stays in a reader of our own and comes first", "[process]") {
    const auto talk = []() -> task<> {
        stream_reader out;
        out.feed("before\n");
        for (int i = 0; i < 2; ++i) {
            async_process p(command(child("shout")).err(stdio::null), streams().out(out));
            co_await out.wait_eof();
        }
        const std::string all = co_await out.read_all();
        CHECK(all == "before\nout\nout\n");
    };
    run_in_time(talk());
}

TEST_CASE("a reader of our own outlives its child and can still be read", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        stream_reader out, err;
        {
            async_process p(command(child("shout")), streams().out(out).err(err));
            co_await p.wait();
        }
        const std::optional<std::string> line = co_await out.read_line();
        CHECK(line == "out");
        const std::string rest = co_await err.read_all();
        CHECK(rest == "err\n");
        std::string said;
        out.line_limit(1);
        out.close();
        async_process again(command(child("shout")), streams().out(out));
        try {
            co_await out.read_line();
        } catch (const line_too_long& e) { // its limits are as they were
            said = e.what();
        }
        CHECK(said.find("stdout of " + child("shout")) != std::string::npos); // and it knows whose it is
    };
    run_in_time(talk());
}

TEST_CASE("a broken writer of our own is whole again with the next child", "[process]") {
    const auto talk = []() -> task<> {
        stream_writer in;
        {
            async_process p(command(child("exit_with"), "0"), streams().in(in));
            co_await p.wait();
            bool broken = false;
            try {
                co_await in.write_all("nobody reads");
            } catch (const stream_error& e) {
                broken = e.code() == std::errc::broken_pipe;
            }
            CHECK(broken);
        }
        async_process p(command(child("cat")), streams().in(in));
        const result r = co_await p.communicate("heard");
        CHECK(r.out == "heard");
    };
    run_in_time(talk());
}

TEST_CASE("with streams of our own no order of awaits deadlocks either", "[process]") {
    const auto talk = []() -> task<> {
        stream_reader out, err;
        async_process p(command(child("flood"), "1:1000000", "2:1000000"), streams().out(out).err(err));
        co_await p.wait();
        const std::string on_out = co_await out.read_all();
        const std::string on_err = co_await err.read_all();
        CHECK(on_out.size() == 1'000'000u);
        CHECK(on_err.size() == 1'000'000u);
    };
    run_in_time(talk());
}

TEST_CASE("communicate leaves the limits of our own readers alone", "[process]") {
    const auto talk = []() -> task<> {
        stream_reader out;
        out.unread_limit(7);
        async_process p(command(child("cat")), streams().out(out));
        const result r = co_await p.communicate("more than seven");
        CHECK(r.out == "more than seven");
        CHECK(out.unread_limit() == 7u);
    };
    run_in_time(talk());
}

TEST_CASE("a stream that is not free is refused and no program runs", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    stream_reader out;
    {
        const async_process p(command(child("hold")), streams().out(out));
        CHECK_THROWS_AS(async_process(command(child("hold")), streams().err(out)), usage_error); // p has it
    }
    CHECK_THROWS_AS(async_process(command(child("hold")), streams().out(out)), usage_error); // not used up
    out.close();
    CHECK_THROWS_AS(async_process(command(child("hold")), streams().out(out).err(out)), usage_error); // twice
    CHECK_THROWS_AS(async_process(command(child("hold")).out(stdio::null), streams().out(out)), usage_error);
    event_loop other;
    CHECK_THROWS_AS(async_process(command(child("hold")), streams().out(out)), usage_error); // of the other loop
    { const async_process p(command(child("hold")), streams().out(out), loop); }
    while (!no_children()) loop.run_once(std::chrono::milliseconds(10));
    out.close();
}

TEST_CASE("a stream of our own may go as soon as its process has though the child is not reaped yet", "[process]") {
    event_loop loop;
    {
        stream_reader out;
        stream_writer in;
        const async_process p(command(child("hold")), streams().in(in).out(out));
    }
    // What ends here kills the child, and closes what it still knows of its streams.
}
