// SPDX-License-Identifier: BSL-1.0
//
// A guest of make: its own pipes and fifos here stand for make's.
#include <coproc.hpp>
#include <coproc/jobs/make_slots.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/forked.hpp"
#include "support/gate.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// As make's children find it: inherited, so not close-on-exec. Non-blocking as make 4.3 has it where this system cannot
// share another.
struct pipe_of_make {
    explicit pipe_of_make(std::string_view tokens) {
        int fds[2];
        REQUIRE(::pipe(fds) == 0);
        read = unique_fd(fds[0]);
        write = unique_fd(fds[1]);
        put_into(write, tokens);
#if !defined(__linux__)
        ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
#endif
    }
    [[nodiscard]] std::string flags() const {
        return " -j --jobserver-auth=" + std::to_string(read.get()) + "," + std::to_string(write.get());
    }
    // What is in it now, in the order of the alphabet; it stays.
    [[nodiscard]] std::string tokens() const {
        const std::string all = take_from(read);
        put_into(write, all);
        std::string sorted = all;
        std::sort(sorted.begin(), sorted.end());
        return sorted;
    }

    unique_fd read, write;
};

task<> take_and_hold(job_slots& slots, gate& until, int& taken) {
    const job_slot mine = co_await slots.take();
    ++taken;
    co_await until.pass();
}

task<job_slot> take_one(job_slots& slots) { co_return co_await slots.take(); }

} // namespace

TEST_CASE("the first slot of a guest costs no token and each other one does", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("ab");
    make_slots slots(make.flags());
    CHECK(slots.problem().empty());
    CHECK(slots.limited());
    run_in_time([](make_slots& s, const pipe_of_make& m) -> task<> {
        job_slot first = co_await s.take();
        CHECK(m.tokens() == "ab");
        const job_slot second = co_await s.take();
        CHECK(m.tokens().size() == 1);
        job_slot third = co_await s.take();
        CHECK(m.tokens().empty());
        CHECK(s.held() == 2);
        CHECK_FALSE(s.try_take());
        // Whichever job it is that ends: what costs a token goes first.
        first.give_back();
        CHECK(s.held() == 1);
        CHECK(m.tokens().size() == 1);
        third.give_back();
        CHECK(s.held() == 0);
        CHECK(second);
    }(slots, make));
    CHECK(make.tokens() == "ab");
}

TEST_CASE("a token goes back as the byte that it was", "[make]") {
    const nothing_leaks check;
    std::string every;
    for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
    std::string sorted = every;
    std::sort(sorted.begin(), sorted.end());
    const pipe_of_make make(every);
    {
        make_slots slots(make.flags());
        std::vector<job_slot> all;
        while (job_slot one = slots.try_take()) all.push_back(std::move(one));
        CHECK(all.size() == 257);
        CHECK(make.tokens().empty());
        while (!all.empty()) all.erase(all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2));
    }
    CHECK(make.tokens() == sorted);
}

TEST_CASE("a guest waits for a slot without stopping its loop", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("");
    make_slots slots(make.flags());
    run_in_time([](make_slots& s, const pipe_of_make& m) -> task<> {
        const job_slot first = co_await s.take();
        gate until;
        int taken = 0;
        task_group group;
        group.start(take_and_hold(s, until, taken));
        co_await sleep_for(1ms); // a turn, which it could not have
        CHECK(taken == 0);
        put_into(m.write, "x");
        while (taken == 0) co_await sleep_for(1ms);
        CHECK(m.tokens().empty());
        until.open();
        co_await group.join();
    }(slots, make));
    CHECK(make.tokens() == "x");
}

TEST_CASE("a first slot that is given back goes to whoever waits", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("");
    make_slots slots(make.flags());
    run_in_time([](make_slots& s) -> task<> {
        job_slot first = co_await s.take();
        gate until;
        int taken = 0;
        task_group group;
        group.start(take_and_hold(s, until, taken));
        group.start(take_and_hold(s, until, taken));
        co_await yield();
        CHECK(taken == 0);
        first.give_back();
        CHECK_FALSE(s.try_take()); // it is another's already
        until.open();
        co_await group.join();
        CHECK(taken == 2);
    }(slots));
}

TEST_CASE("to give up waiting for a slot takes none and waiting again works", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("");
    make_slots slots(make.flags());
    event_loop loop;
    const job_slot first = slots.try_take();
    for (int i = 0; i < 3; ++i) {
        static_cast<void>(drive(slots.take())); // and nothing comes before the next one waits
        {
            const driven waiting = drive(slots.take());
            loop.poll();
            CHECK_FALSE(waiting.done());
        }
        put_into(make.write, "x");
        loop.poll();
        CHECK(take_from(make.read) == "x");
        CHECK(slots.held() == 0);
    }
    const driven waiting = drive(slots.take());
    put_into(make.write, "x");
    loop.run_once(10s);
    CHECK(waiting.done());
    CHECK(make.tokens() == "x"); // it has gone back at once
}

