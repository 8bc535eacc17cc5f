// SPDX-License-Identifier: BSL-1.0
#include <coproc/loop/task_group.hpp>

#include <coproc/coro/task.hpp>
#include <coproc/loop/event_loop.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/gate.hpp"

using namespace coproc;

namespace {

task<> fail_behind(gate& g, const char* why) {
    co_await g.pass();
    throw std::runtime_error(why);
}
task<> fail_at_once() {
    throw std::runtime_error("at once");
    co_return;
}
task<> hold(gate& g, int& alive, counted) {
    const counted local(alive);
    co_await g.pass();
}
task<> join(task_group& group) { co_await group.join(); }

// A joiner is resumed by the loop.
struct in_a_loop {
    event_loop loop;
    bool settled(const driven& d) {
        for (int turn = 0; turn < 3; ++turn) loop.poll();
        return d.done();
    }
};

} // namespace

TEST_CASE_METHOD(in_a_loop, "a group of nobody is joined at once", "[loop]") {
    task_group group;
    CHECK(group.running() == 0u);
    CHECK(settled(drive(join(group))));
}

TEST_CASE_METHOD(in_a_loop, "what is started in a group runs at once up to where it waits", "[loop]") {
    gate g;
    std::string trace;
    task_group group;
    const auto body = [&]() -> task<> {
        trace += "started ";
        co_await g.pass();
        trace += "ended";
    };
    group.start(body());
    CHECK(trace == "started ");
    CHECK(group.running() == 1u);
    g.open();
    CHECK(trace == "started ended");
    CHECK(group.running() == 0u);
}

TEST_CASE_METHOD(in_a_loop, "join waits for all in whatever order they end", "[loop]") {
    std::array<gate, 3> gates;
    task_group group;
    for (gate& g : gates) group.start(pass(g));
    const driven d = drive(join(group));
    for (const std::size_t i : {1u, 2u, 0u}) {
        CHECK_FALSE(settled(d));
        gates[i].open();
    }
    CHECK(settled(d));
    CHECK(settled(drive(join(group)))); // and again
}

TEST_CASE_METHOD(in_a_loop, "more may be started while a group is joined and after", "[loop]") {
    gate a, b, c;
    task_group group;
    group.start(pass(a));
    const driven d = drive(join(group));
    group.start(pass(b));
    a.open();
    CHECK_FALSE(settled(d));
    b.open();
    CHECK(settled(d));
    group.start(pass(c));
    const driven again = drive(join(group));
    CHECK_FALSE(settled(again));
    c.open();
    CHECK(settled(again));
}

TEST_CASE_METHOD(in_a_loop, "one that is started before the joiner has been resumed is waited for", "[loop]") {
    gate a, b;
    task_group group;
    group.start(pass(a));
    const driven d = drive(join(group));
    a.open(); // the last one: the joiner is on its way
    group.start(pass(b));
    CHECK_FALSE(settled(d));
    CHECK(group.running() == 1u);
    b.open();
    CHECK(settled(d));
}

TEST_CASE_METHOD(in_a_loop, "a joiner that is cancelled on its way leaves the group as it is", "[loop]") {
    gate a, b;
    task_group group;
    group.start(pass(a));
    driven d = drive(join(group));
    a.open();
    d.cancel();
    loop.poll();
    group.start(pass(b));
    const driven again = drive(join(group));
    CHECK_FALSE(settled(again));
    b.open();
    CHECK(settled(again));
}

TEST_CASE_METHOD(in_a_loop, "a group that is joined can be destroyed when its joiner is destroyed first", "[loop]") {
    gate g;
    std::optional<task_group> group;
    group.emplace();
    group->start(pass(g));
    { const driven d = drive(join(*group)); }
    group.reset();
    CHECK_FALSE(g.waited_for());
    loop.poll();
}

