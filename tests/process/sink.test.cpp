// SPDX-License-Identifier: BSL-1.0
//
// stdio::sink: a function that is given an output as it comes, while it is captured.
#include <coproc/process/stdio.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// A sink that keeps what it was given.
stdio kept_in(std::string& text) {
    return stdio::sink([&text](std::string_view chunk) { text += chunk; });
}

struct sink_failure : std::runtime_error {
    sink_failure() : std::runtime_error("the sink") {}
};
stdio failing() {
    return stdio::sink([](std::string_view) { throw sink_failure(); });
}

template <class A>
task<bool> throws_sink_failure(A what) {
    try {
        co_await std::move(what);
    } catch (const sink_failure&) {
        co_return true;
    }
    co_return false;
}

} // namespace

TEST_CASE("a sink is given what a child writes and it is captured all the same", "[process]") {
    const nothing_leaks check;
    std::string out;
    std::string err;
    const result r = run_in_time(run_it(command(child("shout")).out(kept_in(out)).err(kept_in(err))));
    CHECK(r.status.success());
    CHECK(r.out == "out\n");
    CHECK(r.err == "err\n");
    CHECK(out == "out\n");
    CHECK(err == "err\n");
}

TEST_CASE("a sink is given each byte once however the output is read", "[process]") {
    const nothing_leaks check;
    const std::string much = std::to_string(several_mib);
    std::string seen;
    const command c = command(child("flood"), "1:5", "1:=", "1:" + much).out(kept_in(seen));
    const auto talk = [&]() -> task<> {
        async_process p(c);
        const auto line = co_await p.read_line();
        CHECK(line == "abcde");
        std::string all;
        std::string buffer(100000, '\0');
        while (const std::size_t n = co_await p.out().read_some(buffer)) all.append(buffer, 0, n);
        CHECK((all == alphabet(several_mib)));
        CHECK((seen == "abcde\n" + all));
    };
    run_in_time(talk());
}

TEST_CASE("a sink is called though nothing of its child is awaited", "[process]") {
    const nothing_leaks check;
    const std::string much = std::to_string(several_mib);
    std::size_t seen = 0;
    const auto count = [&](std::string_view chunk) { seen += chunk.size(); };
    const auto talk = [&]() -> task<> {
        async_process p(
            command(child("flood"), "1:" + much, "2:" + much).out(stdio::sink(count)).err(stdio::sink(count)));
        while (seen < 2 * several_mib) co_await sleep_for(100us);
        const std::string out = co_await p.read_stdout();
        CHECK((out == alphabet(several_mib)));
    };
    run_in_time(talk());
}

TEST_CASE("when a child is known to have ended its sinks have had all that it wrote", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 20; ++i) {
            std::string out;
            std::string err;
            std::string three;
            command c(child("flood"), "1:60000", "2:60000", "3:60000");
            async_process p(c.out(kept_in(out)).err(kept_in(err)).out(3, kept_in(three)));
            const exit_status s = co_await p.wait();
            CHECK(s.success());
            CHECK(out.size() == 60000);
            CHECK(err.size() == 60000);
            CHECK(three.size() == 60000);
        }
    };
    run_in_time(talk());
}

// Whatever finds out first that it has ended.
TEST_CASE("whoever looks for the end of a child does not take the last words from its sink", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 20; ++i) {
            std::string out;
            async_process p(command(child("flood"), "1:60000").out(kept_in(out)));
            while (p.running()) {
            }
            const exit_status s = co_await p.wait();
            CHECK(s.success());
            CHECK(out.size() == 60000);
            const exit_status again = co_await p.wait();
            CHECK(again.success());
        }
    };
    run_in_time(talk());
}

TEST_CASE("a sink goes on after the exit while somebody else writes", "[process]") {
    const nothing_leaks check;
    std::string seen;
    const auto talk = [&]() -> task<> {
        async_process p(command(child("leave_heir")).out(kept_in(seen)));
        const exit_status s = co_await p.wait(); // the heir delays nobody
        CHECK(s.code() == 5);
        CHECK(seen == "early\n");
        p.close_stdin();
        co_await p.out().wait_eof();
        CHECK(seen == "early\nlate\n");
        const std::string all = co_await p.read_stdout();
        CHECK(all == seen);
    };
    run_in_time(talk());
}

