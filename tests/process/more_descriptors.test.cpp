// SPDX-License-Identifier: BSL-1.0
//
// Descriptors of a child from 3 on with something behind them as behind stdin, stdout and stderr: pipes to streams of
// ours above all.
#include <coproc/process/numbered_stream.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <coproc.hpp>

#include "support/brood.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// Reads its 4 and writes that to its 3.
command from_4_to_3() {
    command c(child("pass_on"), "4:3");
    return c.in(4, stdio::pipe).out(3, stdio::pipe).in(stdio::null).out(stdio::null).err(stdio::null);
}

// What std::invalid_argument says of it; empty if nothing was thrown.
template <class F>
std::string refusal(F f) {
    try {
        f();
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}

template <class F>
std::string misuse(F f) {
    try {
        f();
    } catch (const usage_error& e) {
        return e.what();
    }
    return {};
}

task<> write_and_close(stream_writer& to, std::string bytes) {
    co_await to.write_all(bytes);
    to.close();
}

} // namespace

TEST_CASE("what a child writes to its descriptor 3 is read from there", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("flood"), "3:5", "3:=", "1:3", "3:2").out(3, stdio::pipe));
        const auto line = co_await p.out(3).read_line();
        CHECK(line == "abcde");
        const std::string rest = co_await p.out(3).read_all();
        CHECK(rest == "ab");
        const std::string out = co_await p.read_stdout();
        CHECK(out == "abc");
    };
    run_in_time(talk());
}

TEST_CASE("a question goes to a child by descriptor 4 and its answer comes by 3", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(from_4_to_3());
        for (const char* const word : {"one\n", "two\n", "three\n"}) {
            co_await p.in(4).write_all(word);
            const auto line = co_await p.out(3).read_line();
            CHECK(line.value_or("") + "\n" == word);
        }
        p.in(4).close();
        const auto none = co_await p.out(3).read_line();
        CHECK_FALSE(none);
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a child whose start is awaited has the same descriptors from 3 on", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p = co_await start(from_4_to_3());
        co_await p.in(4).write_all("word\n");
        const auto line = co_await p.out(3).read_line();
        CHECK(line == "word");
    };
    run_in_time(talk());
}

TEST_CASE("a child has the descriptors from 3 on that it was told and no other", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    command c(child("list_fds"));
    c.out(3, stdio::pipe).in(7, stdio::pipe).out(5, stdio::null).in(200, stdio::text("x"));
    c.out(9, stdio::file(directory / "nine"));
    CHECK(output_of(c) == "0\n1\n2\n3\n5\n7\n9\n200\n");
    CHECK(output_of(command(child("list_fds")).out(1000, stdio::socket)) == "0\n1\n2\n1000\n");
}

TEST_CASE("whatever can be behind stdout can be behind a descriptor from 3 on", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const command flood(child("flood"), "3:5");
    output_of(command(flood).out(3, stdio::file(directory.file("file", "longer than that"))));
    CHECK(content_of(directory / "file") == "abcde");
    output_of(command(flood).out(3, stdio::append(directory / "file")));
    CHECK(content_of(directory / "file") == "abcdeabcde");
    output_of(command(flood).out(3, stdio::null));
    const unique_fd lent = open_file(directory.file("lent", ""), O_WRONLY);
    output_of(command(flood).out(3, stdio::fd(lent.get())));
    CHECK(content_of(directory / "lent") == "abcde");
    output_of(command(flood).out(3, stdio::fd(open_file(directory.file("owned", ""), O_WRONLY))));
    CHECK(content_of(directory / "owned") == "abcde");
    CHECK(output_of(command(flood).out(3, stdio::to_out)) == "abcde");
    CHECK(run_in_time(run_it(command(flood).out(3, stdio::to_err))).err == "abcde");
    const auto by_a_socket = [&]() -> task<> {
        async_process p(command(flood).out(3, stdio::socket));
        const std::string all = co_await p.out(3).read_all();
        CHECK(all == "abcde");
    };
    run_in_time(by_a_socket());
}

