// SPDX-License-Identifier: BSL-1.0
//
// Many children at once, and many who start them.
#include <spawn.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

task<> end_after(async_process& p, std::chrono::microseconds time) {
    co_await sleep_for(time);
    p.close_stdin();
}

// Lets each child live for its time, with a waiter of its own; answers how many were told to have ended well.
task<std::size_t> live(std::vector<std::chrono::microseconds> times) {
    std::vector<async_process> all;
    std::vector<wait_awaiter> waits;
    std::vector<task<>> ends;
    all.reserve(times.size());
    for (const auto time : times) {
        async_process& p = all.emplace_back(child("hold"));
        waits.push_back(p.wait());
        ends.push_back(end_after(p, time));
    }
    auto both = co_await when_all(when_all(std::move(waits)), when_all(std::move(ends)));
    std::size_t good = 0;
    for (const exit_status& s : std::get<0>(both)) good += s.success();
    co_return good;
}

// Ten children of the host's, which have nothing to do with us, and are reaped when all have been started. Answers how
// many of them have not ended as they should have.
int run_by_other_means() {
    std::string program = child("exit_with");
    pid_t pids[10];
    for (int code = 0; code < 10; ++code) {
        std::string argument = std::to_string(code);
        char* argv[] = {program.data(), argument.data(), nullptr};
        if (::posix_spawn(&pids[code], program.c_str(), nullptr, nullptr, argv, platform::environment()) != 0)
            return 10;
    }
    int wrong = 0;
    for (int code = 0; code < 10; ++code) {
        int status = 0;
        pid_t waited = 0;
        do waited = ::waitpid(pids[code], &status, 0);
        while (waited < 0 && errno == EINTR);
        wrong += waited != pids[code] || !WIFEXITED(status) || WEXITSTATUS(status) != code;
    }
    return wrong;
}

// What a thread runs, where no test can fail: false if it takes for ever.
template <class Task>
bool ends_well(Task what) {
    const auto done = run(with_timeout(std::move(what), 30s));
    return done && *done;
}

} // namespace

TEST_CASE("a hundred children that live for various times are all told", "[process]") {
    const nothing_leaks check;
    std::mt19937 random(7);
    std::vector<std::chrono::microseconds> times;
    for (int i = 0; i < 100; ++i) times.emplace_back(random() % 20000);
    CHECK(run_in_time(live(times)) == 100);
}

TEST_CASE("a thousand children that the host starts in other threads and ours do not disturb each other", "[process]") {
    const nothing_leaks check;
    std::atomic<int> wrong{0};
    std::atomic<int> busy{4};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 25; ++i) wrong += run_by_other_means();
            --busy;
        });
    }
    const auto talk = [&]() -> task<> {
        while (busy != 0) {
            async_process p(child("exit_with"), "3");
            const exit_status s = co_await p.wait();
            CHECK(s == exit_status::exited(3));
        }
    };
    run_in_time(talk());
    for (std::thread& each : threads) each.join();
    CHECK(wrong == 0);
}

TEST_CASE("children can be started in many threads while threads come and go", "[process]") {
    const nothing_leaks check;
    std::atomic<bool> done{false};
    std::thread churn([&] {
        while (!done) std::thread([] {}).join();
    });
    const auto talk = [](int number) -> task<bool> {
        for (int i = 0; i < 25; ++i) {
            async_process p(child("cat"));
            const std::string text = std::to_string(number) + "/" + std::to_string(i);
            const result r = co_await p.communicate(text);
            if (r.out != text || !r.status.success()) co_return false;
        }
        co_return true;
    };
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int n = 0; n < 8; ++n) threads.emplace_back([&, n] { good += ends_well(talk(n)); });
    for (std::thread& each : threads) each.join();
    done = true;
    churn.join();
    CHECK(good == 8);
}

TEST_CASE("stdin can be closed at any moment of the end of a child", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 100; ++i) {
            async_process p(child("exit_with"), "3");
            for (int turns = 0; turns < i; ++turns) co_await yield();
            try {
                p.in().write("x");
            } catch (const stream_error& e) {
                CHECK(e.code() == std::errc::broken_pipe);
            }
            p.close_stdin();
            const exit_status s = co_await p.wait();
            CHECK(s == exit_status::exited(3));
        }
    };
    run_in_time(talk());
}
