// SPDX-License-Identifier: BSL-1.0
#include <coproc/platform/sigpipe.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

#include <coproc/core/unique_fd.hpp>
#include <coproc/platform/pipe.hpp>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/system_call_filter.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc::platform;
using coproc::unique_fd;

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

// Each test here runs with the kernel's own way of it, where there is one, and with the signal blocked by hand.
class way_of_writing {
public:
#if defined(COPROC_HAS_NOSIGNAL)
    explicit way_of_writing(bool by_hand) { nosignal_refused = by_hand || before_; }
    way_of_writing(const way_of_writing&) = delete;
    way_of_writing& operator=(const way_of_writing&) = delete;
    ~way_of_writing() { nosignal_refused = before_; }

private:
    bool before_ = nosignal_refused;
#else
    explicit way_of_writing(bool) {}
#endif
};

} // namespace

TEST_CASE("a write to a pipe that nobody reads is EPIPE and kills nobody", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const host_signals host(SIG_DFL, false);
    CHECK(error_of_writing_to_nobody() == EPIPE); // to be here at all is half of the test
    CHECK(host_signals::disposition() == SIG_DFL);
    CHECK_FALSE(host_signals::blocked());
    CHECK_FALSE(host_signals::pending());
}

TEST_CASE("a host that has blocked SIGPIPE finds it blocked and not pending", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const host_signals host(SIG_DFL, true);
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(host_signals::blocked());
    CHECK_FALSE(host_signals::pending());
}

TEST_CASE("a SIGPIPE of the host that was pending before is pending afterwards", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const host_signals host(SIG_DFL, true);
    ::raise(SIGPIPE);
    REQUIRE(host_signals::pending());
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(host_signals::blocked());
    CHECK(host_signals::pending());
}

TEST_CASE("a SIGPIPE pending for the whole process stays pending", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const host_signals host(SIG_DFL, true);
    // Of several threads the kernel might pick one that has not blocked it: it is blocked in the only one there is.
    REQUIRE(::kill(::getpid(), SIGPIPE) == 0);
    REQUIRE(host_signals::pending());
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(host_signals::pending());
}

TEST_CASE("the handler of the host for SIGPIPE is not called for our writes", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const host_signals host(&count_it, false);
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(handled == 0);
    CHECK(host_signals::disposition() == &count_it);
    ::raise(SIGPIPE); // and still for its own
    CHECK(handled == 1);
}

TEST_CASE("a host that ignores SIGPIPE goes on ignoring it", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const host_signals host(SIG_IGN, false);
    CHECK(error_of_writing_to_nobody() == EPIPE);
    CHECK(host_signals::disposition() == SIG_IGN);
    CHECK_FALSE(host_signals::blocked());
}

TEST_CASE("a write that succeeds is a write", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const host_signals host(SIG_DFL, false);
    const pipe_ends ends = make_pipe();
    CHECK(write_without_sigpipe(ends.write.get(), "hello", 5) == 5);
    char got[6] = {};
    CHECK(::read(ends.read.get(), got, 5) == 5);
    CHECK(std::string(got) == "hello");
    CHECK_FALSE(host_signals::blocked());
}

TEST_CASE("a write for which the pipe has no room says so", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
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

TEST_CASE("what is written to a file goes where the file stands or to its end", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const temporary_directory directory;
    const std::string path = directory.file("written", "");
    const unique_fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    CHECK(write_without_sigpipe(file.get(), "abcd", 4) == 4);
    CHECK(::lseek(file.get(), 1, SEEK_SET) == 1);
    CHECK(write_without_sigpipe(file.get(), "X", 1) == 1);
    CHECK(write_without_sigpipe(file.get(), "Y", 1) == 1);
    const unique_fd end(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    CHECK(write_without_sigpipe(end.get(), "end", 3) == 3);
    char got[16] = {};
    const unique_fd again(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    CHECK(::read(again.get(), got, sizeof got) == 7);
    CHECK(std::string(got) == "aXYdend");
}

TEST_CASE("a write to a device is a write", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const unique_fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    CHECK(write_without_sigpipe(null.get(), "abc", 3) == 3);
}

TEST_CASE("a write to a socket that nobody reads is EPIPE and kills nobody", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const host_signals host(SIG_DFL, false);
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    const unique_fd ours(fds[0]);
    unique_fd theirs(fds[1]);
    expect_no_sigpipe(ours.get());
    CHECK(write_without_sigpipe(ours.get(), "abc", 3) == 3);
    char got[4] = {};
    CHECK(::read(theirs.get(), got, 3) == 3);
    CHECK(std::string(got) == "abc");
    theirs.reset();
    CHECK(write_without_sigpipe(ours.get(), "x", 1) == -1);
    CHECK(errno == EPIPE);
    CHECK_FALSE(host_signals::blocked());
    CHECK_FALSE(host_signals::pending());
}

TEST_CASE("a write that is refused says why", "[platform]") {
    const way_of_writing way(GENERATE(false, true));
    const unique_fd read_only(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    CHECK(write_without_sigpipe(read_only.get(), "x", 1) == -1);
    CHECK(errno == EBADF);
    const pipe_ends ends = make_pipe();
    CHECK(write_without_sigpipe(ends.read.get(), "x", 1) == -1);
    CHECK(errno == EBADF);
}

#if defined(COPROC_HAS_NOSIGNAL) && defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER)

TEST_CASE("a kernel or a sandbox that refuses to leave the signal out is asked once", "[platform]") {
    for (const int refusal : {ENOSYS, EOPNOTSUPP, EINVAL, EPERM, EACCES}) {
        CAPTURE(refusal);
        const int code = in_a_fork([&] {
            ::signal(SIGPIPE, SIG_DFL);
            nosignal_refused = false;
            if (!filter_system_calls({{SYS_pwritev2, refusal}})) return 1;
            const pipe_ends ends = make_pipe();
            // Refused by write(2) as well: that was meant for the write.
            if (write_without_sigpipe(ends.read.get(), "x", 1) != -1 || errno != EBADF || nosignal_refused) return 2;
            if (write_without_sigpipe(ends.write.get(), "abc", 3) != 3 || !nosignal_refused) return 3;
            // From here on it would be the end.
            if (!filter_system_calls({{SYS_pwritev2, deadly}})) return 4;
            if (write_without_sigpipe(ends.write.get(), "def", 3) != 3) return 5;
            if (error_of_writing_to_nobody() != EPIPE) return 6;
            return 0;
        });
        CHECK(code == 0);
    }
}

TEST_CASE("a device that knows of no flags has the error that it has for a write", "[platform]") {
    const unique_fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    const bool before = nosignal_refused;
    CHECK(write_without_sigpipe(full.get(), "x", 1) == -1);
    CHECK(errno == ENOSPC);
    CHECK(nosignal_refused == before); // pipes are written as before
}

TEST_CASE("an error that write gives as well is not a refusal", "[platform]") {
    const int code = in_a_fork([] {
        nosignal_refused = false;
        if (!filter_system_calls({{SYS_pwritev2, EPERM}, {SYS_write, EPERM}})) return 1;
        const pipe_ends ends = make_pipe();
        if (write_without_sigpipe(ends.write.get(), "x", 1) != -1 || errno != EPERM) return 2;
        return nosignal_refused ? 3 : 0;
    });
    CHECK(code == 0);
}

#endif
