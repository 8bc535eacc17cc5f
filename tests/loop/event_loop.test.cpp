// SPDX-License-Identifier: BSL-1.0
#include <coproc/loop/event_loop.hpp>

#include <coproc/coro/task.hpp>
#include <coproc/loop/run.hpp>
#include <coproc/loop/sleep.hpp>
#include <coproc/loop/task_group.hpp>
#include <coproc/loop/with_timeout.hpp>

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/counted.hpp"
#include "support/driven.hpp"
#include "support/forked.hpp"
#include "support/memory.hpp"
#include "support/pipes.hpp"
#include "support/readable.hpp"
#include "support/resources.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// Somebody who is told about a pipe.
class listener final : public event_target {
public:
    listener(event_loop& loop, std::function<void()> then = {}) : loop_(loop), then_(std::move(then)) {
        platform::pipe_ends ends = platform::make_pipe();
        read_ = platform::nonblocking(std::move(ends.read));
        write_ = std::move(ends.write);
        REQUIRE_FALSE(loop_.watch(read_.get(), platform::interest::read, *this, registration_));
    }
    ~listener() { leave(); }

    void send(std::string_view bytes) { put_into(write_, bytes); }
    void hang_up() { write_.reset(); }
    void leave() {
        if (registration_ != 0) loop_.unwatch(read_.get(), platform::interest::read, registration_);
    }
    void on_event(platform::readiness what) noexcept override {
        ++told;
        last = what;
        if (then_) then_();
    }

    int told = 0;
    platform::readiness last;

private:
    event_loop& loop_;
    std::function<void()> then_;
    unique_fd read_;
    unique_fd write_;
    event_loop::registration registration_ = 0;
};

bool readable_now(const event_loop& loop) { return readable(loop.native_handle()); }

} // namespace

// ---- posted functions
// ------------------------------------------------------------------------------------------------

TEST_CASE("posted functions are called in the order in which they were posted", "[loop]") {
    event_loop loop;
    std::string trace;
    for (const char c : {'a', 'b', 'c'}) loop.post([&trace, c] { trace += c; });
    CHECK(trace.empty());
    loop.poll();
    CHECK(trace == "abc");
    loop.poll();
    CHECK(trace == "abc");
}

TEST_CASE("what is posted in a turn is called in a later one", "[loop]") {
    event_loop loop;
    std::string trace;
    loop.post([&] {
        trace += 'a';
        loop.post([&] { trace += 'c'; });
        trace += 'b';
    });
    loop.poll();
    CHECK(trace == "ab");
    loop.run_once(1h); // which does not wait
    CHECK(trace == "abc");
}

TEST_CASE("a posted function may own what can only be moved", "[loop]") {
    event_loop loop;
    int got = 0;
    loop.post([&got, n = std::make_unique<int>(7)] { got = *n; });
    loop.poll();
    CHECK(got == 7);
}

TEST_CASE("what many threads post is called by the thread of the loop and each in its order", "[loop]") {
    constexpr int per_thread = 1000;
    event_loop loop;
    const auto owner = std::this_thread::get_id();
    std::array<int, 4> next{};
    int called = 0;
    bool in_order = true;
    bool in_this_thread = true;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < next.size(); ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < per_thread; ++i) {
                loop.post([&, t, i] {
                    in_order = in_order && next[t]++ == i;
                    in_this_thread = in_this_thread && std::this_thread::get_id() == owner;
                    ++called;
                });
            }
        });
    }
    while (called < 4 * per_thread) loop.run_once(1h); // each post wakes it
    for (std::thread& t : threads) t.join();
    CHECK(in_order);
    CHECK(in_this_thread);
}

