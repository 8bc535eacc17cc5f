// SPDX-License-Identifier: BSL-1.0
//
// stdio::tee: an output that goes to several places at once.
#include <coproc/process/outlets.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <coproc.hpp>

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

stdio into(std::string& text) {
    return stdio::sink([&text](std::string_view chunk) { text += chunk; });
}

// The error of what failed when the child was communicated with.
std::optional<stream_error> tee_error(const command& c) {
    const auto talk = [](const command& what) -> task<std::optional<stream_error>> {
        async_process p(what);
        try {
            co_await p.communicate();
        } catch (const stream_error& e) {
            CHECK(p.status() == exit_status::exited(0)); // it could go on
            co_return e;
        }
        co_return std::nullopt;
    };
    return run_in_time(talk(c));
}

} // namespace

TEST_CASE("a tee gives everything to each of its targets", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string log = directory.file("log", "before ");
    const unique_fd lent = open_file(directory.file("lent", ""), O_WRONLY);
    std::string seen;
    command c(child("flood"), "1:" + std::to_string(several_mib));
    c.out(stdio::tee(stdio::file(directory.file("file", "to be cut off")), stdio::append(log), stdio::fd(lent.get()),
                     stdio::null, into(seen), stdio::pipe));
    const result r = run_in_time(run_it(c));
    const std::string all = alphabet(several_mib);
    CHECK((r.out == all));
    CHECK((seen == all));
    CHECK((content_of(directory / "file") == all));
    CHECK((content_of(log) == "before " + all));
    CHECK((content_of(directory / "lent") == all));
}

TEST_CASE("a tee can go to our own outputs", "[process][own_descriptors]") {
    const platform::pipe_ends ours = platform::make_pipe();
    const temporary_directory directory;
    const int code = in_a_fork([&] {
        ::dup2(ours.write.get(), 1);
        ::dup2(ours.write.get(), 2);
        ::dup2(ours.write.get(), 7);
        command c(child("flood"), "1:1", "7:3");
        c.out(stdio::tee(stdio::inherit, stdio::file(directory / "log"), stdio::pipe));
        c.out(7, stdio::tee(stdio::inherit));
        const result first = run(run_it(c));
        if (first.out != "a") return 1;
        const result second = run(run_it(command(child("flood"), "2:2").err(stdio::tee(stdio::inherit))));
        if (!second.err.empty() || second.err_bytes != 2) return 2;
        return 0;
    });
    CHECK(code == 0);
    const std::string seen = take_from(ours.read);
    CHECK((seen == "aabcab" || seen == "abcaab")); // two pipes of one child, in any order
    CHECK(content_of(directory / "log") == "a");
}

TEST_CASE("without a pipe among the targets of a tee there is no stream to read", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    command c(child("flood"), "1:300000", "2:3", "3:300000");
    c.out(stdio::tee(stdio::file(directory / "out"))).out(3, stdio::tee(stdio::file(directory / "three")));
    const auto talk = [&]() -> task<> {
        async_process p(c);
        CHECK_FALSE(p.has_out());
        CHECK_THROWS_AS(p.out(), usage_error);
        CHECK_THROWS_AS(p.out(3), usage_error);
        const std::string err = co_await p.read_stderr(); // meanwhile they are taken in
        CHECK(err == "abc");
        const result r = co_await p.communicate();
        CHECK(r.out.empty());
        CHECK(r.out_bytes == 300000);
        CHECK_FALSE(r.out_truncated);
    };
    run_in_time(talk());
    CHECK((content_of(directory / "out") == alphabet(300000)));
    CHECK((content_of(directory / "three") == alphabet(300000)));
    const auto with_a_reader = [&]() -> task<> {
        stream_reader mine;
        CHECK_THROWS_AS(async_process(c, streams().out(mine)), usage_error);
        co_return;
    };
    run_in_time(with_a_reader());
}

