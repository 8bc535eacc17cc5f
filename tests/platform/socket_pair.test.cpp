// SPDX-License-Identifier: BSL-1.0
#include <coproc/platform/socket_pair.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"

using namespace coproc::platform;

TEST_CASE("what is written to one end of a socket pair is read from the other and then the end", "[platform]") {
    const nothing_leaks check;
    pipe_ends ends = make_socket_pair();
    REQUIRE(ends.read);
    REQUIRE(ends.write);
    put_into(ends.write, "abc");
    CHECK(take_from(ends.read) == "abc");
    put_into(ends.write, "the last");
    ends.write.reset();
    CHECK(take_from(ends.read) == "the last");
    char byte = 0;
    CHECK(::read(ends.read.get(), &byte, 1) == 0);
}

TEST_CASE("both ends of a socket pair are closed by exec and block and stay above the standard streams", "[platform]") {
    const int broken = in_a_fork([] {
        ::close(0);
        ::close(1);
        const pipe_ends ends = make_socket_pair();
        int wrong = 0;
        for (const int fd : {ends.read.get(), ends.write.get()}) {
            if (fd <= 2) wrong |= 1;
            if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) wrong |= 2;
            if ((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) wrong |= 4;
        }
        if (::fcntl(0, F_GETFD) >= 0 || ::fcntl(1, F_GETFD) >= 0) wrong |= 8;
        return wrong;
    });
    CHECK(broken == 0);
}

TEST_CASE("a socket pair takes more than a pipe before it is full", "[platform]") {
    const pipe_ends ends = make_socket_pair();
    CHECK(fill(ends.write) > 65536);
}

TEST_CASE("a socket pair for which there is no room is empty", "[platform]") {
    const int code = in_a_fork([] {
        const rlimit four{4, 4};
        for (int fd = 3; fd < 1024; ++fd) ::close(fd);
        ::setrlimit(RLIMIT_NOFILE, &four);
        const pipe_ends ends = make_socket_pair();
        if (ends.read || ends.write) return 1;
        return ::fcntl(3, F_GETFD) < 0 ? 0 : 2;
    });
    CHECK(code == 0);
}