TEST_CASE("what a posted function throws comes out of the turn and the rest is called in the next", "[loop]") {
    event_loop loop;
    std::string trace;
    loop.post([&] { trace += 'a'; });
    loop.post([] { throw std::runtime_error("posted"); });
    loop.post([&] { trace += 'b'; });
    const driven d = drive(yield());
    SECTION("of run_once") { CHECK_THROWS_AS(loop.run_once(1h), std::runtime_error); }
    SECTION("of poll") { CHECK_THROWS_AS(loop.poll(), std::runtime_error); }
    SECTION("of run") { CHECK_THROWS_AS(loop.run(), std::runtime_error); }
    CHECK(trace == "a");
    CHECK_FALSE(d.done());
    CHECK_FALSE(loop.in_turn());
    loop.post([&] { trace += 'c'; });
    loop.run_once(1h);
    CHECK(trace == "abc");
    CHECK(d.done());
}

TEST_CASE("functions that were posted to a loop that ends are destroyed and not called", "[loop]") {
    int alive = 0;
    bool called = false;
    {
        event_loop loop;
        loop.post([&called, c = counted(alive)] { called = true; });
        loop.post([] { throw std::runtime_error("stop here"); });
        loop.post([&called, c = counted(alive)] { called = true; });
        SECTION("none of them seen yet") {}
        SECTION("some of them taken over by a turn that failed") {
            loop.post([&called, c = counted(alive)] { called = true; });
            CHECK_THROWS_AS(loop.poll(), std::runtime_error);
            called = false;
        }
        CHECK(alive > 0);
    }
    CHECK(alive == 0);
    CHECK_FALSE(called);
}

TEST_CASE("what is posted while a loop ends is destroyed as well", "[loop]") {
    // A function owns the last reference to something whose destructor says so by a post.
    struct posts_at_its_end {
        posts_at_its_end(event_loop& l, int& count) : loop(l), alive(count) {}
        posts_at_its_end(const posts_at_its_end&) = delete;
        posts_at_its_end& operator=(const posts_at_its_end&) = delete;
        ~posts_at_its_end() {
            loop.post([c = counted(alive)] {});
        }
        event_loop& loop;
        int& alive;
    };
    int alive = 0;
    {
        event_loop loop;
        loop.post([owned = std::make_unique<posts_at_its_end>(loop, alive)] {});
    }
    CHECK(alive == 0);
}

// ---- run, run_once, poll, stop
// ---------------------------------------------------------------------------------------

TEST_CASE("a loop runs until it is stopped", "[loop]") {
    event_loop loop;
    std::string trace;
    loop.post([&] {
        trace += 'a';
        loop.stop();
        loop.post([&] { trace += 'c'; });
    });
    loop.post([&] { trace += 'b'; });
    loop.run();
    CHECK(trace == "ab"); // to the end of the turn, and no further
    loop.poll();
    CHECK(trace == "abc");
}

TEST_CASE("a loop can be stopped from another thread", "[loop]") {
    event_loop loop;
    for (int i = 0; i < 20; ++i) {
        std::thread other([&] { loop.stop(); });
        loop.run(); // whether the stop comes before or while it waits
        other.join();
    }
}

TEST_CASE("a turn that has nothing to do ends at its timeout and never before", "[loop]") {
    event_loop loop;
    loop.poll();
    for (const auto d : {100us, 2000us}) {
        const auto before = coproc::event_loop::clock::now();
        loop.run_once(d);
        CHECK(coproc::event_loop::clock::now() - before >= d);
    }
}

TEST_CASE("a turn without time does not wait", "[loop]") {
    event_loop loop;
    const driven asleep = drive(sleep_for(1h));
    loop.run_once(0s); // to be back is the test
    loop.run_once(-1h);
    loop.poll();
    CHECK_FALSE(asleep.done());
}

TEST_CASE("a turn that waits for ever ends with the first event", "[loop]") {
    event_loop loop;
    listener pipe(loop);
    std::thread other([&] { pipe.send("x"); });
    while (pipe.told == 0) loop.run_once(std::chrono::hours::max());
    other.join();
    CHECK(pipe.last.read);
    CHECK(pipe.told == 1);

    bool woken = false;
    const driven d = drive([](bool& w) -> task<> {
        co_await sleep_for(1ms);
        w = true;
    }(woken));
    while (!woken) loop.run_once(std::chrono::duration<double>::max());
    CHECK(d.done());
}

