// SPDX-License-Identifier: BSL-1.0
//
// How far a signal and destruction go: to the process, to its group, to all that it has started.
#include <coproc/process/reach.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/brood.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// What is left of a brood is ended by the test itself.
void end_them(const std::vector<int>& pids) {
    for (const int pid : pids) ::kill(pid, SIGKILL);
}

#if defined(__linux__)
constexpr bool tells_of_descendants = true;
#else
constexpr bool tells_of_descendants = false;
#endif

} // namespace

TEST_CASE("a command reaches its group if it makes one and else its process", "[process]") {
    CHECK(command("x").reach() == reach::process);
    CHECK(command("x").process_group(5).reach() == reach::process);
    CHECK(command("x").new_process_group().reach() == reach::group);
    CHECK(command("x").new_session().reach() == reach::group);
    CHECK(command("x").new_session().reach(reach::process).reach() == reach::process);
    CHECK(command("x").reach(reach::descendants).new_session().reach() == reach::descendants);
}

TEST_CASE("a reach without what it is named after is a mistake and starts nothing", "[process]") {
    const nothing_leaks check;
    event_loop loop;
    CHECK_THROWS_AS(async_process(command(child("hold")).reach(reach::group)), usage_error);
    CHECK_THROWS_AS(async_process(command(child("hold")).process_group(5).reach(reach::group)), usage_error);
    CHECK_THROWS_AS(start(command(child("hold")).reach(reach::group)), usage_error);
    CHECK_THROWS_AS(async_process(command(child("hold")).reach(reach::cgroup)), usage_error);
    CHECK_THROWS_AS(async_process(command(child("hold")).reach(reach::cgroup).new_session()), usage_error);
    CHECK(no_children());
}

TEST_CASE("what a system cannot reach is an error before anything starts", "[process]") {
    if (tells_of_descendants) return;
    const std::optional<spawn_error> e = failure_of(command(child("hold")).reach(reach::descendants));
    REQUIRE(e);
    CHECK(e->stage() == spawn_stage::session);
    CHECK(e->code() == std::errc::not_supported);
}

TEST_CASE("a signal that is sent by number goes to the process alone", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(r)r").new_process_group());
        const std::vector<int> both = co_await pids_from(p, 2);
        const int other = both[0] == p.pid() ? both[1] : both[0];
        CHECK(p.send_signal(SIGTERM));
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::signaled(SIGTERM));
        CHECK(runs(other));
        end_them({other});
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

TEST_CASE("interrupt and terminate and kill go to the whole group that the command made", "[process]") {
    const nothing_leaks check;
    const auto talk = [](signal_sent (async_process::*verb)(), int number, bool session) -> task<> {
        command c = brood("(r(r))r");
        session ? c.new_session() : c.new_process_group();
        async_process p(c);
        const std::vector<int> all = co_await pids_from(p, 3);
        CHECK((p.*verb)());
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::signaled(number));
        co_await until_the_last_has_ended(p);
        co_await until_gone(all);
    };
    for (const bool session : {false, true}) {
        run_in_time(talk(&async_process::interrupt, SIGINT, session));
        run_in_time(talk(&async_process::terminate, SIGTERM, session));
        run_in_time(talk(&async_process::kill, SIGKILL, session));
    }
}

TEST_CASE("killing the process alone leaves its children and nothing waits for them", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const bool own_group : {false, true}) {
            command c = brood("(r)r");
            if (own_group) c.new_process_group().reach(reach::process);
            std::vector<int> both;
            {
                async_process p(c);
                both = co_await pids_from(p, 2);
                const int other = both[0] == p.pid() ? both[1] : both[0];
                CHECK(p.kill());
                const exit_status s = co_await p.wait();
                CHECK(s == exit_status::signaled(SIGKILL));
                CHECK(runs(other));
                const exit_status again = co_await p.stop();
                CHECK(again == s);
                CHECK(runs(other));
                CHECK_FALSE(p.kill());
                end_them({other});
                co_await until_the_last_has_ended(p);
            }
        }
    };
    run_in_time(talk());
}

TEST_CASE("a group is never ours whatever the child is told", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process bystander(child("hold")); // in our group
        for (const reach how_far : {reach::process, tells_of_descendants ? reach::descendants : reach::process}) {
            async_process p(brood("(r)r").reach(how_far));
            const std::vector<int> both = co_await pids_from(p, 2);
            p.kill();
            co_await p.stop();
            end_them(both);
            co_await until_the_last_has_ended(p);
            { async_process abandoned(brood("r").reach(how_far)); }
        }
        CHECK(bystander.running());
    };
    run_in_time(talk());
}

TEST_CASE("a child that joins a group of another is stopped alone", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process first(command(child("hold")).new_process_group());
        async_process second(command(child("hold")).process_group(*first.pid()));
        const exit_status s = co_await second.stop(10s);
        CHECK(s == exit_status::signaled(SIGTERM));
        CHECK(first.running());
    };
    run_in_time(talk());
}