TEST_CASE_METHOD(in_a_loop, "a member may start another one", "[loop]") {
    gate a, b;
    task_group group;
    const auto body = [&]() -> task<> {
        co_await a.pass();
        group.start(pass(b));
    };
    group.start(body());
    const driven d = drive(join(group));
    a.open();
    CHECK_FALSE(settled(d));
    CHECK(group.running() == 1u);
    b.open();
    CHECK(settled(d));
}

TEST_CASE_METHOD(in_a_loop, "join throws the first failure as soon as it happens", "[loop]") {
    gate a, b, c;
    int alive = 0;
    std::string caught;
    const auto body = [&]() -> task<> {
        try {
            task_group group;
            group.start(fail_behind(a, "a"));
            group.start(fail_behind(b, "b"));
            group.start(hold(c, alive, counted(alive)));
            co_await group.join();
        } catch (const std::runtime_error& e) {
            caught = e.what();
            CHECK(alive == 0); // leaving the scope has cancelled the rest
        }
    };
    const driven d = drive(body());
    CHECK(alive == 2);
    b.open();
    CHECK(settled(d));
    CHECK(caught == "b");
    CHECK_FALSE(a.waited_for());
    CHECK_FALSE(c.waited_for());
}

TEST_CASE_METHOD(in_a_loop, "a failure that nobody was there to see comes out of the next join", "[loop]") {
    gate g;
    task_group group;
    group.start(fail_at_once());
    group.start(pass(g));
    CHECK(group.running() == 1u);
    CHECK_THROWS_AS(settled(drive(join(group))), std::runtime_error);
    const driven d = drive(join(group)); // once; then it waits for the rest
    CHECK_FALSE(settled(d));
    g.open();
    CHECK(settled(d));
}

TEST_CASE_METHOD(in_a_loop, "leaving a group cancels what still runs", "[loop]") {
    gate a, b;
    int alive = 0;
    {
        task_group group;
        group.start(hold(a, alive, counted(alive)));
        group.start(hold(b, alive, counted(alive)));
        CHECK(alive == 4);
        a.open();
    }
    CHECK(alive == 0);
    CHECK_FALSE(b.waited_for());
    b.open();
}

TEST_CASE_METHOD(in_a_loop, "a group can be cancelled and used again", "[loop]") {
    gate a, b;
    int alive = 0;
    task_group group;
    group.start(hold(a, alive, counted(alive)));
    group.cancel();
    CHECK(alive == 0);
    CHECK(group.running() == 0u);
    CHECK(settled(drive(join(group))));
    group.start(pass(b));
    const driven d = drive(join(group));
    CHECK_FALSE(settled(d));
    b.open();
    CHECK(settled(d));
}

TEST_CASE_METHOD(in_a_loop, "a group that runs for ever does not keep those that have ended", "[loop]") {
    int alive = 0;
    gate never;
    task_group group;
    group.start(pass(never));
    const auto body = [](counted) -> task<> { co_return; };
    for (int i = 0; i < 100; ++i) {
        group.start(body(counted(alive)));
        CHECK(alive <= 1); // the last of them, at the most
    }
    CHECK(group.running() == 1u);
}

TEST_CASE_METHOD(in_a_loop, "a joiner that is cancelled leaves the group as it is", "[loop]") {
    gate g;
    task_group group;
    group.start(pass(g));
    drive(join(group)).cancel();
    CHECK(group.running() == 1u);
    const driven d = drive(join(group));
    CHECK_FALSE(settled(d));
    g.open();
    CHECK(settled(d));
}

TEST_CASE_METHOD(in_a_loop, "a second joiner is a mistake and the first one waits on", "[loop]") {
    gate g;
    task_group group;
    group.start(pass(g));
    const driven first = drive(join(group));
    CHECK_THROWS_AS(settled(drive(join(group))), usage_error);
    CHECK_FALSE(settled(first));
    g.open();
    CHECK(settled(first));
}