TEST_CASE("when a child is known to have ended its tee has passed on all that it wrote", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const auto talk = [&]() -> task<> {
        for (int i = 0; i < 20; ++i) {
            async_process p(command(child("flood"), "1:60000").out(stdio::tee(stdio::file(directory / "log"))));
            co_await p.wait();
            const std::string log = content_of(directory / "log");
            CHECK(log.size() == 60000);
        }
    };
    run_in_time(talk());
}

TEST_CASE("communicate waits for the end of what a tee only passes on", "[process]") {
    const nothing_leaks check;
    std::string seen;
    const auto talk = [&]() -> task<> {
        async_process p(command(child("leave_heir"), "100000").out(stdio::tee(into(seen))));
        const result r = co_await p.communicate();
        CHECK(r.status.code() == 5);
        CHECK((seen == "early\nlate\n" + alphabet(100000)));
    };
    run_in_time(talk());
}

TEST_CASE("a tee may go by sockets and to a sink alone", "[process]") {
    const nothing_leaks check;
    std::string seen;
    const command c = command(child("name_stdio"), "1").in(stdio::null).err(stdio::null);
    CHECK(run_in_time(run_it(command(c).out(stdio::tee(into(seen), stdio::socket)))).out == "null\nsocket\nnull\n");
    CHECK(seen == "null\nsocket\nnull\n");
    seen.clear();
    CHECK(run_in_time(run_it(command(c).out(stdio::tee(into(seen))))).out.empty());
    CHECK(seen == "null\npipe\nnull\n");
}

TEST_CASE("a tee of tees is one tee", "[process]") {
    const nothing_leaks check;
    std::string one;
    std::string two;
    const stdio inner = stdio::tee(into(two), stdio::pipe);
    const result r = run_in_time(run_it(command(child("shout")).err(stdio::tee(into(one), inner))));
    CHECK(r.err == "err\n");
    CHECK(one == "err\n");
    CHECK(two == "err\n");
}

TEST_CASE("a child can merge its outputs into a tee in the order of the writes", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const result r = run_in_time(run_it(
        command(child("shout")).out(stdio::tee(stdio::file(directory / "log"), stdio::pipe)).err(stdio::to_out)));
    CHECK(r.out == "out\nerr\n");
    CHECK(content_of(directory / "log") == "out\nerr\n");
}

TEST_CASE("what cannot be a target of a tee is refused where it is said", "[process]") {
    CHECK_THROWS_AS(static_cast<void>(stdio::tee(stdio::to_out)), std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(stdio::tee(stdio::pipe, stdio::to_err)), std::invalid_argument);
    CHECK_THROWS_AS(static_cast<void>(stdio::tee(stdio::text("x"), stdio::pipe)), std::invalid_argument);
    CHECK_THROWS_AS(command("x").in(stdio::tee(stdio::pipe)), std::invalid_argument);
    CHECK_THROWS_AS(command("x").in(5, stdio::tee(stdio::null)), std::invalid_argument);
}

// ---- opening ----

TEST_CASE("a target of a tee that cannot be opened is an error before anything starts", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::optional<spawn_error> no_file =
        failure_of(command(child("shout")).out(stdio::tee(stdio::pipe, stdio::file(directory / "no/file"))));
    REQUIRE(no_file);
    CHECK(no_file->stage() == spawn_stage::redirect);
    CHECK(no_file->code() == std::errc::no_such_file_or_directory);
    constexpr int closed = 12345;
    const std::optional<spawn_error> no_fd =
        failure_of(command(child("shout")).err(stdio::tee(stdio::pipe, stdio::fd(closed))));
    REQUIRE(no_fd);
    CHECK(no_fd->stage() == spawn_stage::redirect);
    CHECK(std::string(no_fd->what()).find(", which is to be its stderr, is not open") != std::string::npos);
    const int code = in_a_fork([] {
        event_loop loop; // first: libkqueue's descriptors may have any number
        ::close(1);
        try {
            async_process p(command(child("shout")).out(stdio::tee(stdio::inherit, stdio::pipe)));
        } catch (const spawn_error& e) {
            return e.stage() == spawn_stage::redirect && e.code() == std::errc::bad_file_descriptor ? 0 : 1;
        }
        return 2;
    });
    CHECK(code == 0);
}

