// SPDX-License-Identifier: BSL-1.0
//
// One call takes no more system calls than what it stands for, written out.
#include "support/system_calls.hpp"

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_COUNTS) && !defined(COPROC_BACKEND_KQUEUE)

#include <optional>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"

using namespace coproc;

namespace {

constexpr int rounds_of_jobs = 20;

template <class Round>
task<> rounds_of(Round& round) {
    for (int i = 0; i < 3; ++i) co_await round(); // the way of starting children is found out, and tables grow
    counting::begin();
    for (int i = 0; i < rounds_of_jobs; ++i) co_await round();
    counting::end();
}

// In one round, but for the waits, of which there may be more or less.
template <class Round>
std::optional<system_calls> calls_per_round(Round round) {
    std::optional<system_calls> counted = count_system_calls([&] {
        event_loop loop;
        loop.run(rounds_of(round));
    });
    if (!counted) return std::nullopt;
    counted->ours.rounds(rounds_of_jobs);
    counted->childrens.rounds(rounds_of_jobs);
    // How often it looks whether the program runs, and whether a line is whole, depends on who is faster.
    for (const char* waits : {"epoll_wait", "poll", "futex", "read", "epoll_ctl"}) counted->ours.take(waits);
    return counted;
}

} // namespace

TEST_CASE("execute takes the system calls of what it stands for", "[counts]") {
    const command c = command(child("mute")).in(stdio::null);
    const auto by_hand = calls_per_round([&]() -> task<> {
        async_process p = co_await start(c);
        co_await p.communicate();
    });
    const auto in_one = calls_per_round([&]() -> task<> { co_await execute(c); });
    const auto as_text = calls_per_round([&]() -> task<> { co_await output(c); });
    if (!by_hand || !in_one || !as_text) return;
    CHECK(in_one->ours == by_hand->ours);
    CHECK(as_text->ours == by_hand->ours);
    CHECK(in_one->childrens == by_hand->childrens);
}

TEST_CASE("lines take the system calls of what they stand for", "[counts]") {
    const command c = command(child("lines"), "1000").in(stdio::null);
    const auto by_hand = calls_per_round([&]() -> task<> {
        async_process p = co_await start(c);
        while (co_await p.out().next_line()) {
        }
        co_await p.communicate();
    });
    const auto in_one = calls_per_round([&]() -> task<> {
        auto all = lines(c);
        while (co_await all.next()) {
        }
    });
    if (!by_hand || !in_one) return;
    CHECK(in_one->ours == by_hand->ours);
}

#endif
