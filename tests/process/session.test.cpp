// SPDX-License-Identifier: BSL-1.0
//
// Children with a session or a process group of their own, or in another's.
#include <coproc/process/session.hpp>

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <limits>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"

using namespace coproc;

namespace {

struct place_of_child {
    int process = 0, group = 0, session = 0;
};

// Of one that runs print_session, and stays.
task<place_of_child> place_of(async_process& p) {
    const auto line = co_await p.read_line();
    REQUIRE(line);
    place_of_child place;
    std::istringstream(*line) >> place.process >> place.group >> place.session;
    CHECK(place.process == p.pid());
    co_return place;
}

command placed() { return command(child("print_session")); }

} // namespace

TEST_CASE("a child is in our session and group unless it is told otherwise", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(placed());
        const place_of_child at = co_await place_of(p);
        CHECK(at.group == ::getpgrp());
        CHECK(at.session == ::getsid(0));
    };
    run_in_time(talk());
}

TEST_CASE("a new session has a group of its own and is the child's", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(placed().new_session());
        const place_of_child at = co_await place_of(p);
        CHECK(at.session == at.process);
        CHECK(at.group == at.process);
        async_process both(placed().new_process_group().new_session());
        const place_of_child too = co_await place_of(both);
        CHECK(too.session == too.process);
        async_process in_either_order(placed().new_session().new_process_group());
        const place_of_child again = co_await place_of(in_either_order);
        CHECK(again.session == again.process);
    };
    run_in_time(talk());
}

TEST_CASE("a new process group is the child's and stays in our session", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(placed().new_process_group());
        const place_of_child at = co_await place_of(p);
        CHECK(at.group == at.process);
        CHECK(at.session == ::getsid(0));
    };
    run_in_time(talk());
}

TEST_CASE("a child joins the group of another", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process first(placed().new_process_group());
        const int group = *first.pid();
        async_process second(placed().process_group(group));
        const place_of_child at = co_await place_of(second);
        CHECK(at.group == group);
        async_process last_word(placed().new_process_group().process_group(group));
        const place_of_child too = co_await place_of(last_word);
        CHECK(too.group == group);
        async_process own_after_all(placed().process_group(group).new_process_group());
        const place_of_child own = co_await place_of(own_after_all);
        CHECK(own.group == own.process);
    };
    run_in_time(talk());
}

TEST_CASE("a start that nobody waits for takes its session and group as well", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p = co_await start(placed().new_session());
        const place_of_child at = co_await place_of(p);
        CHECK(at.session == at.process);
        async_process q = co_await start(placed().new_process_group());
        const place_of_child own = co_await place_of(q);
        CHECK(own.group == own.process);
        async_process r = co_await start(placed().process_group(*q.pid()));
        const place_of_child joined = co_await place_of(r);
        CHECK(joined.group == *q.pid());
    };
    run_in_time(talk());
}

TEST_CASE("a group that cannot be joined is named and no program runs", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto find_failure = [](int group) -> task<std::optional<spawn_error>> {
        try {
            async_process q(placed().process_group(group));
        } catch (const spawn_error& e) {
            co_return e;
        }
        co_return std::nullopt;
    };
    const auto talk = [&]() -> task<> {
        async_process elsewhere(placed().new_session()); // in another session
        for (const int group : {*elsewhere.pid(), std::numeric_limits<int>::max()}) {
            const std::optional<spawn_error> e = co_await find_failure(group);
            REQUIRE(e);
            CHECK(e->stage() == spawn_stage::session);
            CHECK(e->code() == std::errc::operation_not_permitted);
            CHECK(std::string(e->what()).find("joining the process group " + std::to_string(group) + " failed") !=
                  std::string::npos);
        }
    };
    run_in_time(talk());
}

TEST_CASE("what is no group and what contradicts a new session is refused where it is said", "[process][spawn_fork]") {
    command c("x");
    for (const long long id : {1LL, 0LL, -1LL, -7LL, 1LL << 32, (1LL << 32) + 5}) {
        CHECK_THROWS_AS(c.process_group(id), std::invalid_argument);
    }
    CHECK_FALSE(c.session().has_own_group());
    CHECK_THROWS_AS(c.new_session().process_group(5), std::invalid_argument);
    command joined("x");
    CHECK_THROWS_AS(joined.process_group(5).new_session(), std::invalid_argument);
    try {
        joined.process_group(-5);
        FAIL("accepted");
    } catch (const std::invalid_argument& e) {
        CHECK(std::string(e.what()) == "-5 is no process group that can be joined");
    }
}