TEST_CASE("one poll is one turn even if there is always something to do", "[loop]") {
    event_loop loop;
    int turns = 0;
    const auto spin = [&]() -> task<> {
        for (;;) {
            co_await yield();
            ++turns;
        }
    };
    const driven d = drive(spin());
    std::function<void()> again = [&] { loop.post(again); };
    loop.post(again);
    const auto before = loop.turn_number();
    loop.poll();
    CHECK(turns == 1);
    loop.poll();
    CHECK(turns == 2);
    CHECK(loop.turn_number() != before);
}

TEST_CASE("a loop knows whether it is in a turn", "[loop]") {
    event_loop loop;
    CHECK_FALSE(loop.in_turn());
    bool in_post = false;
    bool in_coroutine = false;
    loop.post([&] { in_post = loop.in_turn(); });
    const auto body = [&]() -> task<> {
        co_await yield();
        in_coroutine = loop.in_turn();
    };
    const driven d = drive(body());
    loop.poll();
    CHECK(in_post);
    CHECK(in_coroutine);
    CHECK_FALSE(loop.in_turn());
}

// ---- which loop
// ------------------------------------------------------------------------------------------------------

TEST_CASE("a thread without a loop has no current one", "[loop]") {
    CHECK(event_loop::try_current() == nullptr);
    CHECK_THROWS_AS(event_loop::current(), usage_error);
    event_loop loop;
    CHECK(event_loop::try_current() == &loop);
    event_loop* seen = &loop;
    std::thread([&] { seen = event_loop::try_current(); }).join();
    CHECK(seen == nullptr); // it belongs to the thread that made it
}

TEST_CASE("of several loops the last one made is current or else the one in a turn", "[loop]") {
    event_loop first;
    {
        event_loop second;
        CHECK(&event_loop::current() == &second);
        event_loop* seen = nullptr;
        first.post([&] { seen = &event_loop::current(); });
        first.poll();
        CHECK(seen == &first);
        CHECK(&event_loop::current() == &second);
    }
    CHECK(&event_loop::current() == &first);
}

TEST_CASE("loops may end in any order", "[loop]") {
    auto first = std::make_unique<event_loop>();
    auto second = std::make_unique<event_loop>();
    auto third = std::make_unique<event_loop>();
    second.reset();
    CHECK(&event_loop::current() == third.get());
    first.reset();
    CHECK(&event_loop::current() == third.get());
    third.reset();
    CHECK(event_loop::try_current() == nullptr);
}

TEST_CASE("two loops on one thread do each their own work", "[loop]") {
    event_loop first;
    event_loop second;
    std::string trace;
    const auto body = [](std::string& t, char name) -> task<> {
        t += name;
        co_await sleep_for(0s);
        t += name;
        co_await yield();
        t += name;
    };
    first.run(body(trace, 'a'));
    CHECK(trace == "aaa");
    second.run(body(trace, 'b'));
    CHECK(trace == "aaabbb");
}

TEST_CASE("a turn of one loop may run another to its end", "[loop]") {
    event_loop outer;
    event_loop inner;
    const auto body = [&]() -> task<int> {
        const auto nested = []() -> task<int> {
            co_await sleep_for(100us);
            co_return 5;
        };
        const int n = inner.run(nested());
        CHECK(&event_loop::current() == &outer);
        co_await yield();
        co_return n;
    };
    CHECK(outer.run(body()) == 5);
}

TEST_CASE("a loop cannot be run within its own turn", "[loop]") {
    event_loop loop;
    int refused = 0;
    const auto refuse = [&](auto run_it) {
        try {
            run_it();
        } catch (const usage_error&) {
            ++refused;
        }
    };
    const auto all_ways = [&] {
        refuse([&] { loop.run(); });
        refuse([&] { loop.run(yield()); });
        refuse([&] { loop.run_once(1ms); });
        refuse([&] { loop.poll(); });
    };
    loop.post(all_ways);
    const auto body = [&]() -> task<> {
        all_ways(); // also before it has waited
        co_await yield();
        all_ways();
    };
    loop.run(body());
    CHECK(refused == 12);
    loop.run(yield()); // and it still works
}

