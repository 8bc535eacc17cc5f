// SPDX-License-Identifier: BSL-1.0
//
// What a start that fails leaves behind: nothing, and whatever was there before.
#include <sys/resource.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include <coproc/process/async_process.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/closes.hpp"
#include "support/forked.hpp"
#include "support/readable.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

TEST_CASE("every descriptor is closed once whatever becomes of a start", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::vector<command> bad{
        command("/no/such/program"),
        command("coproc-no-such-program"),
        command(directory.path()),
        command(child("cat")).cwd("/no/such/directory"),
        command(child("cat")).err(stdio::file("/no/such/file")),
        command(child("cat")).in(stdio::text("x")).out(stdio::file("/")),
        command("/no/such/program").pass_fd(7, 0).in(stdio::fd(0)).out(stdio::null).err(stdio::to_out),
    };
    const int before = closes_in_vain();
    const auto talk = [&]() -> task<> {
        for (const command& c : bad) CHECK_THROWS_AS(async_process(c), spawn_error);
        async_process cat(child("cat"));
        const result r = co_await cat.communicate(alphabet(300000));
        CHECK(r.out.size() == 300000);
        async_process killed(child("hold"));
        killed.kill();
        co_await killed.wait();
        async_process dropped(child("hold"));
    };
    run_in_time(talk());
    CHECK(closes_in_vain() == before);
#if COPROC_TEST_HAS_OWN_CLOSE
    ::close(-1);
    CHECK(closes_in_vain() == before + 1); // we would have seen it
#endif
}

TEST_CASE("a start for which the system has no process left fails and leaves nothing",
          "[process][spawn_fork][own_descriptors]") {
    const int code = in_a_fork([] {
        if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 1; // root is not limited
        event_loop loop;
        const rlimit none{0, 0};
        if (::setrlimit(RLIMIT_NPROC, &none) != 0) return 2;
        const int next = ::dup(0);
        ::close(next);
        try {
            async_process p(child("cat"));
            return 3;
        } catch (const spawn_error& e) {
            if (e.stage() != spawn_stage::fork) return 4;
            if (e.code() != std::errc::resource_unavailable_try_again) return 5;
        }
        if (::dup(0) != next) return 6; // something is open still
        return no_children() ? 0 : 7;
    });
    CHECK(code == 0);
}

TEST_CASE("a program that is to be detached is missed as any other", "[process][spawn_fork]") {
    const nothing_leaks check;
    event_loop loop;
    const nothing_leaks check_in_the_loop;
    CHECK_THROWS_AS(async_process(command("/no/such/program").on_destroy(destroy::detach)), spawn_error);
}

TEST_CASE("a failed start is told to its caller and to nobody else and its place can be used again",
          "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        std::optional<async_process> p;
        CHECK_THROWS_AS(p.emplace("/no/such/program"), spawn_error);
        CHECK_FALSE(p);
        p.emplace(child("cat"));
        const result r = co_await p->communicate("x");
        CHECK(r.out == "x");
    };
    run_in_time(talk());
    event_loop loop;
    CHECK_THROWS_AS(async_process("/no/such/program"), spawn_error);
    CHECK_FALSE(readable(loop.native_handle())); // no end of a child is on its way
}

TEST_CASE("a start that fails leaves the process that it was to replace", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process p(child("cat"));
        co_await p.write_stdin("before ");
        bool thrown = false;
        try {
            p = async_process("/no/such/program");
        } catch (const spawn_error&) {
            thrown = true;
        }
        CHECK(thrown);
        co_return co_await p.communicate("and after");
    };
    CHECK(run_in_time(talk()).out == "before and after");
}
