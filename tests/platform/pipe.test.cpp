// SPDX-License-Identifier: BSL-1.0
#include <coproc/platform/pipe.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"

using namespace coproc::platform;
using coproc::unique_fd;

namespace {

bool closed_on_exec(int fd) { return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }

} // namespace

TEST_CASE("what is written to a pipe is read from it", "[platform]") {
    const nothing_leaks check;
    pipe_ends ends = make_pipe();
    REQUIRE(ends.read);
    REQUIRE(ends.write);
    CHECK(::write(ends.write.get(), "abc", 3) == 3);
    char got[4] = {};
    CHECK(::read(ends.read.get(), got, 3) == 3);
    CHECK(std::string(got) == "abc");
    ends.write.reset();
    CHECK(::read(ends.read.get(), got, 3) == 0);
}

TEST_CASE("both ends of a pipe are closed by exec and block", "[platform]") {
    const nothing_leaks check;
    const pipe_ends ends = make_pipe();
    for (const int fd : {ends.read.get(), ends.write.get()}) {
        CHECK(closed_on_exec(fd));
        CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    }
}

TEST_CASE("an end that is made non-blocking leaves the other as it was", "[platform]") {
    const nothing_leaks check;
    pipe_ends ends = make_pipe();
    const int number = ends.read.get();
    const unique_fd read = nonblocking(std::move(ends.read));
    CHECK(read.get() == number);
    char byte = 0;
    CHECK(::read(read.get(), &byte, 1) == -1);
    CHECK(errno == EAGAIN);
    CHECK((::fcntl(ends.write.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("what is no descriptor cannot be made non-blocking", "[platform]") {
    CHECK_THROWS_AS(nonblocking(unique_fd()), std::system_error);
}

TEST_CASE("a pipe never takes the number of a standard stream that the host has closed", "[platform]") {
    // Each bit of the answer is a promise that was broken.
    const auto broken_promises = [](bool close_in, bool close_out, bool close_err) {
        return in_a_fork([&]() -> int {
            if (close_in) ::close(0);
            if (close_out) ::close(1);
            if (close_err) ::close(2);
            const pipe_ends ends = make_pipe();
            int broken = 0;
            if (ends.read.get() <= 2 || ends.write.get() <= 2) broken |= 1;
            if (!closed_on_exec(ends.read.get()) || !closed_on_exec(ends.write.get())) broken |= 2;
            if (::write(ends.write.get(), "x", 1) != 1) broken |= 4;
            char byte = 0;
            if (::read(ends.read.get(), &byte, 1) != 1 || byte != 'x') broken |= 8;
            // Nothing is left where it was first.
            if (close_in && ::fcntl(0, F_GETFD) >= 0) broken |= 16;
            if (close_out && ::fcntl(1, F_GETFD) >= 0) broken |= 32;
            if (close_err && ::fcntl(2, F_GETFD) >= 0) broken |= 64;
            return broken;
        });
    };
    CHECK(broken_promises(true, false, false) == 0);
    CHECK(broken_promises(false, true, false) == 0);
    CHECK(broken_promises(false, false, true) == 0);
    CHECK(broken_promises(true, true, false) == 0);
    CHECK(broken_promises(true, true, true) == 0);
}

TEST_CASE("a descriptor above the standard streams stays where it is", "[platform]") {
    const nothing_leaks check;
    unique_fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = fd.get();
    REQUIRE(number > 2);
    CHECK(above_stdio(std::move(fd)).get() == number);
    CHECK_FALSE(above_stdio(unique_fd()));
}

TEST_CASE("a pipe for which there is no room is empty and leaves nothing open", "[platform]") {
    const auto lowest_free = [] {
        const int fd = ::open("/dev/null", O_RDONLY);
        ::close(fd);
        return fd;
    };
    const int failures = in_a_fork([&]() -> int {
        int failed = 0;
        // Room for one more descriptor, and then for two of which one has to move above 2.
        for (const bool close_stdin : {false, true}) {
            if (close_stdin) ::close(0);
            for (int fd = 3; fd < 1024; ++fd) ::close(fd);
            const rlimit four{4, 4};
            ::setrlimit(RLIMIT_NOFILE, &four); // 0, 1, 2 and 3
            const int free_before = lowest_free();
            errno = 0;
            const pipe_ends ends = make_pipe();
            if (ends.read || ends.write) failed |= 1;
            if (errno != EMFILE && errno != EINVAL) failed |= 2; // F_DUPFD beyond the limit is EINVAL (fcntl(2))
            if (lowest_free() != free_before) failed |= 4;
        }
        return failed;
    });
    CHECK(failures == 0);
}
