// SPDX-License-Identifier: BSL-1.0
//
// A child under a debugger: its pidfd becomes readable before it can be reaped, and at times without any end.
#if defined(__linux__)

#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

int wait_for(pid_t pid, int options = 0) {
    int status = -1;
    while (::waitpid(pid, &status, options) < 0 && errno == EINTR) {
    }
    return status;
}

// The host of the child that is traced: tells its pid, waits for it, and exits with 0 if all was well.
[[noreturn]] void be_the_host(int say, int life) {
    ::alarm(60);
    ::dup2(life, 0); // the child stays until the end of this
    int code = 1;
    {
        event_loop loop;
        const auto talk = [&]() -> task<int> {
            async_process p(command(child("hold")).in(stdio::inherit));
            const int pid = *p.pid();
            if (::write(say, &pid, sizeof pid) != sizeof pid) co_return 2;
            const exit_status s = co_await p.wait();
            if (s != exit_status::exited(0)) co_return 3;
            co_return loop.turn_number() < 200 ? 0 : 4; // it did not look without end either
        };
        code = loop.run(talk());
    }
    ::_exit(code);
}

} // namespace

TEST_CASE("a child under a debugger has not ended before it can be reaped and nobody spins", "[process]") {
    const nothing_leaks check;
    platform::pipe_ends word = platform::make_pipe();
    platform::pipe_ends life = platform::make_pipe();
    const pid_t host = ::fork();
    if (host == 0) {
        life.write.reset();
        be_the_host(word.write.get(), life.read.get());
    }
    life.read.reset();
    int pid = 0;
    REQUIRE(::read(word.read.get(), &pid, sizeof pid) == sizeof pid);
    const bool traced = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
    for (int i = 0; traced && i < 3; ++i) { // stops, which are no end
        ::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
        CHECK(WIFSTOPPED(wait_for(pid, __WALL)));
        ::ptrace(PTRACE_CONT, pid, nullptr, nullptr);
    }
    life.write.reset();
    if (traced) {
        siginfo_t info{};
        CHECK(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT | __WALL) == 0);
        // It has ended for us, and for its host it has not: in this time the host looks, in vain.
        std::this_thread::sleep_for(50ms);
        CHECK(::waitpid(host, nullptr, WNOHANG) == 0);
        CHECK(WIFEXITED(wait_for(pid, __WALL))); // and now for both
    } else {
        WARN("no permission to trace");
    }
    const int status = wait_for(host);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

#endif