TEST_CASE("whatever can be behind stdin can be behind a descriptor from 3 on", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const command reads(child("pass_on"), "3:1");
    CHECK(output_of(command(reads).in(3, stdio::file(directory.file("file", "of a file")))) == "of a file");
    CHECK(output_of(command(reads).in(3, stdio::text("of a text"))) == "of a text");
    CHECK(output_of(command(reads).in(3, stdio::null)).empty());
    const unique_fd lent = open_file(directory.file("lent", "lent"), O_RDONLY);
    CHECK(output_of(command(reads).in(3, stdio::fd(lent.get()))) == "lent");
    const auto by_a_socket = [&]() -> task<> {
        async_process p(command(reads).in(3, stdio::socket));
        co_await write_and_close(p.in(3), "by a socket");
        const std::string all = co_await p.read_stdout();
        CHECK(all == "by a socket");
    };
    run_in_time(by_a_socket());
}

TEST_CASE("a descriptor from 3 on follows an output wherever that goes", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const command flood(child("flood"), "3:2", "2:=", "3:3");
    output_of(command(flood).out(stdio::to_err).err(stdio::file(directory / "log")).out(3, stdio::to_out));
    CHECK(content_of(directory / "log") == "ab\nabc");

    // Into one that is inherited.
    const platform::pipe_ends ends = platform::make_pipe();
    const int code = in_a_fork([&] {
        ::dup2(ends.write.get(), 2);
        run(run_it(command(flood).err(stdio::inherit).out(9, stdio::to_err).out(3, stdio::to_err)));
        return 0;
    });
    CHECK(code == 0);
    CHECK(take_from(ends.read) == "ab\nabc");
}

TEST_CASE("an inherited descriptor from 3 on is ours of that number", "[process][own_descriptors]") {
    const temporary_directory directory;
    const std::string file = directory.file("file", "ours");
    const int code = in_a_fork([&] {
        ::dup2(::open(file.c_str(), O_RDONLY), 9);
        event_loop loop;
        const result r = loop.run(run_it(command(child("pass_on"), "9:1").in(9, stdio::inherit)));
        if (r.out != "ours") return 1;
        ::close(9);
        try {
            async_process p(command(child("pass_on"), "9:1").in(9, stdio::inherit));
        } catch (const spawn_error& e) {
            return e.stage() == spawn_stage::redirect && e.code() == std::errc::bad_file_descriptor ? 0 : 2;
        }
        return 3;
    });
    CHECK(code == 0);
}

TEST_CASE("the last word on a descriptor from 3 on counts", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const unique_fd file = open_file(directory.file("file", "passed"), O_RDONLY);
    command c(child("pass_on"), "3:1");
    c.in(3, stdio::text("first")).pass_fd(3, file.get());
    CHECK(c.more_stdio().empty());
    CHECK(output_of(c) == "passed");
    c.in(3, stdio::text("last"));
    CHECK(c.passed_fds().empty());
    CHECK(output_of(c) == "last");
    CHECK(output_of(c) == "last"); // for every child from the beginning
    c.out(3, stdio::pipe);
    CHECK(c.more_stdio().size() == 1);
}

TEST_CASE("what cannot be behind a descriptor from 3 on is refused where it is said", "[process]") {
    command c("x");
    for (const int number : {-1, 0, 1, 2}) {
        const std::string named = "descriptor " + std::to_string(number) + " cannot be passed";
        CHECK(refusal([&] { c.in(number, stdio::pipe); }).starts_with(named));
        CHECK(refusal([&] { c.out(number, stdio::pipe); }).starts_with(named));
        CHECK(refusal([&] { c.out(number, stdio::fd(7)); }).starts_with(named));
        CHECK(refusal([&] { c.out(number, stdio::inherit); }).starts_with(named));
    }
    CHECK_FALSE(refusal([&] { c.in(3, stdio::to_out); }).empty());
    CHECK_FALSE(refusal([&] { c.in(3, stdio::to_err); }).empty());
    CHECK_FALSE(refusal([&] { c.in(3, stdio::append("file")); }).empty());
    CHECK_FALSE(refusal([&] { c.out(3, stdio::text("x")); }).empty());
    CHECK(c.more_stdio().empty());
    CHECK(c.passed_fds().empty());
}