TEST_CASE("nobody overtakes one who waits for a slot", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("");
    make_slots slots(make.flags());
    event_loop loop;
    const job_slot first = slots.try_take();
    const driven waiting = drive(slots.take());
    put_into(make.write, "x");
    CHECK_FALSE(slots.try_take());
    const driven later = drive(slots.take());
    CHECK_FALSE(later.done());
    loop.run_once(10s);
    CHECK(waiting.done());
}

TEST_CASE("a slot that was granted to one who is gone meanwhile goes back", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("");
    make_slots slots(make.flags());
    event_loop loop;
    const job_slot first = slots.try_take();
    // Both are granted one in the same batch; the first to be resumed ends the second.
    std::optional<driven> second;
    const auto one_that_ends_the_other = [](make_slots& s, std::optional<driven>& other) -> task<> {
        const job_slot mine = co_await s.take();
        other.reset();
    };
    const driven one = drive(one_that_ends_the_other(slots, second));
    second.emplace(drive(slots.take()));
    put_into(make.write, "xy");
    loop.run_once(10s);
    CHECK(one.done());
    CHECK_FALSE(second);
    CHECK(slots.held() == 0);
    CHECK(make.tokens() == "xy");
}

TEST_CASE("a first slot that was granted to one who is gone goes to the next", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("");
    make_slots slots(make.flags());
    event_loop loop;
    job_slot first = slots.try_take();
    std::optional<driven> one(drive(slots.take()));
    const driven next = drive(slots.take());
    first.give_back();
    one.reset();
    loop.poll();
    CHECK(next.done());
}

TEST_CASE("a slot goes back when its job throws", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("x");
    make_slots slots(make.flags());
    const auto failing = [](make_slots& s) -> task<> {
        const job_slot first = co_await s.take();
        const job_slot second = co_await s.take();
        throw std::runtime_error("the job failed");
    };
    CHECK_THROWS_AS(run_in_time(failing(slots)), std::runtime_error);
    CHECK(make.tokens() == "x");
    CHECK(slots.try_take());
}

TEST_CASE("several guests of one make never have more than it has", "[make]") {
    const nothing_leaks check;
    const pipe_of_make make("abc");
    make_slots guests[] = {make_slots(make.flags()), make_slots(make.flags()), make_slots(make.flags())};
    int running = 0;
    int most = 0;
    int done = 0;
    const auto job = [](make_slots& s, int& now, int& peak, int& over) -> task<> {
        for (int i = 0; i < 20; ++i) {
            const job_slot mine = co_await s.take();
            peak = std::max(peak, ++now);
            co_await yield();
            --now;
        }
        ++over;
    };
    run_in_time([](make_slots(&all)[3], auto& each, int& now, int& peak, int& over) -> task<> {
        task_group group;
        for (make_slots& guest : all) {
            for (int i = 0; i < 5; ++i) group.start(each(guest, now, peak, over));
        }
        co_await group.join();
    }(guests, job, running, most, done));
    CHECK(done == 15);
    CHECK(most == 3 + 3); // the first of each, and make's
    CHECK(make.tokens() == "abc");
}

TEST_CASE("a guest can be used by one loop after the other", "[make]") {
    const pipe_of_make make("x");
    make_slots slots(make.flags());
    for (int i = 0; i < 3; ++i) {
        const job_slot first = run_in_time(take_one(slots));
        const job_slot second = run_in_time(take_one(slots));
        CHECK(slots.held() == 1);
        const auto third = run(with_timeout(take_one(slots), 1ms));
        CHECK_FALSE(third);
    }
    CHECK(make.tokens() == "x");
}

TEST_CASE("no flag of a descriptor of make is changed", "[make]") {
    const pipe_of_make make("x");
    const auto flags = [&] {
        return std::vector<int>{::fcntl(make.read.get(), F_GETFL), ::fcntl(make.write.get(), F_GETFL),
                                ::fcntl(make.read.get(), F_GETFD), ::fcntl(make.write.get(), F_GETFD)};
    };
    const std::vector<int> before = flags();
    {
        make_slots slots(make.flags());
        const job_slot first = run_in_time(take_one(slots));
        const job_slot second = run_in_time(take_one(slots));
        CHECK_FALSE(run(with_timeout(take_one(slots), 1ms)));
        CHECK(flags() == before);
    }
    CHECK(flags() == before);
}