TEST_CASE("the sink of a descriptor from 3 on is given what is written there", "[process]") {
    const nothing_leaks check;
    std::string seen;
    const auto talk = [&]() -> task<> {
        async_process p(command(child("flood"), "5:7").out(5, kept_in(seen)));
        const std::string five = co_await p.out(5).read_all();
        CHECK(five == "abcdefg");
        CHECK(seen == five);
    };
    run_in_time(talk());
}

TEST_CASE("both outputs can go to one sink in the order of the writes", "[process]") {
    const nothing_leaks check;
    std::string seen;
    const result r = run_in_time(run_it(command(child("shout")).out(kept_in(seen)).err(stdio::to_out)));
    CHECK(seen == "out\nerr\n");
    CHECK(r.out == seen);
}

TEST_CASE("a reader of the user's own can have a sink before it for as long as the child is his", "[process]") {
    const nothing_leaks check;
    std::string seen;
    const auto talk = [&]() -> task<> {
        stream_reader log;
        {
            async_process p(command(child("flood"), "1:5").out(kept_in(seen)), streams().out(log));
            co_await p.wait();
        }
        const std::string first = co_await log.read_all();
        CHECK(first == "abcde");
        {
            async_process p(command(child("flood"), "1:3"), streams().out(log));
            co_await p.wait();
        }
        const std::string second = co_await log.read_all();
        CHECK(second == "abc");
        CHECK(seen == "abcde");
    };
    run_in_time(talk());
}

TEST_CASE("a command's copies and children share its sink", "[process]") {
    const nothing_leaks check;
    auto counter = std::make_shared<int>(0);
    {
        const command first = command(child("shout")).out(stdio::sink([counter](std::string_view) { ++*counter; }));
        const command second = first;
        for (const command* c : {&first, &second, &first}) static_cast<void>(run_in_time(run_it(*c)));
        CHECK(*counter == 3);
        CHECK(counter.use_count() == 2);
    }
    CHECK(counter.use_count() == 1);
}

TEST_CASE("what a sink returns is nobody's business", "[process]") {
    std::string seen;
    const auto append = [&](std::string_view chunk) -> std::string& { return seen.append(chunk); };
    static_cast<void>(run_in_time(run_it(command(child("shout")).out(stdio::sink(append)))));
    CHECK(seen == "out\n");
    struct counts { // with a state of its own, and only to be moved
        std::unique_ptr<int> calls = std::make_unique<int>(0);
        void operator()(std::string_view) { ++*calls; }
    };
    static_cast<void>(run_in_time(run_it(command(child("shout")).out(stdio::sink(counts())))));
}

TEST_CASE("a sink is for outputs", "[process]") {
    std::string seen;
    CHECK_THROWS_AS(command("x").in(kept_in(seen)), std::invalid_argument);
    CHECK_THROWS_AS(command("x").in(3, kept_in(seen)), std::invalid_argument);
}

// ---- a sink that throws ----

TEST_CASE("what a sink throws communicate throws and the child could go on to its end", "[process]") {
    const nothing_leaks check;
    const std::string much = std::to_string(several_mib);
    const auto talk = [&]() -> task<> {
        async_process p(command(child("flood"), "1:" + much, "2:5").out(failing()));
        const bool thrown = co_await throws_sink_failure(p.communicate());
        CHECK(thrown);
        CHECK(p.status() == exit_status::exited(0));
        const std::string out = co_await p.read_stdout(); // what had come can be read
        CHECK((out == alphabet(several_mib)));
        const std::string err = co_await p.read_stderr();
        CHECK(err == "abcde");
    };
    run_in_time(talk());
}