TEST_CASE("a start that fails leaves nothing of a tee", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    event_loop loop;
    std::string seen;
    command c(directory / "missing");
    c.out(stdio::tee(stdio::inherit, stdio::file(directory / "log"), into(seen), stdio::pipe));
    c.out(3, stdio::tee(stdio::file(directory / "three"))).err(into(seen));
    CHECK(fails(c));
}

TEST_CASE("what is lent to a tee may be closed when the child has started", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const auto talk = [&]() -> task<> {
        std::optional<command> c(command(child("cat")));
        unique_fd lent = open_file(directory.file("lent", ""), O_WRONLY);
        c->out(stdio::tee(stdio::fd(lent.get()), stdio::fd(open_file(directory.file("owned", ""), O_WRONLY))));
        async_process p(*c);
        c.reset();
        lent.reset();
        const unique_fd with_that_number = open_file(directory.file("other", ""), O_WRONLY);
        co_await p.write_stdin("words");
        p.close_stdin();
        co_await p.wait();
    };
    run_in_time(talk());
    CHECK(content_of(directory / "lent") == "words");
    CHECK(content_of(directory / "owned") == "words");
    CHECK(content_of(directory / "other").empty());
}

TEST_CASE("a tee closes its targets when its stream ends", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        platform::pipe_ends pipe = platform::make_pipe();
        async_process p(command(child("hush")).out(stdio::tee(stdio::fd(std::move(pipe.write)), stdio::pipe)));
        stream_reader other_end(std::move(pipe.read));
        const std::string all = co_await other_end.read_all(); // the child lives, the command does not
        CHECK(all == "last words\n");
        CHECK(p.running());
    };
    run_in_time(talk());
}

// ---- targets that block or fail ----

TEST_CASE("a target that is full is waited for and the others get everything", "[process]") {
    const nothing_leaks check;
    for (const bool nonblocking : {false, true}) {
        CAPTURE(nonblocking);
        platform::pipe_ends pipe = platform::make_pipe();
        if (nonblocking) CHECK(platform::set_nonblocking(pipe.write)); // as a terminal that somebody has made so
        std::string taken;
        std::thread slow([&taken, fd = std::move(pipe.read)] {
            char buffer[3001];
            for (ssize_t n = 0; (n = ::read(fd.get(), buffer, sizeof buffer)) > 0;) {
                taken.append(buffer, static_cast<std::size_t>(n));
                std::this_thread::yield();
            }
        });
        {
            command c(child("flood"), "1:1000000");
            c.out(stdio::tee(stdio::fd(std::move(pipe.write)), stdio::pipe));
            const result r = run_in_time(run_it(c));
            CHECK((r.out == alphabet(1000000)));
        }
        slow.join();
        CHECK((taken == alphabet(1000000)));
    }
}

TEST_CASE("a target that nobody reads any more is an error and no signal and the others go on", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const int code = in_a_fork([&] {
        ::signal(SIGPIPE, SIG_DFL);
        platform::pipe_ends pipe = platform::make_pipe();
        pipe.read.reset();
        std::string seen;
        command c(child("flood"), "1:200000");
        c.out(stdio::tee(stdio::fd(pipe.write.get()), stdio::file(directory / "log"), into(seen), stdio::pipe));
        const auto talk = [&]() -> task<int> {
            async_process p(c);
            std::string subject;
            try {
                co_await p.communicate();
            } catch (const stream_error& e) {
                if (e.code() != std::errc::broken_pipe) co_return 1;
                subject = e.subject();
            }
            if (subject != "descriptor " + std::to_string(pipe.write.get())) co_return 2;
            const std::string out = co_await p.read_stdout();
            if (out != alphabet(200000)) co_return 3;
            co_return seen == out&& p.status() == exit_status::exited(0) ? 0 : 4;
        };
        return run(talk());
    });
    CHECK(code == 0);
    CHECK((content_of(directory / "log") == alphabet(200000)));
}