TEST_CASE("a guest of a make that has lent nothing has one slot and says why", "[make]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const pipe_of_make make("ab");
    const platform::pipe_ends ours = platform::make_pipe();
    put_into(ours.write, "ours");
    const unique_fd file(::open(directory.file("file", "content").c_str(), O_RDWR));
    const auto both = [](int a, int b) { return std::to_string(a) + "," + std::to_string(b); };

    const std::vector<std::pair<std::string, std::string>> servers{
        {"700,701", "descriptor 700 is not open: the recipe's line lacks a +"},
        {both(make.read.get(), 701), "descriptor 701 is not open: the recipe's line lacks a +"},
        {"-2,-2", "make has not lent it: the recipe's line lacks a +"},
        {both(file.get(), file.get()), "is no pipe: the recipe's line lacks a +"},
        {both(make.write.get(), make.read.get()), "is the wrong end of a pipe"},
        {both(ours.read.get(), ours.write.get()), "is not make's: it was opened by this program"},
        {"", "that names no descriptors"},
        {"3", "that names no descriptors"},
        {"3,", "that names no descriptors"},
        {"3,4,5", "that names no descriptors"},
        {"a,b", "that names no descriptors"},
        {" 3,4", "that names no descriptors"},
        {"99999999999,4", "that names no descriptors"},
        {"fifo:", "No such file or directory"},
        {"fifo:" + (directory / "nothing"), "No such file or directory"},
        {"fifo:" + (directory / "file"), "it is no fifo"},
    };
    for (const auto& [server, reason] : servers) {
        INFO(server);
        make_slots slots(" -j8 --jobserver-auth=" + server);
        INFO(slots.problem());
        CHECK(slots.problem().find(reason) != std::string::npos);
        CHECK(slots.limited());
        const job_slot first = run_in_time(take_one(slots));
        CHECK_FALSE(slots.try_take());
        CHECK_FALSE(run(with_timeout(take_one(slots), 1ms)));
    }
    CHECK(make.tokens() == "ab");
    CHECK(take_from(ours.read) == "ours");
    CHECK(content_of(directory / "file") == "content");
    CHECK(::lseek(file.get(), 0, SEEK_CUR) == 0);
}

TEST_CASE("one slot that is there alone serves one job after the other", "[make]") {
    make_slots slots("--jobserver-auth=-2,-2");
    int running = 0;
    int most = 0;
    const auto job = [](make_slots& s, int& now, int& peak) -> task<> {
        const job_slot mine = co_await s.take();
        peak = std::max(peak, ++now);
        co_await yield();
        --now;
    };
    run_in_time([](make_slots& s, auto& each, int& now, int& peak) -> task<> {
        task_group group;
        for (int i = 0; i < 10; ++i) group.start(each(s, now, peak));
        co_await group.join();
    }(slots, job, running, most));
    CHECK(most == 1);
}

TEST_CASE("without a job server slots are free", "[make]") {
    const nothing_leaks check;
    for (const char* flags : {"", "k", " -j", " -j1", "-- X=--jobserver-auth=3,4"}) {
        make_slots slots(flags);
        CHECK_FALSE(slots.limited());
        CHECK(slots.problem().empty());
        std::vector<job_slot> many;
        for (int i = 0; i < 1000; ++i) many.push_back(slots.try_take());
        CHECK(std::all_of(many.begin(), many.end(), [](const job_slot& s) { return static_cast<bool>(s); }));
        CHECK(run_in_time(take_one(slots)));
    }
    CHECK(make_slots("n -j").dry_run());
}

TEST_CASE("a guest shares the fifo of a make", "[make]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string path = directory / "a fifo";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    const unique_fd make(::open(path.c_str(), O_RDWR | O_NONBLOCK));
    put_into(make, "ab");
    {
        make_slots slots("-j3 --jobserver-auth=fifo:" + detail::escape_makeflag(path));
        CHECK(slots.problem().empty());
        run_in_time([](make_slots& s, const unique_fd& m) -> task<> {
            const job_slot first = co_await s.take();
            const job_slot second = co_await s.take();
            const job_slot third = co_await s.take();
            CHECK(s.held() == 2);
            gate until;
            int taken = 0;
            task_group group;
            group.start(take_and_hold(s, until, taken));
            co_await sleep_for(1ms);
            CHECK(taken == 0);
            put_into(m, "c");
            while (taken == 0) co_await sleep_for(1ms);
            until.open();
            co_await group.join();
        }(slots, make));
    }
    std::string all = take_from(make);
    std::sort(all.begin(), all.end());
    CHECK(all == "abc");
}

TEST_CASE("what a fork lets go of stays taken", "[make]") {
    const pipe_of_make make("x");
    make_slots slots(make.flags());
    job_slot first = slots.try_take();
    job_slot second = slots.try_take();
    CHECK(in_a_fork([&] {
              second.give_back();
              first.give_back();
              const job_slot again = slots.try_take();
              return again && slots.try_take() ? 1 : 0;
          }) == 0);
    CHECK(make.tokens().empty());
    second.give_back();
    CHECK(make.tokens() == "x");
}

TEST_CASE("a guest lends the job server to its own children", "[make][process]") {
    const nothing_leaks check;
    const pipe_of_make make("abc");
    make_slots slots(make.flags());
    const auto talk = [](command c) -> task<result> {
        async_process process(c);
        co_return co_await process.communicate();
    };
    const command taker = command(child("make_token"), "take", "2").env("MAKEFLAGS", make.flags());
    CHECK(run_in_time(talk(taker)).status.code() == 3); // nothing is passed on by itself
    CHECK(run_in_time(talk(slots.lend(taker))).out == "ab");
    CHECK(make.tokens() == "c");
    put_into(make.write, "ab");
}