TEST_CASE_METHOD(in_a_loop, "a joiner may destroy the group that has just resumed it", "[loop]") {
    gate g;
    std::optional<task_group> group;
    group.emplace();
    group->start(pass(g));
    const auto body = [&]() -> task<> {
        co_await group->join();
        group.reset();
    };
    const driven d = drive(body());
    g.open();
    CHECK(settled(d));
}

TEST_CASE_METHOD(in_a_loop, "what a member yields is dropped", "[loop]") {
    task_group group;
    const auto make = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(1); };
    group.start(make());
    CHECK(settled(drive(join(group))));
}

TEST_CASE_METHOD(in_a_loop, "an empty task in a group is a failure of the group", "[loop]") {
    gate g;
    task_group group;
    auto from = pass(g);
    const auto to = std::move(from);
    group.start(std::move(from)); // NOLINT(bugprone-use-after-move)
    CHECK_THROWS_AS(settled(drive(join(group))), usage_error);
}

TEST_CASE_METHOD(in_a_loop, "a group takes anything that can be awaited", "[loop]") {
    gate g;
    task_group group;
    group.start(g.pass());
    group.start(std::suspend_never());
    const driven d = drive(join(group));
    CHECK_FALSE(settled(d));
    g.open();
    CHECK(settled(d));
}

TEST_CASE_METHOD(in_a_loop, "a member that starts another one while it is cancelled leaves nothing behind", "[loop]") {
    gate a, b;
    int alive = 0;
    struct starts_at_the_end {
        task_group& group;
        gate& g;
        int& alive;
        starts_at_the_end(task_group& where, gate& at, int& count) : group(where), g(at), alive(count) {}
        starts_at_the_end(const starts_at_the_end&) = delete;
        starts_at_the_end& operator=(const starts_at_the_end&) = delete;
        ~starts_at_the_end() { group.start(hold(g, alive, counted(alive))); }
    };
    {
        task_group group;
        const auto body = [&]() -> task<> {
            const starts_at_the_end s(group, b, alive);
            co_await a.pass();
        };
        group.start(body());
    }
    CHECK(alive == 0);
    CHECK_FALSE(b.waited_for());
}

TEST_CASE_METHOD(in_a_loop, "one that fails at once may be started from outside while the joiner leaves", "[loop]") {
    gate g;
    std::optional<task_group> group;
    group.emplace();
    group->start(pass(g));
    std::string caught;
    const auto body = [&]() -> task<> {
        try {
            co_await group->join();
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
        group.reset();
    };
    const driven d = drive(body());
    group->start(fail_at_once());
    CHECK(settled(d));
    CHECK(caught == "at once");
    CHECK_FALSE(g.waited_for());
}

TEST_CASE_METHOD(in_a_loop, "cancelling a group that is being joined completes the join", "[loop]") {
    gate g;
    task_group group;
    group.start(pass(g));
    const driven d = drive(join(group));
    CHECK_FALSE(settled(d));
    group.cancel();
    CHECK(group.running() == 0u);
    CHECK(settled(d)); // none is running: there is nothing left that could ever wake it
}

TEST_CASE_METHOD(in_a_loop, "a member that starts one that fails at once is not destroyed under its own feet",
                 "[loop]") {
    // The joiner leaves the scope when the failure reaches it. That must not be while a member of the group is still
    // on the stack, inside start().
    gate a;
    std::string trace;
    const auto body = [&]() -> task<> {
        try {
            task_group group;
            const auto acceptor = [&]() -> task<> {
                const std::string owned = "the acceptor goes on";
                co_await a.pass();
                group.start(fail_at_once());
                trace += owned; // in its own frame
            };
            group.start(acceptor());
            co_await group.join();
        } catch (const std::runtime_error&) {
            trace += ", then the joiner";
        }
    };
    const driven d = drive(body());
    a.open();
    CHECK(settled(d));
    CHECK(trace == "the acceptor goes on, then the joiner");
}
