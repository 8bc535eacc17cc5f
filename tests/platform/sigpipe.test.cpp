// SPDX-License-Identifier: BSL-1.0
#include <coproc/platform/sigpipe.hpp>

#include <fcntl.h>
#include <signal.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

#include <coproc/core/unique_fd.hpp>
#include <coproc/platform/pipe.hpp>

#include "support/catch.hpp"

using namespace coproc::platform;

namespace {

volatile std::sig_atomic_t handled = 0;
void count_it(int) { handled = handled + 1; }

// What the host has decided about SIGPIPE, and again what it was when the test is over.
class host_signals {
public:
    host_signals(void (*handler)(int), bool block) {
        struct sigaction action {};
        action.sa_handler = handler;
        ::sigaction(SIGPIPE, &action, &disposition_);
        sigset_t sigpipe;
        sigemptyset(&sigpipe);
        sigaddset(&sigpipe, SIGPIPE);
        ::pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &sigpipe, &mask_);
        handled = 0;
    }
    host_signals(const host_signals&) = delete;
    host_signals& operator=(const host_signals&) = delete;
    ~host_signals() {
        ::signal(SIGPIPE, SIG_IGN); // takes off what is pending
        ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
        ::sigaction(SIGPIPE, &disposition_, nullptr);
    }

    static bool blocked() {
        sigset_t now;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
        return sigismember(&now, SIGPIPE) == 1;
    }
    static bool pending() {
        sigset_t now;
        ::sigpending(&now);
        return sigismember(&now, SIGPIPE) == 1;
    }
    static void (*disposition())(int) {
        struct sigaction now {};
        ::sigaction(SIGPIPE, nullptr, &now);
        return now.sa_handler;
    }

private:
    struct sigaction disposition_ {};
    sigset_t mask_;
};

// Writes into a pipe that nobody reads any more: errno.
int error_of_writing_to_nobody() {
    pipe_ends ends = make_pipe();
    expect_no_sigpipe(ends.write.get());
    ends.read.reset();
    errno = 0;
    const ssize_t written = write_without_sigpipe(ends.write.get(), "x", 1);
    const int error = errno;
    CHECK(written == -1);
    return error;
}

} // namespace

TEST_CASE("a write to a pipe that nobody reads is EPIPE and kills nobody", "[platform]") {
    const host_signals host(SIG_DFL, false);
    CHECK(error_of_writing_to_nobody() == EPIPE); // to be here at all is half of the test
    CHECK(host_signals::disposition() == SIG_DFL);
    CHECK_FALSE(host_signals::blocked());
    CHECK_FALSE(host_signals::pending());
}

TEST_CASE("a host that has blocked SIGPIPE finds it blocked and not pending", "[platform]") {
    const host_signals host(SIG_DFL, true);
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(host_signals::blocked());
    CHECK_FALSE(host_signals::pending());
}

TEST_CASE("a SIGPIPE of the host that was pending before is pending afterwards", "[platform]") {
    const host_signals host(SIG_DFL, true);
    ::raise(SIGPIPE);
    REQUIRE(host_signals::pending());
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(host_signals::blocked());
    CHECK(host_signals::pending());
}

TEST_CASE("a SIGPIPE pending for the whole process stays pending", "[platform]") {
    const host_signals host(SIG_DFL, true);
    // Of several threads the kernel might pick one that has not blocked it: it is blocked in the only one there is.
    REQUIRE(::kill(::getpid(), SIGPIPE) == 0);
    REQUIRE(host_signals::pending());
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(host_signals::pending());
}

TEST_CASE("the handler of the host for SIGPIPE is not called for our writes", "[platform]") {
    const host_signals host(&count_it, false);
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(handled == 0);
    CHECK(host_signals::disposition() == &count_it);
    ::raise(SIGPIPE); // and still for its own
    CHECK(handled == 1);
}

TEST_CASE("a host that ignores SIGPIPE goes on ignoring it", "[platform]") {
    const host_signals host(SIG_IGN, false);
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(host_signals::disposition() == SIG_IGN);
    CHECK_FALSE(host_signals::blocked());
}

TEST_CASE("a write that succeeds is a write", "[platform]") {
    const host_signals host(SIG_DFL, false);
    const pipe_ends ends = make_pipe();
    CHECK(write_without_sigpipe(ends.write.get(), "hello", 5) == 5);
    char got[6] = {};
    CHECK(::read(ends.read.get(), got, 5) == 5);
    CHECK(std::string(got) == "hello");
    CHECK_FALSE(host_signals::blocked());
}

TEST_CASE("a write for which the pipe has no room says so", "[platform]") {
    const host_signals host(SIG_DFL, false);
    pipe_ends ends = make_pipe();
    ends.write = nonblocking(std::move(ends.write));
    const std::string much(65536, 'x');
    ssize_t written = 0;
    do written = write_without_sigpipe(ends.write.get(), much.data(), much.size());
    while (written > 0);
    CHECK(written == -1);
    CHECK(errno == EAGAIN);
    CHECK_FALSE(host_signals::blocked());
    CHECK_FALSE(host_signals::pending());
}