TEST_CASE("destruction reaches the whole group", "[process]") {
    const nothing_leaks check;
    const auto talk = [](destroy policy) -> task<> {
        stream_reader out;
        std::vector<int> all;
        {
            async_process p(brood("(ir)(r)ir").new_process_group().on_destroy(policy), streams().out(out));
            all = co_await pids_from(p, 3);
        }
        while (!no_children()) co_await sleep_for(100us);
        co_await until_gone(all);
    };
    run_in_time(talk(destroy::kill));
    run_in_time(talk(destroy::terminate(10ms)));
}

TEST_CASE("the end of a loop kills whole groups", "[process]") {
    const nothing_leaks check;
    std::vector<int> all;
    {
        event_loop loop;
        async_process p(brood("(ir)(r)ir").new_process_group().on_destroy(destroy::terminate(1h)));
        all = loop.run(pids_from(p, 3));
    }
    for (const int pid : all) {
        while (runs(pid)) ::usleep(100); // killed, and on its way
    }
}

TEST_CASE("what is detached is detached with all its group", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::vector<int> both;
        {
            async_process p(brood("(r)r").new_process_group().on_destroy(destroy::detach));
            both = co_await pids_from(p, 2);
        }
        co_await yield();
        CHECK((runs(both[0]) && runs(both[1])));
        end_them(both);
        while (!no_children()) co_await sleep_for(100us);
        co_await until_gone(both);
    };
    run_in_time(talk());
}

TEST_CASE("a start that is given up takes its group with it", "[process][dies_before_exec]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 20; ++i) {
            { starting given_up = start(brood("(i)i").new_process_group()); }
            { async_process unused = co_await start(brood("(i)i").new_session()); }
        }
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk());
}

#if defined(__linux__)

TEST_CASE("others of a child that is let go of have the rest of the grace", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        const platform::pipe_ends said = platform::make_pipe();
        stream_reader out;
        [[maybe_unused]] const std::set<int> before = open_descriptors();
        out.open(platform::nonblocking(unique_fd(::fcntl(said.read.get(), F_DUPFD_CLOEXEC, 3))));
        {
            async_process p(
                brood("(or)r").new_process_group().on_destroy(destroy::terminate(1h)).out(stdio::fd(said.write.get())));
            const auto one = co_await out.read_line();
            const auto two = co_await out.read_line();
            REQUIRE((one && two));
        } // the leader ends by SIGTERM, the other takes its time
        const auto last = co_await out.read_line();
        CHECK(last == "over");
        while (!no_children()) co_await sleep_for(100us);
        out.close();
#if !defined(COPROC_BACKEND_KQUEUE) // libkqueue frees its own late
        // And what we held of them goes with the last, not with the grace.
        while (open_descriptors() != before) co_await sleep_for(100us);
#endif
    };
    run_in_time(talk());
}

TEST_CASE("kill reaches a group whose leader has been reaped", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(ir)x").new_process_group());
        const std::vector<int> heir = co_await pids_from(p, 1);
        co_await p.wait();
        CHECK_FALSE(p.pid());
        CHECK_FALSE(p.send_signal(SIGKILL));
        CHECK(runs(heir[0]));
        CHECK(p.kill());
        co_await until_the_last_has_ended(p);
    };
    run_in_time(talk());
}

TEST_CASE("destruction reaches a group whose leader has been reaped", "[process]") {
    const nothing_leaks check;
    const auto talk = [](destroy policy) -> task<> {
        std::vector<int> heirs;
        {
            async_process p(brood("(ir)(ir)x").new_process_group().on_destroy(policy));
            heirs = co_await pids_from(p, 2);
            co_await p.wait();
        }
        co_await until_gone(heirs);
    };
    run_in_time(talk(destroy::kill));
    run_in_time(talk(destroy::terminate(10ms)));
}

TEST_CASE("destruction reaches descendants in whatever session they are", "[process]") {
    const nothing_leaks check;
    const auto talk = [](destroy policy) -> task<> {
        std::vector<int> all;
        {
            async_process p(brood("(sir(sir))(r)r").reach(reach::descendants).on_destroy(policy));
            all = co_await pids_from(p, 4);
        }
        co_await until_gone(all);
        while (!no_children()) co_await sleep_for(100us);
    };
    run_in_time(talk(destroy::kill));
    run_in_time(talk(destroy::terminate(10ms)));
}

TEST_CASE("kill reaches descendants that are being forked all the time", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 5; ++i) {
            async_process p(brood("r(b)(b)").reach(reach::descendants));
            co_await pids_from(p, 1);
            co_await sleep_for(1ms * i);
            CHECK(p.kill());
            co_await p.wait();
            co_await until_the_last_has_ended(p);
        }
    };
    run_in_time(talk());
}

TEST_CASE("terminate reaches descendants and a signal by number does not", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(brood("(sr)(gr)ir").reach(reach::descendants));
        const std::vector<int> all = co_await pids_from(p, 3);
        CHECK(p.send_signal(SIGTERM)); // which is ignored
        for (const int pid : all) CHECK(runs(pid));
        CHECK(p.terminate());
        for (const int pid : all) {
            while (pid != p.pid() && runs(pid)) co_await sleep_for(100us);
        }
        CHECK(p.running());
    };
    run_in_time(talk());
}

#endif
