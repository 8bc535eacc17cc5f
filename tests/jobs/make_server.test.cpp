// SPDX-License-Identifier: BSL-1.0
//
// A job server of ours, and a real make on either side of it.
#include <coproc.hpp>
#include <coproc/jobs/make_server.hpp>
#include <coproc/jobs/make_slots.hpp>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/failing_allocations.hpp"
#include "support/gnu_make.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

std::vector<job_slot> all_of(job_slots& slots) {
    std::vector<job_slot> all;
    while (job_slot one = slots.try_take()) all.push_back(std::move(one));
    return all;
}

std::string flags_given_by(const make_server& server) {
    const std::string all = run_through(server.lend(command(child("print_env")))).out;
    const std::size_t at = all.find("MAKEFLAGS=") + 10;
    return all.substr(at, all.find('\0', at) - at);
}

} // namespace

TEST_CASE("a server has as many slots as it is told", "[make]") {
    const nothing_leaks check;
    for (const make_style style : {make_style::pipe, make_style::fifo}) {
        for (const std::size_t jobs : {1U, 2U, 7U, 1000U}) {
            make_server server(jobs, style);
            CHECK(all_of(server).size() == jobs);
            CHECK(all_of(server).size() == jobs);
            CHECK(server.restore() == 0);
        }
    }
}

TEST_CASE("a server of no job or of more than a pipe can hold is refused", "[make]") {
    const nothing_leaks check;
    CHECK_THROWS_AS(make_server(0), std::invalid_argument);
    CHECK_THROWS_AS(make_server(10'000'000), std::invalid_argument);
}

TEST_CASE("a server leaves nothing on the disk", "[make]") {
    const temporary_directory directory;
    const variable temporary("TMPDIR", directory.path().c_str());
    const auto empty = [&] { return std::filesystem::is_empty(directory.path()); };
    {
        make_server server(2);
        CHECK(empty());
    }
    {
        make_server server(2, make_style::fifo);
        CHECK_FALSE(empty());
    }
    CHECK(empty());
    CHECK_THROWS_AS(make_server(10'000'000, make_style::fifo), std::invalid_argument);
    CHECK(empty());
}

#if defined(COPROC_TEST_HAS_OWN_NEW)
TEST_CASE("a server that memory fails leaves nothing on the disk and none open", "[make]") {
    const temporary_directory directory;
    const variable temporary("TMPDIR", directory.path().c_str());
    for (const make_style style : {make_style::pipe, make_style::fifo}) {
        for (long nth = 0;; ++nth) {
            const nothing_leaks check;
            failing_allocations::fail_from(nth, false);
            try {
                const make_server server(3, style);
            } catch (const std::bad_alloc&) { // NOLINT(bugprone-empty-catch): as it is meant
            }
            const bool failed = failing_allocations::fail_no_more();
            INFO(nth);
            CHECK(std::filesystem::is_empty(directory.path()));
            if (!failed) break;
        }
    }
}
#endif

TEST_CASE("a server that has nowhere to make its fifo says so", "[make]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const variable temporary("TMPDIR", (directory / "nowhere").c_str());
    CHECK_THROWS_AS(make_server(2), std::system_error);
}

TEST_CASE("a guest in our own process shares the slots of a server", "[make][process]") {
    const nothing_leaks check;
    const variable none("MAKEFLAGS", nullptr);
    make_server server(4, make_style::fifo);
    make_slots guest(flags_given_by(server));
    CHECK(guest.problem().empty());
    std::vector<job_slot> ours = all_of(server);
    CHECK(ours.size() == 4);
    CHECK(all_of(guest).size() == 1);
    ours.clear();
    CHECK(all_of(guest).size() == 4);
    CHECK(server.restore() == 0);
}

