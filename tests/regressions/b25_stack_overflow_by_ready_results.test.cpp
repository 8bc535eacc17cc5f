// SPDX-License-Identifier: BSL-1.0
//
// A stack that overflows because everything is ready.
//
// What users saw: a loop over lines that were there already went one call deeper with each, and crashed after some ten
// thousand.
// Root cause: an await_suspend that resumes on the spot; and symmetric transfer, which GCC makes a tail call only when
// it optimises, and no sanitizer looks on. Reports: cppcoro #31, #55; folly #2077; libcoro #273 (GCC at -O0); stdexec
// #212; seastar #202. Why not here: what is ready takes the way of await_ready, with no suspension (read_awaiter,
// write_awaiter, wait_awaiter); what is not is resumed by the loop, from its own frame; and a task starts by a call and
// tells by the answer of await_suspend that it has ended already.
#include <pthread.h>

#include <cstddef>
#include <exception>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

// Runs f() on a thread whose stack is small.
template <class F>
void on_a_small_stack(F f) {
    pthread_attr_t attributes;
    REQUIRE(::pthread_attr_init(&attributes) == 0);
    REQUIRE(::pthread_attr_setstacksize(&attributes, std::size_t{256} << 10) == 0);
    const auto entry = [](void* argument) -> void* {
        (*static_cast<F*>(argument))();
        return nullptr;
    };
    pthread_t thread{};
    REQUIRE(::pthread_create(&thread, &attributes, entry, &f) == 0);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
}

task<bool> next(stream_reader& reader) {
    const auto line = co_await reader.next_line();
    co_return line.has_value();
}

} // namespace

// Seen to fail: read_awaiter never ready and resuming on the spot in await_suspend; SIGSEGV.
TEST_CASE("a million lines that are there already need no stack", "[regression]") {
    int lines = 0;
    int by_task = 0;
    on_a_small_stack([&] {
        event_loop loop;
        const auto talk = [&]() -> task<> {
            stream_reader reader;
            reader.feed(std::string(1000000, '\n'));
            reader.feed_eof();
            while (co_await reader.next_line()) ++lines;
            stream_reader again;
            again.feed(std::string(1000000, '\n'));
            again.feed_eof();
            while (co_await next(again)) ++by_task; // through a task for each
        };
        loop.run(talk());
    });
    CHECK(lines == 1000000);
    CHECK(by_task == 1000000);
}

TEST_CASE("a hundred thousand lines of a child need no stack", "[regression][process]") {
    const nothing_leaks check;
    int lines = 0;
    on_a_small_stack([&] {
        event_loop loop;
        const auto talk = [&]() -> task<> {
            async_process p(child("lines"), "100000");
            while (co_await p.read_line()) ++lines;
            for (int i = 0; i < 100000; ++i) co_await p.wait(); // ready for ever
        };
        loop.run(talk());
    });
    CHECK(lines == 100000);
}