TEST_CASE("a loop cannot be run by another thread than its own", "[loop]") {
    event_loop loop;
    int refused = 0;
    const auto all_ways = [&] {
        const auto refuse = [&](auto run_it) {
            try {
                run_it();
            } catch (const usage_error&) {
                ++refused;
            }
        };
        refuse([&] { loop.run(); });
        refuse([&] { loop.run(yield()); });
        refuse([&] { loop.run_once(0s); });
        refuse([&] { loop.poll(); });
    };
    std::thread(all_ways).join();
    CHECK(refused == 4);
    loop.run(yield());
}

TEST_CASE("a loop that is in a turn is refused to another thread without a race", "[loop]") {
    event_loop loop;
    std::atomic<int> refused{0};
    std::thread other;
    const auto from_elsewhere = [&] {
        const auto refuse = [&](auto run_it) {
            try {
                run_it();
            } catch (const usage_error&) {
                ++refused;
            }
        };
        refuse([&] { loop.run(); });
        refuse([&] { loop.run(yield()); });
        refuse([&] { loop.run_once(1h); });
        refuse([&] { loop.poll(); });
        loop.post([] {}); // this is allowed
    };
    const auto body = [&]() -> task<> {
        other = std::thread(from_elsewhere);
        while (refused < 4) {
            co_await yield(); // turn after turn meanwhile, with timers that come and go
            static_cast<void>(co_await with_timeout(yield(), 1h));
        }
    };
    loop.run(body());
    other.join();
    CHECK(refused == 4);
}

TEST_CASE("a loop for which there is no descriptor throws and is not the current one", "[loop]") {
    const int failed = in_a_fork([]() -> int {
        // UBSan looks at a type for the first time by means of a pipe, for which there will be no room.
        const std::system_error seen_before(std::error_code(EMFILE, std::system_category()), "EMFILE");
        if (seen_before.code() != std::errc::too_many_files_open) return 1;

        event_loop outer;
        const int next_free = ::dup(2);
        ::close(next_free);
        rlimit enough{};
        ::getrlimit(RLIMIT_NOFILE, &enough);
        // Room for none, for one, for two descriptors: whatever a loop is made of, its parts are given back.
        for (int room = 0; room < 3; ++room) {
            const rlimit limit{static_cast<rlim_t>(next_free + room), enough.rlim_max};
            ::setrlimit(RLIMIT_NOFILE, &limit);
            bool refused = false;
            try {
                const event_loop inner;
            } catch (const std::system_error& e) {
                refused = true;
                if (e.code() != std::errc::too_many_files_open) return 2;
            }
            ::setrlimit(RLIMIT_NOFILE, &enough);
            if (room == 0 && !refused) return 3;
            if (event_loop::try_current() != &outer) return 4;
            const int still_free = ::dup(2);
            ::close(still_free);
            if (still_free != next_free) return 5;
        }
        return 0;
    });
    CHECK(failed == 0);
}

#if !defined(COPROC_BACKEND_KQUEUE) || !defined(__linux__) // libkqueue allocates
TEST_CASE("a loop is made without allocating so that only descriptors can run out", "[loop]") {
    { const event_loop first; }             // what the thread keeps of the first one
    const std::size_t before = allocated(); // zero where nobody knows
    const event_loop loop;
    CHECK(allocated() == before);
}
#endif

TEST_CASE("a loop leaves no descriptor open", "[loop]") {
    const nothing_leaks check;
    for (int i = 0; i < 10; ++i) {
        event_loop loop;
        loop.run(yield());
    }
}

// ---- inside another loop
// ---------------------------------------------------------------------------------------------