TEST_CASE("a file that is full is named and the others go on", "[process]") {
    const temporary_directory directory;
    const int code = in_a_fork([&] {
        const rlimit small{1000, 1000};
        ::setrlimit(RLIMIT_FSIZE, &small);
        ::signal(SIGXFSZ, SIG_IGN); // then it is EFBIG
        std::string seen;
        command c(child("flood"), "1:5000");
        c.out(stdio::tee(stdio::file(directory / "log"), into(seen)));
        const std::optional<stream_error> error = tee_error(c);
        if (!error || error->code() != std::errc::file_too_large) return 1;
        if (error->subject() != directory / "log") return 2;
        return seen == alphabet(5000) ? 0 : 3;
    });
    CHECK(code == 0);
    CHECK(content_of(directory / "log") == alphabet(1000));
}

#if defined(__linux__)

TEST_CASE("a device without room is an error with its own words", "[process]") {
    const nothing_leaks check;
    const std::optional<stream_error> error =
        tee_error(command(child("shout")).err(stdio::tee(stdio::pipe, stdio::append("/dev/full"))));
    REQUIRE(error);
    CHECK(error->code() == std::errc::no_space_on_device);
    CHECK(std::string(error->what()) == "cannot write \"/dev/full\": No space left on device");
}

#endif

TEST_CASE("a sink among the targets of a tee that throws leaves the others alone", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    int calls = 0;
    std::string seen;
    const auto throws = [&](std::string_view) {
        ++calls;
        throw std::runtime_error("the sink");
    };
    command c(child("sip"), "3"); // a write for each byte
    c.out(stdio::tee(stdio::sink(throws), into(seen), stdio::file(directory / "log"), stdio::pipe));
    const auto talk = [&]() -> task<> {
        async_process p(c);
        for (const char* const byte : {"a", "b", "c"}) {
            co_await p.write_stdin(byte);
            while (seen.empty() || seen.back() != *byte) co_await sleep_for(100us);
        }
        std::string said;
        try {
            co_await p.read_stdout();
        } catch (const std::runtime_error& e) {
            said = e.what();
        }
        CHECK(said == "the sink");
        const std::string out = co_await p.read_stdout();
        CHECK(out == "abc");
        CHECK(calls == 1);
    };
    run_in_time(talk());
    CHECK(seen == "abc");
    CHECK(content_of(directory / "log") == "abc");
}

TEST_CASE("a process with a tee can be let go of at any moment", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string log = directory / "log";
    for (int turns_before = 0; turns_before < 20; ++turns_before) {
        const auto talk = [&]() -> task<> {
            {
                command c(child("flood"), "1:300000", "2:300000");
                c.out(stdio::tee(stdio::file(log), stdio::pipe)).err(stdio::tee(stdio::file(log)));
                async_process p = co_await start(c);
                const driven waiting = drive(p.communicate());
                for (int i = 0; i < turns_before; ++i) co_await yield();
            }
            while (!no_children()) co_await sleep_for(100us);
        };
        run_in_time(talk());
    }
}

TEST_CASE("a tee is told in one line", "[process]") {
    std::string seen;
    command c("x");
    c.out(stdio::tee(stdio::inherit, stdio::append("a b"), into(seen))).err(into(seen)).out(4, stdio::pipe);
    CHECK(detail::describe_extras(c.in(5, stdio::text("abc")), stdio::null) ==
          "in null, out tee (inherit; >> 'a b'; sink), err sink, out 4 pipe, in 5 text of 3 bytes");
}