TEST_CASE("what a sink throws the read that waits throws and the next one goes on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("cat")).out(failing()));
        auto reading = throws_sink_failure(p.read_line());
        co_await p.write_stdin("one\n");
        const bool thrown = co_await std::move(reading);
        CHECK(thrown);
        const auto one = co_await p.read_line();
        CHECK(one == "one");
        co_await p.write_stdin("two\n"); // it is not called again
        const auto two = co_await p.read_line();
        CHECK(two == "two");
    };
    run_in_time(talk());
}

TEST_CASE("a sink that throws holds up neither its child nor who waits for that", "[process]") {
    const nothing_leaks check;
    int calls = 0;
    const auto throws = [&](std::string_view) {
        ++calls;
        throw 7;
    };
    const std::string much = std::to_string(several_mib);
    const auto talk = [&]() -> task<> {
        async_process p(command(child("flood"), "1:" + much).out(stdio::sink(throws)));
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        CHECK(calls == 1);
        CHECK_THROWS_AS(run_in_time(yield()), usage_error); // the loop is as it was
    };
    run_in_time(talk());
}

TEST_CASE("what a sink throws another child of the command does not feel", "[process]") {
    const nothing_leaks check;
    int calls = 0;
    const command c = command(child("shout")).out(stdio::sink([&](std::string_view) {
        if (++calls == 1) throw sink_failure();
    }));
    CHECK_THROWS_AS(run_in_time(run_it(c)), sink_failure);
    CHECK(run_in_time(run_it(c)).out == "out\n");
    CHECK(calls == 2);
}

// ---- what a sink may do ----

TEST_CASE("a sink may destroy its process", "[process]") {
    const nothing_leaks check;
    for (const char* const program : {"endless", "hush"}) {
        std::optional<async_process> p;
        std::string seen_after;
        const std::string text(100, 'x');
        const auto talk = [&]() -> task<> {
            p.emplace(command(child(program)).out(stdio::sink([&, text](std::string_view) {
                p.reset();
                seen_after = text; // it lives to its end
            })));
            while (p) co_await sleep_for(100us);
            while (!no_children()) co_await sleep_for(100us);
        };
        run_in_time(talk());
        CHECK(seen_after == text);
    }
}

TEST_CASE("a sink may destroy its process together with the reader of the user's own that it writes to", "[process]") {
    const nothing_leaks check;
    struct session {
        stream_reader out;
        std::optional<async_process> child;
    };
    const auto talk = []() -> task<> {
        auto all = std::make_unique<session>();
        stdio end_of_all = stdio::sink([&](std::string_view) { all.reset(); });
        all->child.emplace(command(child("shout")).out(std::move(end_of_all)), streams().out(all->out));
        while (all) co_await sleep_for(100us);
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk());
}

// The state is its own owner then, and may have others to deal with still.
TEST_CASE("a sink may destroy its process when that has ended and at its last words", "[process]") {
    const nothing_leaks check;
    for (int i = 0; i < 30; ++i) {
        std::optional<async_process> p;
        int calls = 0;
        const auto talk = [&]() -> task<> {
            command c(child("shout"));
            const auto destroys = [&](std::string_view) {
                ++calls;
                p.reset();
            };
            c.out(stdio::sink(destroys)).err(stdio::sink(destroys));
            if (i % 3 == 1) c.new_process_group();
            if (i % 3 == 2) c.new_process_group().on_destroy(destroy::terminate(1ms));
            p.emplace(c);
            while (p && p->running()) { // it is known to have ended, and nobody has been called
            }
            while (p) co_await yield();
            CHECK(calls == 1);
            co_await sleep_for(2ms);
        };
        run_in_time(talk());
    }
}

TEST_CASE("a sink may cancel who waits for its child or for anything of it", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::optional<driven> waiting;
        std::optional<driven> reading;
        async_process p(command(child("cat")).out(stdio::sink([&](std::string_view) {
            waiting.reset();
            reading.reset();
        })));
        waiting.emplace(drive(p.wait()));
        reading.emplace(drive(p.read_line()));
        co_await p.write_stdin("line\n");
        while (waiting) co_await yield();
        CHECK_FALSE(reading);
        const auto line = co_await p.read_line();
        CHECK(line == "line");
    };
    run_in_time(talk());
}