TEST_CASE("a loop with nothing to do is not readable", "[loop][native_handle]") {
    event_loop loop;
    CHECK_FALSE(readable_now(loop));
    loop.poll();
    CHECK_FALSE(readable_now(loop));
    const driven asleep = drive(sleep_for(1h));
    const listener silent(loop);
    CHECK_FALSE(readable_now(loop));
    loop.poll();
    CHECK_FALSE(readable_now(loop));
}

TEST_CASE("a post makes a loop readable until it is polled", "[loop][native_handle]") {
    event_loop loop;
    int called = 0;
    for (int round = 1; round <= 3; ++round) {
        loop.post([&] { ++called; });
        loop.post([&] { ++called; });
        CHECK(readable_now(loop));
        loop.poll();
        CHECK(called == 2 * round);
        CHECK_FALSE(readable_now(loop));
    }
    std::thread([&] { loop.post([&] { ++called; }); }).join();
    CHECK(readable_now(loop));
    loop.poll();
    CHECK(called == 7);
    CHECK_FALSE(readable_now(loop));
}

TEST_CASE("a post from within a poll leaves the loop readable", "[loop][native_handle]") {
    event_loop loop;
    bool called = false;
    loop.post([&] { loop.post([&] { called = true; }); });
    loop.poll();
    CHECK_FALSE(called);
    CHECK(readable_now(loop));
    loop.poll();
    CHECK(called);
    CHECK_FALSE(readable_now(loop));
}

TEST_CASE("a coroutine that is ready makes a loop readable until it is resumed", "[loop][native_handle]") {
    event_loop loop;
    const auto body = []() -> task<> {
        co_await yield();
        co_await yield();
    };
    const driven d = drive(body());
    CHECK(readable_now(loop));
    loop.poll(); // resumes it, and it waits for the next turn
    CHECK_FALSE(d.done());
    CHECK(readable_now(loop));
    loop.poll();
    CHECK(d.done());
    CHECK_FALSE(readable_now(loop));
}

TEST_CASE("a timer makes a loop readable when it is due", "[loop][native_handle]") {
    event_loop loop;
    const auto due = coproc::event_loop::clock::now() + 2ms;
    const auto body = [](coproc::event_loop::clock::time_point when) -> task<> {
        co_await sleep_until(when);
        co_await sleep_until(when + 1ms); // set within a poll
    };
    const driven d = drive(body(due));
    CHECK(readable(loop.native_handle(), -1)); // waits for it
    CHECK(coproc::event_loop::clock::now() >= due);
    loop.poll();
    CHECK(readable(loop.native_handle(), -1));
    CHECK(coproc::event_loop::clock::now() >= due + 1ms);
    loop.poll();
    CHECK(d.done());
    CHECK_FALSE(readable_now(loop));
}

TEST_CASE("a timer that nobody needs any more does not make a loop readable", "[loop][native_handle]") {
    event_loop loop;
    SECTION("taken back between polls") { drive(sleep_for(1ms)).cancel(); }
    SECTION("taken back within a poll") {
        driven d = drive(sleep_for(1ms));
        loop.post([&] { d.cancel(); });
        loop.poll();
    }
    SECTION("taken back after a later one was set") {
        const driven later = drive(sleep_for(1h));
        drive(sleep_for(1ms)).cancel();
    }
    CHECK_FALSE(readable(loop.native_handle(), 3));
}

TEST_CASE("an event makes a loop readable until it is polled", "[loop][native_handle]") {
    event_loop loop;
    listener pipe(loop);
    CHECK_FALSE(readable_now(loop));
    pipe.send("x");
    CHECK(readable_now(loop));
    loop.poll();
    CHECK(pipe.told == 1);
    CHECK_FALSE(readable_now(loop)); // although nobody has read it
    pipe.hang_up();
    CHECK(readable_now(loop));
    loop.poll();
    CHECK(pipe.last.hangup);
    CHECK_FALSE(readable_now(loop));
}

