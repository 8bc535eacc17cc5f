// SPDX-License-Identifier: BSL-1.0
//
// Work between fork and exec that is not for a child.
//
// What users saw: a child that hung for ever before it executed anything, and its parent for ever in the read of its
// status pipe.
// Root cause: functions of libc that take a lock which some thread of the parent holds, and that thread does not exist
// in the child; or that broadcast to such threads (setuid and its kin). Where memory is shared, as after vfork, what
// the child does it does to the parent: signal handlers, errno, the heap. Reports: swift-subprocess #374 (sigaction
// takes glibc's abort lock in a raw clone child); rust #73894 with glibc bug 26275; folly 01310bcfb, haskell/process
// #83, tailhook/unshare #34 (setxid); Go #56784 (Apple's libc after fork). Why not here: child_main makes raw system
// calls on what was prepared before (raw_linux.hpp), with all signals blocked across it (all_signals_blocked) and the
// host's handlers taken away; posix_spawn does the same elsewhere. fork() of libc, and so the host's atfork handlers,
// are not involved. In a shared library child_main and what it calls are hidden, so that no dynamic linker is between
// them, which would bind them at their first call: with locks, and on the stack of a child.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#if defined(__linux__)
#include <dlfcn.h>
#include <sys/syscall.h>
#endif

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

task<int> starts(int count) {
    int good = 0;
    for (int i = 0; i < count; ++i) {
        async_process p(child("exit_with"), "3");
        const exit_status s = co_await p.wait();
        good += s.code() == 3;
    }
    co_return good;
}

} // namespace

// Seen to fail: vfork_child making its child by fork(); 1 == 0.
TEST_CASE("handlers that a host has set for its own forks are not called", "[regression][process]") {
    const int code = in_a_fork([] {
        static std::atomic<bool> called{false}; // it might wait for a lock, and for ever
        ::pthread_atfork([] { called = true; }, nullptr, nullptr);
        if (run(starts(3)) != 3) return 2;
        return called ? 1 : 0;
    });
    CHECK(code == 0);
}

#if defined(__linux__)

namespace {
std::atomic<int> the_host{0};
std::atomic<int> strangers{0};
std::atomic<int> handled{0};
} // namespace

// Seen to fail: all_signals_blocked blocking nothing and clone3 without CLONE_CLEAR_SIGHAND; the handler ran in
// children, 1 == 0. With either of the two it passes.
TEST_CASE("a signal that comes during a start does not run the host's handler in the child",
          "[regression][process][dies_before_exec]") {
    const int code = in_a_fork([] {
        ::setpgid(0, 0);
        the_host = ::getpid();
        struct sigaction action {};
        action.sa_flags = SA_RESTART;
        action.sa_handler = [](int) {
            ++handled;
            if (::syscall(SYS_getpid) != the_host) ++strangers;
        };
        ::sigaction(SIGUSR1, &action, nullptr);
        std::atomic<bool> enough{false};
        std::thread everybody([&] { // the whole group, and so a child from its first moment on
            while (!enough) ::kill(0, SIGUSR1);
        });
        const auto talk = []() -> task<> {
            for (int i = 0; i < 300; ++i) {
                async_process p(child("hold")); // dies of it, once it is itself
                p.close_stdin();
                co_await p.wait();
            }
        };
        run(talk());
        enough = true;
        everybody.join();
        if (strangers != 0) return 1;
        return handled > 0 ? 0 : 2;
    });
    CHECK(code == 0);
}

#endif

// Seen to fail: child_main with a call of libc in it (close of -1), which set errno on its parent's thread; 9 == 0.
TEST_CASE("a child needs no lock and leaves the errno of its parent alone", "[regression][process]") {
    const nothing_leaks check;
    std::atomic<bool> enough{false};
    std::thread busy([&] { // holds the locks of the heap and of stdio as often as it can
        while (!enough) {
            const std::string text(100000, 'x');
            std::fflush(nullptr);
            ::free(::malloc(text.size()));
        }
    });
    const int good = run_in_time(starts(200));
    enough = true;
    busy.join();
    CHECK(good == 200);

#if defined(__linux__)
    const char* const way = std::getenv("COPROC_SPAWN");
    if (way != nullptr || !platform::raw::available) return; // libc's own posix_spawn does as it likes
    char name[] = "program";
    char* argv[] = {name, nullptr};
    platform::spawn_plan nowhere;
    nowhere.path = "/no/such/program";
    nowhere.argv = argv;
    nowhere.envp = platform::environment();
    platform::child none;
    errno = 0;
    CHECK(platform::spawn(nowhere, none).error == ENOENT);
    CHECK(errno == 0);
#endif
}

#if defined(COPROC_TEST_LIBRARIES)

// Seen to fail: COPROC_CHILD_SIDE without visibility("hidden"); 3360 < 2048.
TEST_CASE("the dynamic linker does not run in a child of a library that it binds lazily", "[regression]") {
    if (!platform::raw::available) return;
    void* const library = ::dlopen(COPROC_TEST_LIBRARIES "/lazy.so", RTLD_LAZY | RTLD_LOCAL);
    REQUIRE(library != nullptr);
    using function = long(const platform::spawn_plan*);
    auto* const stack_of_a_child = reinterpret_cast<function*>(::dlsym(library, "stack_of_a_child"));
    REQUIRE(stack_of_a_child != nullptr);
    const std::string program = child("exit_with");
    char zero[] = "0";
    char* argv[] = {zero, zero, nullptr};
    platform::spawn_plan plan;
    plan.path = program.c_str();
    plan.argv = argv;
    plan.envp = platform::environment();
    const long used = stack_of_a_child(&plan);
    if (used < 0) WARN("not tried: no child shares our memory here");
    CHECK(used < 2048); // half of what it has in a launch
}

#endif
