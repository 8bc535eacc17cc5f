// SPDX-License-Identifier: BSL-1.0
//
// Waiting where something is not as it should be: no notice from the kernel, heirs that stay, another loop.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

TEST_CASE("a timeout is kept although a grandchild holds the pipes", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string path = directory / "life";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    unique_fd life(::open(path.c_str(), O_RDWR | O_CLOEXEC)); // the heir stays until this is closed
    const auto talk = [&]() -> task<> {
        async_process p(command(child("leave_heir")).in(stdio::file(path)));
        const auto begin = event_loop::clock::now();
        auto none = co_await with_timeout(p.communicate(), 100ms);
        CHECK_FALSE(none);
        CHECK(event_loop::clock::now() - begin < 1500ms);
        const exit_status s = co_await p.wait();
        CHECK(s == exit_status::exited(5));
        life.reset();
        const std::string all = co_await p.read_stdout();
        CHECK(all == "early\nlate\n");
    };
    run_in_time(talk());
}

TEST_CASE("a child whose end the kernel cannot announce is waited for all the same", "[process]") {
    const int code = in_a_fork([] {
        event_loop loop;
        const int next = ::dup(0);
        ::close(next);
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        int started = 0;
        // However many descriptors are left: at one of these numbers the last that there is none for is the one that
        // would announce the end.
        for (int left = 5; left < 12; ++left) {
            const rlimit few{static_cast<rlim_t>(next + left), before.rlim_max};
            ::setrlimit(RLIMIT_NOFILE, &few);
            std::optional<async_process> p;
            try {
                p.emplace(child("hold"));
            } catch (const spawn_error&) {
            }
            ::setrlimit(RLIMIT_NOFILE, &before);
            if (!p) continue;
            ++started;
            const auto talk = [&]() -> task<bool> {
                const auto none = co_await p->wait(2ms);
                p->close_stdin();
                const exit_status s = co_await p->wait();
                co_return !none && s == exit_status::exited(0);
            };
            if (!loop.run(talk())) return 1;
        }
        return started > 0 ? 0 : 2;
    });
    CHECK(code == 0);
}

TEST_CASE("a child of one loop can be awaited from another while both are turned", "[process]") {
    const nothing_leaks check;
    event_loop mine;
    async_process p(command(child("hold")), mine);
    event_loop other;
    std::optional<exit_status> status;
    const auto wait = [&]() -> task<> { status = co_await p.wait(); };
    std::optional<driven> waiting;
    other.post([&] { waiting.emplace(drive(wait())); });
    other.poll();
    REQUIRE(waiting);
    CHECK_FALSE(waiting->done());
    p.close_stdin();
    const auto patience = event_loop::clock::now() + 30s;
    while (!waiting->done() && event_loop::clock::now() < patience) {
        other.poll();
        mine.run_once(1ms);
    }
    CHECK(status == exit_status::exited(0));
}

TEST_CASE("a fork of the host can make a loop of its own and leaves ours alone", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process ours(child("cat"));
        CHECK(in_a_fork([] {
                  event_loop own; // and it is current from here
                  const auto work = []() -> task<int> {
                      async_process p(child("cat"));
                      const result r = co_await p.communicate("in the fork");
                      co_return r.out == "in the fork" && r.status.success() ? 0 : 2;
                  };
                  return own.run(work());
              }) == 0);
        co_return co_await ours.communicate("in the host");
    };
    const result r = run_in_time(talk());
    CHECK(r.out == "in the host");
    CHECK(r.status.success());
}

TEST_CASE("a fork that lets go of what it inherited touches nothing of ours", "[process]") {
    const nothing_leaks check;
    auto loop = std::make_unique<event_loop>();
    auto p = std::make_unique<async_process>(child("cat"));
    auto other = std::make_unique<async_process>(command(child("hold")).on_destroy(destroy::terminate(1ms)));
    driven reading = drive(p->read_line());
    driven waiting = drive(p->wait());
    driven sleeping = drive(sleep_for(20ms));
    loop->poll();
    CHECK(in_a_fork([&] { // with a copy of all that
              bool refused = false;
              try {
                  loop->poll();
              } catch (const usage_error&) {
                  refused = true;
              }
              sleeping.cancel();
              waiting.cancel();
              reading.cancel();
              p.reset();
              other.reset();
              loop.reset();
              return refused ? 0 : 1;
          }) == 0);
    CHECK(p->running());
    CHECK(other->running());
    p->in().write("still heard\n");
    const auto patience = event_loop::clock::now() + 30s;
    const auto until_done = [&](const driven& what) {
        while (!what.done() && event_loop::clock::now() < patience) loop->run_once(10s);
        CHECK(what.done());
    };
    until_done(reading);
    until_done(sleeping);
    p->close_stdin();
    until_done(waiting);
    other->close_stdin();
    CHECK(loop->run(other->wait()) == exit_status::exited(0));
}