TEST_CASE("a sink may cancel the whole conversation", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        task_group group;
        bool called = false;
        const auto converse = [](bool& was_called, task_group& all) -> task<> {
            async_process p(command(child("endless")).out(stdio::sink([&](std::string_view) {
                was_called = true;
                all.cancel();
            })));
            co_await p.communicate();
        };
        group.start(converse(called, group));
        while (!called) co_await yield();
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk());
}

TEST_CASE("a sink may talk to its child and start others", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::string answer;
        std::optional<async_process> other;
        std::optional<async_process> p;
        p.emplace(command(child("cat")).out(stdio::sink([&](std::string_view chunk) {
            answer += chunk;
            if (answer == "ping\n") p->in().write("pong\n");
            else if (!other) other.emplace(child("hold"));
        })));
        co_await p->write_stdin("ping\n");
        const std::string both = co_await p->out().read_exactly(10);
        CHECK(both == "ping\npong\n");
        CHECK(other);
    };
    run_in_time(talk());
}

TEST_CASE("a sink cannot read its own stream", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::optional<async_process> p;
        std::string said;
        p.emplace(command(child("shout")).out(stdio::sink([&](std::string_view) {
            try {
                const driven reading = drive(p->read_line());
                static_cast<void>(reading.done());
            } catch (const usage_error& e) {
                said = e.what();
            }
        })));
        co_await p->wait();
        CHECK(said == "stdout of " + child("shout") + ": used by what sees its bytes while they come");
    };
    run_in_time(talk());
}

TEST_CASE("a process with a sink can be let go of at any moment", "[process]") {
    const nothing_leaks check;
    for (int turns_before = 0; turns_before < 30; ++turns_before) {
        std::size_t seen = 0;
        std::size_t seen_then = 0;
        const auto talk = [&]() -> task<> {
            {
                async_process p(command(child("flood"), "1:300000").out(stdio::sink([&](std::string_view chunk) {
                    seen += chunk.size();
                })));
                const driven waiting = drive(p.communicate());
                for (int i = 0; i < turns_before; ++i) co_await yield();
            }
            seen_then = seen;
            while (!no_children()) co_await sleep_for(100us);
        };
        run_in_time(talk());
        CHECK(seen == seen_then); // not called when there is no process
    }
}

TEST_CASE("a child with a sink that is moved and started without waiting is the same", "[process]") {
    const nothing_leaks check;
    std::string seen;
    const auto talk = [&]() -> task<> {
        async_process first = co_await start(command(child("cat")).out(kept_in(seen)));
        co_await first.write_stdin("one\n");
        async_process second = std::move(first);
        second.close_stdin();
        co_await second.wait();
        CHECK(seen == "one\n");
    };
    run_in_time(talk());
}

TEST_CASE("the loop of a child with a sink can end before the object", "[process]") {
    const nothing_leaks check;
    std::optional<async_process> p;
    std::size_t seen = 0;
    {
        event_loop loop;
        p.emplace(command(child("endless")).out(stdio::sink([&](std::string_view chunk) { seen += chunk.size(); })));
        while (seen < 1000000) loop.run_once(1s);
    }
    CHECK(no_children());
    CHECK_FALSE(p->running());
}

TEST_CASE("what a sink is given may be dropped for want of readers but not what it is given", "[process]") {
    const nothing_leaks check;
    std::size_t seen = 0;
    const std::string much = std::to_string(several_mib);
    const auto talk = [&]() -> task<> {
        command c(child("flood"), "1:" + much);
        c.out(stdio::sink([&](std::string_view chunk) { seen += chunk.size(); })).capture(capture::tail(100));
        async_process p(c);
        const result r = co_await p.communicate();
        CHECK((r.out == alphabet(several_mib).substr(several_mib - 100)));
        CHECK(r.out_bytes == several_mib);
        CHECK(seen == several_mib);
    };
    run_in_time(talk());
}
