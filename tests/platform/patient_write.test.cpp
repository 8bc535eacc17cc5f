// SPDX-License-Identifier: BSL-1.0
//
// Writing all of something to a descriptor that others share.
#include <coproc/platform/patient_write.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

#include <coproc/platform/pipe.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"

using namespace coproc;

namespace {

// Takes from a pipe as slowly as it can, until its end.
std::string sip_to_the_end(const unique_fd& fd) {
    std::string all;
    char buffer[3001];
    for (ssize_t n = 0; (n = ::read(fd.get(), buffer, sizeof buffer)) != 0;) {
        if (n > 0) all.append(buffer, static_cast<std::size_t>(n));
        std::this_thread::yield();
    }
    return all;
}

} // namespace

TEST_CASE("a patient write waits for the reader whether or not the descriptor would block", "[platform]") {
    const nothing_leaks check;
    for (const bool nonblocking : {false, true}) {
        CAPTURE(nonblocking);
        platform::pipe_ends pipe = platform::make_pipe();
        if (nonblocking) CHECK(platform::set_nonblocking(pipe.write));
        const std::string bytes = alphabet(1000000);
        std::string taken;
        std::thread reader([&] { taken = sip_to_the_end(pipe.read); });
        const int error = platform::write_patiently(pipe.write.get(), bytes);
        const int flags = ::fcntl(pipe.write.get(), F_GETFL);
        pipe.write.reset();
        reader.join();
        CHECK(error == 0);
        CHECK((taken == bytes));
        CHECK(((flags & O_NONBLOCK) != 0) == nonblocking); // it is as it was
    }
}

TEST_CASE("a patient write to nobody is an error and no signal", "[platform]") {
    const int code = in_a_fork([] {
        ::signal(SIGPIPE, SIG_DFL);
        platform::pipe_ends pipe = platform::make_pipe();
        pipe.read.reset();
        if (platform::write_patiently(pipe.write.get(), "x") != EPIPE) return 1;
        if (platform::write_patiently(pipe.read.get(), "x") != EBADF) return 2;
        return platform::write_patiently(pipe.read.get(), "") == 0 ? 0 : 3; // nothing is nothing
    });
    CHECK(code == 0);
}

TEST_CASE("signals do not cut a patient write short", "[platform]") {
    const int code = in_a_fork([] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        ::sigaction(SIGUSR1, &action, nullptr); // no SA_RESTART
        platform::pipe_ends pipe = platform::make_pipe();
        const pthread_t writer = ::pthread_self();
        const std::string bytes = alphabet(300000);
        std::string taken;
        std::thread reader([&] {
            char buffer[997];
            for (ssize_t n = 0; (n = ::read(pipe.read.get(), buffer, sizeof buffer)) != 0;) {
                if (n > 0) taken.append(buffer, static_cast<std::size_t>(n));
                if (taken.size() < bytes.size() / 2) ::pthread_kill(writer, SIGUSR1);
            }
        });
        const int error = platform::write_patiently(pipe.write.get(), bytes);
        pipe.write.reset();
        reader.join();
        return error == 0 && taken == bytes ? 0 : 1;
    });
    CHECK(code == 0);
}