TEST_CASE("a descriptor that is not piped is named where its stream is asked for", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("exit_with"), "0").out(3, stdio::pipe).in(4, stdio::pipe).out(5, stdio::null));
        const std::string program = child("exit_with");
        CHECK(misuse([&] { static_cast<void>(p.out(7)); }) ==
              "descriptor 7 of " + program + " is no pipe that it writes: say command::out(7, stdio::pipe)");
        CHECK(misuse([&] { static_cast<void>(p.in(3)); }) ==
              "descriptor 3 of " + program + " is no pipe that it reads: say command::in(3, stdio::pipe)");
        for (const int number : {-1, 0, 1, 2, 4, 5})
            CHECK_FALSE(misuse([&] { static_cast<void>(p.out(number)); }).empty());
        for (const int number : {-1, 0, 1, 2, 3, 5})
            CHECK_FALSE(misuse([&] { static_cast<void>(p.in(number)); }).empty());
        co_await p.wait();
    };
    run_in_time(talk());
}

TEST_CASE("errors of a stream from 3 on name it and the program", "[process]") {
    const auto talk = []() -> task<> {
        async_process p(command(child("exit_with"), "0").in(12, stdio::pipe).out(13, stdio::pipe));
        co_await p.wait();
        std::string said;
        try {
            co_await p.in(12).write_all("x");
        } catch (const stream_error& e) {
            CHECK(e.code() == std::errc::broken_pipe);
            said = e.subject();
        }
        CHECK(said == "descriptor 12 of " + child("exit_with"));
        try {
            co_await p.out(13).read_exactly(1);
        } catch (const incomplete_read& e) {
            said = e.subject();
        }
        CHECK(said == "descriptor 13 of " + child("exit_with"));
    };
    run_in_time(talk());
}

TEST_CASE("a child that floods a descriptor from 3 on while others are awaited can go on", "[process]") {
    const nothing_leaks check;
    const std::string much = std::to_string(several_mib);
    const auto talk = [&]() -> task<> {
        command c(child("flood"), "3:" + much, "2:" + much, "4:" + much, "1:3");
        c.out(3, stdio::pipe).out(4, stdio::pipe);
        async_process p(c);
        const std::string out = co_await p.read_stdout(); // comes last
        CHECK(out == "abc");
        const std::string four = co_await p.out(4).read_all();
        CHECK((four == alphabet(several_mib)));
        const exit_status s = co_await p.wait();
        CHECK(s.success());
        const std::string three = co_await p.out(3).read_all();
        CHECK((three == alphabet(several_mib)));
    };
    run_in_time(talk());
}

TEST_CASE("while a descriptor from 3 on is awaited the others are taken in", "[process]") {
    const nothing_leaks check;
    const std::string much = std::to_string(several_mib);
    const auto talk = [&]() -> task<> {
        async_process p(command(child("flood"), "1:" + much, "2:" + much, "3:3").out(3, stdio::pipe));
        const std::string three = co_await p.out(3).read_all();
        CHECK(three == "abc");
    };
    run_in_time(talk());
}

TEST_CASE("what nobody reads of a descriptor from 3 on is kept up to its limit", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("flood"), "3:300000").out(3, stdio::pipe));
        p.out(3).unread_limit(1000);
        co_await p.wait();
        const std::string rest = co_await p.out(3).read_all();
        CHECK((alphabet(300000).ends_with(rest)));
        CHECK(p.out(3).dropped() + rest.size() == 300000);
    };
    run_in_time(talk());
}

TEST_CASE("communicate reads what comes by descriptors from 3 on and leaves it out of the result", "[process]") {
    const nothing_leaks check;
    const std::string much = std::to_string(several_mib);
    const auto talk = [&]() -> task<> {
        async_process p(command(child("flood"), "3:" + much, "1:3", "2:2").out(3, stdio::pipe));
        const result r = co_await p.communicate();
        CHECK(r.status.success());
        CHECK(r.out == "abc");
        CHECK(r.err == "ab");
        const std::string three = co_await p.out(3).read_all(); // is still there
        CHECK(three.size() == several_mib);
    };
    run_in_time(talk());
}