TEST_CASE("work that is put off makes a loop readable", "[loop][native_handle]") {
    event_loop loop;
    listener target(loop);
    loop.again(target);
    CHECK(readable_now(loop));
    loop.poll();
    CHECK(target.told == 1);
    CHECK_FALSE(readable_now(loop));
}

TEST_CASE("work that is left by a poll that threw keeps the loop readable", "[loop][native_handle]") {
    event_loop loop;
    bool called = false;
    std::optional<driven> ready;
    loop.post([&] { ready.emplace(drive(yield())); });
    loop.post([] { throw std::runtime_error("posted"); });
    SECTION("a posted function") {
        loop.post([&] { called = true; });
    }
    SECTION("only the coroutine") { called = true; }
    CHECK_THROWS_AS(loop.poll(), std::runtime_error);
    CHECK(readable_now(loop)); // else a host would wait for ever before it polls again
    loop.poll();
    CHECK(called);
    if (!ready->done()) loop.poll();
    CHECK(ready->done());
    CHECK_FALSE(readable_now(loop));
}

TEST_CASE("a loop is readable when work is left however it was turned", "[loop][native_handle]") {
    // A host runs the loop itself first, and only then hands its descriptor to the other loop.
    event_loop loop;
    std::vector<driven> waiting;
    SECTION("a coroutine by run_once") {
        loop.post([&] {
            waiting.push_back(drive([]() -> task<> {
                co_await yield();
                co_await yield();
            }()));
        });
        loop.run_once(0s);
    }
    SECTION("a coroutine by run of a task") {
        const auto body = [&]() -> task<> {
            waiting.push_back(drive(yield()));
            co_return;
        };
        loop.run(body());
    }
    SECTION("a timer by run of a task") {
        const auto body = [&]() -> task<> {
            co_await yield();
            waiting.push_back(drive(sleep_for(1ms)));
        };
        loop.run(body());
    }
    SECTION("a coroutine by run and stop") {
        loop.post([&] {
            waiting.push_back(drive([]() -> task<> {
                co_await yield();
                co_await yield();
            }()));
            loop.stop();
        });
        loop.run();
    }
    CHECK(readable(loop.native_handle(), 200));
}

TEST_CASE("a loop that is only polled when its handle is readable does all its work", "[loop][native_handle]") {
    event_loop loop;
    int told = 0;
    listener pipe(loop, [&] { ++told; });
    bool posted = false;
    std::thread other;
    const auto body = [&]() -> task<int> {
        task_group group;
        int steps = 0;
        const auto worker = [&](int n) -> task<> {
            for (int i = 0; i < 10; ++i) {
                if (i % 3 == 0) co_await sleep_for(std::chrono::microseconds(100 * n));
                else co_await yield();
                const bool in_time = co_await with_timeout(sleep_for(50us), 1h);
                if (in_time) ++steps;
            }
        };
        for (int n = 0; n < 5; ++n) group.start(worker(n));
        pipe.send("x");
        other = std::thread([&] { loop.post([&] { posted = true; }); });
        co_await group.join();
        while (!posted || told == 0) co_await yield();
        co_return steps;
    };
    std::optional<int> result;
    const auto store = [&]() -> task<> { result = co_await body(); };
    const driven d = drive(store());
    while (!d.done()) {
        while (!readable(loop.native_handle(), -1)) {
        }
        loop.poll();
    }
    other.join();
    CHECK(result == 50);
    CHECK(told == 1);
}

// ---- what awaitables are made of
// -------------------------------------------------------------------------------------

TEST_CASE("an event that was under way when its target left finds nobody", "[loop]") {
    event_loop loop;
    std::optional<listener> first;
    std::optional<listener> second;
    std::optional<listener> in_its_place;
    int told = 0;
    const bool by_leaving = GENERATE(true, false);
    const auto drop = [&](std::optional<listener>& other) {
        return [&] {
            ++told;
            if (!other) return;
            // Whichever comes first drops the other one, whose event is in the same batch. A newcomer gets its place.
            if (by_leaving) other->leave();
            else other.reset();
            in_its_place.emplace(loop, [&] { told += 100; });
        };
    };
    first.emplace(loop, drop(second));
    second.emplace(loop, drop(first));
    first->send("x");
    second->send("x");
    loop.poll();
    CHECK(told == 1);
    loop.poll();
    CHECK(told == 1);
    in_its_place->send("x");
    loop.poll();
    CHECK(told == 101);
}

