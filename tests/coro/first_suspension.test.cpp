// SPDX-License-Identifier: BSL-1.0
//
// A co_await in a condition, in a coroutine that has no variable of its own.
//
// What was seen: `while (co_await lines.next()) {}` as the whole of a coroutine hung at -O0, and crashed at another
// place at -O2; not one statement of it had run. GCC 12.2 puts the value of the condition in front of the frame's first
// word, so its handle leads nowhere. Not ours, but it would be looked for here first: so such a coroutine ends the
// program with words that say what to do.
#include <signal.h>
#include <unistd.h>

#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"

using namespace coproc;

namespace {

task<bool> yes() { co_return true; }

task<> with_a_condition(int& seen) {
    if (co_await yes()) seen = 1;
}
async_generator<int> numbers_with_a_condition() {
    if (co_await yes()) co_yield 1;
}
task<> all_numbers(int& seen) {
    async_generator<int> numbers = numbers_with_a_condition();
    while (const auto number = co_await numbers.next()) seen = *number;
}

// 0 if it ran as it should, -SIGABRT if it was refused; and what was said.
template <class F>
int in_a_fork_that_tells(F f, std::string& said) {
    platform::pipe_ends pipe = platform::make_pipe();
    const int outcome = in_a_fork([&] {
        ::signal(SIGABRT, SIG_DFL); // the test runner has its own
        ::dup2(pipe.write.get(), 2);
        return f();
    });
    pipe.write.reset();
    said = take_from(pipe.read);
    return outcome;
}

} // namespace

TEST_CASE("a coroutine of which the compiler makes a wrong frame is refused and never hangs", "[coro]") {
    int seen = 0;
    std::string said;
    const auto run_task = [&] {
        run(with_a_condition(seen));
        return seen == 1 ? 0 : 1;
    };
    const auto run_generator = [&] {
        run(all_numbers(seen));
        return seen == 1 ? 0 : 1;
    };
    for (const bool generator : {false, true}) {
        INFO(generator);
        const int outcome =
            generator ? in_a_fork_that_tells(run_generator, said) : in_a_fork_that_tells(run_task, said);
        if (outcome == 0) continue; // a sound compiler
        CHECK(outcome == -SIGABRT);
        CHECK(said.find("give what is awaited a name") != std::string::npos);
    }
}

TEST_CASE("a condition that has a name is awaited by every compiler", "[coro]") {
    const auto named = [](int& seen) -> task<> {
        if (const bool is_so = co_await yes()) seen = is_so ? 1 : 2;
    };
    int seen = 0;
    run(named(seen));
    CHECK(seen == 1);
}
