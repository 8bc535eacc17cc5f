// SPDX-License-Identifier: BSL-1.0
//
// Who asks for what has come gets it there and then: the coroutine is not suspended and the loop does not turn.
#include <unistd.h>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

// A coroutine that runs at once, up to its end or for as long as it is not destroyed, and knows how often it was
// suspended.
class suspension_count {
public:
    struct promise_type {
        suspension_count get_return_object() noexcept {
            return suspension_count(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }

        // The awaiter itself, and beside it a look at each of its suspensions.
        template <class Awaiter>
        struct watched {
            Awaiter* awaiter;
            int* count;
            bool await_ready() { return awaiter->await_ready(); }
            void await_suspend(std::coroutine_handle<> handle) {
                ++*count;
                awaiter->await_suspend(handle);
            }
            decltype(auto) await_resume() { return awaiter->await_resume(); }
        };
        template <class Awaiter>
        watched<Awaiter> await_transform(Awaiter&& awaiter) noexcept {
            return {&awaiter, &suspensions};
        }

        int suspensions = 0;
    };

    explicit suspension_count(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    suspension_count(suspension_count&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    suspension_count& operator=(suspension_count&&) = delete;
    ~suspension_count() {
        if (handle_) handle_.destroy();
    }

    [[nodiscard]] bool done() const { return handle_.done(); }
    [[nodiscard]] int so_far() const { return handle_.promise().suspensions; }

private:
    std::coroutine_handle<promise_type> handle_;
};

constexpr int a_thousand = 1000;

suspension_count by_read_line(async_process& p, int& taken) {
    for (; taken < a_thousand; ++taken) {
        const auto line = co_await p.read_line();
        if (!line) break;
    }
}
suspension_count by_next_line(async_process& p, int& taken) {
    for (; taken < a_thousand; ++taken) {
        const auto line = co_await p.out().next_line();
        if (!line) break;
    }
}
suspension_count by_stream_stdout(async_process& p, int& taken) {
    auto lines = p.stream_stdout();
    for (; taken < a_thousand; ++taken) {
        const auto line = co_await lines.next();
        if (!line) break;
    }
}

} // namespace

// Seen to fail: a read that always parks.
TEST_CASE("a thousand lines that have come are taken without a suspension", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (const auto take : {by_read_line, by_next_line, by_stream_stdout}) {
            async_process p(child("lines"), "1000");
            const exit_status s = co_await p.wait(); // meanwhile they are taken in
            CHECK(s.success());
            const std::uint64_t turn = event_loop::current().turn_number();
            int taken = 0;
            const suspension_count suspensions = take(p, taken);
            CHECK(suspensions.done());
            CHECK(taken == a_thousand);
            CHECK(suspensions.so_far() == 0);
            CHECK(event_loop::current().turn_number() == turn);
        }
    };
    run_in_time(talk());
}

// Nobody has waited for anything, so they are not with us yet. Seen to fail: a read that always parks.
TEST_CASE("a thousand lines that are in the pipe are taken without a suspension", "[io]") {
    const auto talk = []() -> task<> {
        platform::pipe_ends pipe = platform::make_pipe();
        std::string text;
        for (int i = 0; i < a_thousand; ++i) text.append("ten chars.\n");
        const ssize_t written = ::write(pipe.write.get(), text.data(), text.size());
        CHECK(written == static_cast<ssize_t>(text.size()));
        stream_reader reader(std::move(pipe.read));
        const auto take = [](stream_reader& from, int& taken) -> suspension_count {
            for (; taken < a_thousand; ++taken) {
                const auto line = co_await from.next_line();
                if (!line) break;
            }
        };
        int taken = 0;
        const suspension_count suspensions = take(reader, taken);
        CHECK(suspensions.done());
        CHECK(taken == a_thousand);
        CHECK(suspensions.so_far() == 0);
        co_return;
    };
    run_in_time(talk());
}

// So the count counts.
TEST_CASE("a line that has not come suspends its reader once", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        int taken = 0;
        const suspension_count suspensions = by_read_line(p, taken);
        CHECK_FALSE(suspensions.done());
        CHECK(suspensions.so_far() == 1);
        co_await p.write_stdin("one\ntwo\nthree\n");
        while (taken < 3) co_await yield();
        CHECK(suspensions.so_far() == 2); // the second is for the fourth line
        p.close_stdin();
        while (!suspensions.done()) co_await yield();
        CHECK(taken == 3);
    };
    run_in_time(talk());
}