TEST_CASE("the children of a server keep our flags of make but for the job server", "[make][process]") {
    const variable ours("MAKEFLAGS", "k -j8 --jobserver-auth=3,4 --no-print-directory -- A=b");
    const make_server server(2, make_style::fifo);
    const std::string flags = flags_given_by(server);
    INFO(flags);
    CHECK(flags.find("k --no-print-directory -j2 --jobserver-auth=fifo:/") == 0);
    CHECK(flags.substr(flags.size() - 7) == " -- A=b");
    CHECK(std::string(::getenv("MAKEFLAGS")).find("-j8") != std::string::npos); // ours stay
}

TEST_CASE("slots that children have lost are known and restored", "[make][process]") {
    const nothing_leaks check;
    for (const make_style style : {make_style::pipe, make_style::fifo}) {
        make_server server(4, style);
        const job_slot first = server.try_take();
        const job_slot second = server.try_take();
        CHECK(run_through(server.lend(command(child("make_token"), "take", "2"))).out == "++");
        CHECK_FALSE(server.try_take());
        CHECK(server.restore() == 2);
        CHECK(server.restore() == 0);
        CHECK(all_of(server).size() == 2);

        CHECK(run_through(server.lend(command(child("make_token"), "put", "3"))).out == "+++");
        CHECK(server.restore() == -3);
        CHECK(all_of(server).size() == 2);
    }
}

TEST_CASE("a child that takes what a server has makes us wait until it gives it back", "[make][process]") {
    const nothing_leaks check;
    make_server server(2);
    const job_slot first = server.try_take();
    run_through(server.lend(command(child("make_token"), "take", "1")));
    CHECK_FALSE(run(with_timeout(server.take(), 1ms)));
    run_through(server.lend(command(child("make_token"), "put", "1")));
    CHECK(run_in_time(server.take()));
}

TEST_CASE("a make that is our child runs as many jobs at once as its server has", "[make][process]") {
    const nothing_leaks check;
    const variable none("MAKEFLAGS", nullptr);
    const gnu_make make;
    if (!make) return;
    const temporary_directory directory;
    directory.file("Makefile", "all: j1 j2 j3 j4 j5 j6 j7 j8\nj%:\n\t@$(JOB) $(LOG) 3\n");
    make_server server(3);
    const result r = run_through(server.lend(
        command(make.program, "--no-print-directory", "JOB=" + child("job_log"), "LOG=" + (directory / "log"), "all")
            .cwd(directory.path().string())));
    INFO(r.err);
    CHECK(r.status.success());
    CHECK(r.err.empty()); // no word of a job server that is of no use
    const std::string log = content_of(directory / "log");
    CHECK(log.size() == 16);
    CHECK(most_at_once(log) == 3);
    CHECK(server.restore() == 0);
}

TEST_CASE("two makes and jobs of our own share one server", "[make][process]") {
    const nothing_leaks check;
    const variable none("MAKEFLAGS", nullptr);
    const gnu_make make;
    if (!make) return;
    const temporary_directory directory;
    directory.file("Makefile", "all: j1 j2 j3 j4\nj%:\n\t@$(JOB) $(LOG) 4\n");
    make_server server(4);
    const auto in_a_slot = [](make_server& s, command c) -> task<result> {
        const job_slot mine = co_await s.take();
        async_process process(s.lend(c.in(stdio::null)));
        co_return co_await process.communicate();
    };
    const command sub = command(make.program, "JOB=" + child("job_log"), "LOG=" + (directory / "log"), "all")
                            .cwd(directory.path().string());
    const command own(child("job_log"), directory / "log", "4");
    const auto results =
        run_in_time([](auto& each, make_server& s, const command& m, const command& o) -> task<std::vector<result>> {
            std::vector<task<result>> all;
            for (int i = 0; i < 2; ++i) all.push_back(each(s, m));
            for (int i = 0; i < 4; ++i) all.push_back(each(s, o));
            co_return co_await when_all(std::move(all));
        }(in_a_slot, server, sub, own));
    for (const result& r : results) {
        INFO(r.err);
        CHECK(r.status.success());
        CHECK(r.err.empty());
    }
    const std::string log = content_of(directory / "log");
    CHECK(log.size() == 2 * 12);
    CHECK(most_at_once(log) == 4);
    CHECK(server.restore() == 0);
}