TEST_CASE("a registration that is refused takes no place", "[loop]") {
    event_loop loop;
    struct nobody final : event_target {
        void on_event(platform::readiness) noexcept override {}
    } target;
    event_loop::registration made = 0;
    for (int i = 0; i < 3; ++i) {
        CHECK(loop.watch(-1, platform::interest::read, target, made) == std::errc::bad_file_descriptor);
        CHECK(made == 0u);
    }
    listener pipe(loop);
    pipe.send("x");
    loop.poll();
    CHECK(pipe.told == 1);
}

TEST_CASE("many come and go and each is told what is its own", "[loop]") {
    event_loop loop;
    std::vector<std::unique_ptr<listener>> all;
    for (std::size_t round = 0; round < 20; ++round) {
        while (all.size() < 15) all.push_back(std::make_unique<listener>(loop));
        for (auto& each : all) each->told = 0;
        for (std::size_t i = 0; i < all.size(); i += 2) all[i]->send("x");
        loop.poll();
        for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i]->told == (i % 2 == 0 ? 1 : 0));
        // Every other round other ones leave, and newcomers get their places.
        for (std::size_t i = 0; i < 7; ++i) all.erase(all.begin() + static_cast<std::ptrdiff_t>(i + round % 2));
    }
}

TEST_CASE("work that is put off is done in the next turn unless its target is gone", "[loop]") {
    event_loop loop;
    std::optional<listener> second;
    listener first(loop, [&] { second.reset(); });
    second.emplace(loop);
    loop.again(first);
    loop.again(first); // once is enough
    loop.again(*second);
    loop.poll(); // the first destroys the second
    CHECK(first.told == 1);
    CHECK_FALSE(second);
    CHECK_FALSE(first.last.read); // nothing has happened to it
    loop.poll();
    CHECK(first.told == 1);
}

TEST_CASE("work that is put off again and again does not hold up the turn", "[loop]") {
    event_loop loop;
    listener* self = nullptr;
    listener busy(loop, [&] { loop.again(*self); });
    self = &busy;
    loop.again(busy);
    loop.poll();
    CHECK(busy.told == 1);
    loop.poll();
    CHECK(busy.told == 2);
}

TEST_CASE("residents are told when the loop ends but not those that have left", "[loop]") {
    struct resident final : loop_resident {
        explicit resident(int& count) : told(count) {}
        void on_loop_end() noexcept override { ++told; }
        int& told;
    };
    int told = 0;
    resident stays(told);
    auto leaves = std::make_unique<resident>(told);
    struct destroys_itself final : loop_resident {
        explicit destroys_itself(int& count) : told(count) {}
        void on_loop_end() noexcept override {
            ++told;
            delete this;
        }
        int& told;
    };
    {
        event_loop loop;
        loop.adopt(stays);
        loop.adopt(*leaves);
        loop.adopt(*new destroys_itself(told));
        leaves.reset();
        loop.poll();
        CHECK(told == 0);
    }
    CHECK(told == 2);
    CHECK_FALSE(stays.linked());
}

TEST_CASE("a coroutine that is ready may be destroyed by another one in the same turn", "[loop]") {
    event_loop loop;
    std::optional<driven> first;
    std::optional<driven> second;
    int resumed = 0;
    const auto body = [&](std::optional<driven>& other) -> task<> {
        co_await yield();
        ++resumed;
        other.reset();
    };
    first.emplace(drive(body(second)));
    second.emplace(drive(body(first)));
    loop.poll();
    CHECK(resumed == 1);
    loop.poll();
    CHECK(resumed == 1);
}