TEST_CASE("descriptors from 3 on that others still hold are given up with the outputs", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(r)rx").new_process_group().out(3, stdio::pipe).drain(5ms));
        const result r = co_await p.communicate();
        CHECK(r.pipes_abandoned);
        CHECK_FALSE(p.out().is_open());
        CHECK_FALSE(p.out(3).is_open());
        p.kill(); // the heir
        co_await p.wait_all();
    };
    run_in_time(talk());
}

TEST_CASE("a child can be fed by descriptor 4 while it is communicated with", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("pass_on"), "4:1", "0:2").in(4, stdio::pipe));
        const std::string bytes = alphabet(several_mib);
        auto both = co_await when_all(p.communicate("stdin"), write_and_close(p.in(4), bytes));
        CHECK((std::get<0>(both).out == bytes));
        CHECK(std::get<0>(both).err == "stdin");
    };
    run_in_time(talk());
}

TEST_CASE("the streams from 3 on stay where they are while the process is moved", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::optional<async_process> first(from_4_to_3());
        stream_reader& three = first->out(3);
        const driven reading = drive(three.read_line());
        async_process second = std::move(*first);
        first.reset();
        CHECK(&second.out(3) == &three);
        co_await second.in(4).write_all("moved\n");
        while (!reading.done()) co_await yield();
    };
    run_in_time(talk());
}

TEST_CASE("a read of descriptor 3 that is cancelled loses nothing", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(from_4_to_3());
        co_await p.in(4).write_all("half");
        const auto line = co_await with_timeout(p.out(3).read_line(), 5ms);
        CHECK_FALSE(line);
        co_await p.in(4).write_all(" a line\n");
        const auto whole = co_await p.out(3).read_line();
        CHECK(whole == "half a line");
    };
    run_in_time(talk());
}

TEST_CASE("descriptors from 3 on are closed with the process", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const std::size_t before = open_pipes();
        {
            async_process p(from_4_to_3());
            CHECK(open_pipes() == before + 2); // ours of each, and no end of the child's
            co_await p.in(4).write_all("x");
        }
        CHECK(open_pipes() == before);
        { async_process never_used(from_4_to_3()); }
        CHECK(open_pipes() == before);
    };
    run_in_time(talk());
    std::optional<async_process> outlives;
    {
        event_loop loop;
        outlives.emplace(from_4_to_3());
    }
    CHECK(outlives->out(3).is_open() == false);
}

TEST_CASE("a start that fails leaves nothing of the descriptors from 3 on", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    event_loop loop;
    command missing(directory / "missing");
    missing.out(3, stdio::pipe).in(4, stdio::pipe).in(5, stdio::text("x")).out(6, stdio::socket);
    CHECK(fails(missing));
    command c = from_4_to_3();
    try {
        async_process p(c.out(17, stdio::file(directory / "no/such/file")));
        FAIL("it was started");
    } catch (const spawn_error& e) {
        CHECK(e.stage() == spawn_stage::redirect);
        CHECK(std::string(e.what()).find("for descriptor 17 failed") != std::string::npos);
    }
}

TEST_CASE("pipes from 3 on may have the numbers of our own in any order", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        // Whatever numbers our ends get, some of these are those.
        command c(child("flood"), "3:1", "4:2", "5:3", "6:4", "7:5", "8:6", "9:7");
        for (int number = 9; number >= 3; --number) c.out(number, stdio::pipe);
        for (int number = 10; number < 40; ++number) c.in(number, stdio::pipe);
        async_process p(c);
        for (int number = 3; number <= 9; ++number) {
            const std::string all = co_await p.out(number).read_all();
            CHECK(all == alphabet(static_cast<std::size_t>(number) - 2));
        }
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a body that ends closes everything that its child reads", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const command c = command(child("pass_on"), "4:1", "0:1", "5:1").in(4, stdio::pipe).in(5, stdio::pipe);
        const exit_status s = co_await with_process(c, [](async_process& p) -> task<> {
            p.in(5).write("five");
            co_return;
        });
        CHECK(s.success());
    };
    run_in_time(talk());
}
