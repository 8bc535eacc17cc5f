// SPDX-License-Identifier: BSL-1.0
//
// Descriptors that stand in each other's places.
//
// What users saw: stdout and stderr swapped or lost; the error of an exec lost; a descriptor that was to be passed on
// closed by exec; all of it where the parent had closed its own 0, 1 or 2.
// Root cause: the numbers of sources and targets overlap, so that one is overwritten before it is copied; dup2(n, n)
// does nothing and keeps FD_CLOEXEC; the status pipe gets a number of 0 to 2. Reports: joyent/libuv #1074, #1084,
// #1211; io.js #862; cpython #12607, #32270, #32844; rust issue-30490; golang/go #2603, #5780; with 0, 1, 2 closed:
// cpython #9905, #10806, #15798; ocaml/dune PR 15548. Why not here: child_fds moves every source above every target
// before the child is made; place_descriptors then copies with dup3 and no flags, so no source is a target and no copy
// is close-on-exec; and there is no status pipe.
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

namespace {

task<std::string> stdout_of(command c) {
    async_process p(c);
    const result r = co_await p.communicate();
    co_return r.out;
}

// A file that says `text`, open under exactly that number.
void put_at(const temporary_directory& directory, int number, const std::string& text) {
    unique_fd file(::open(directory.file(text, text).c_str(), O_RDONLY));
    if (file.get() == number) static_cast<void>(file.release());
    else ::dup2(file.get(), number);
    ::fcntl(number, F_SETFD, FD_CLOEXEC);
}

} // namespace

// Seen to fail: child_fds leaving sources where they are; 1 == 0.
TEST_CASE("descriptors can change places", "[regression][process]") {
    const temporary_directory directory;
    const int code = in_a_fork([&] {
        put_at(directory, 11, "a");
        put_at(directory, 12, "b");
        put_at(directory, 13, "c");
        const command c = command(child("relay_fds"), "11", "12", "13")
                              .pass_fd(11, 12)
                              .pass_fd(12, 13)
                              .pass_fd(13, 11); // all three go round
        return run(stdout_of(c)) == "11 b\n12 c\n13 a\n" ? 0 : 1;
    });
    CHECK(code == 0);
}

// Seen to fail: passed_fds and place_descriptors leaving one alone that has its number already; 1 == 0.
TEST_CASE("a descriptor can be passed under the number that it has", "[regression][process]") {
    const temporary_directory directory;
    const int code = in_a_fork([&] {
        put_at(directory, 11, "a");
        const bool passed = run(stdout_of(command(child("relay_fds"), "11").pass_fd(11, 11))) == "11 a\n";
        const bool still_closed_by_exec = (::fcntl(11, F_GETFD) & FD_CLOEXEC) != 0; // here
        return passed && still_closed_by_exec ? 0 : 1;
    });
    CHECK(code == 0);
}

// Seen to fail: above_stdio leaving descriptors where they are and place_descriptors using dup2; the child failed or
// said nothing.
TEST_CASE("the streams of a child are its own though ours are closed or swapped", "[regression][process]") {
    const nothing_leaks check;
    for (int closed = 0; closed < 8; ++closed) {
        CAPTURE(closed);
        const int code = in_a_fork([closed] {
            event_loop loop; // made before, so that the pipes get the numbers that are free
            for (int fd = 0; fd < 3; ++fd) {
                if ((closed & 1 << fd) != 0) ::close(fd);
            }
            const auto talk = []() -> task<int> {
                async_process shout(child("shout"));
                const result r = co_await shout.communicate();
                if (r.out != "out\n" || r.err != "err\n") co_return 1;
                async_process cat(child("cat"));
                const result s = co_await cat.communicate("through");
                if (s.out != "through") co_return 2;
                try { // the error of an exec comes through, too
                    async_process none("/no/such/program");
                } catch (const spawn_error& e) {
                    if (e.code() == std::errc::no_such_file_or_directory) co_return 0;
                }
                co_return 3;
            };
            return loop.run(talk());
        });
        CHECK(code == 0);
    }
    const temporary_directory directory;
    const std::string out = directory / "out";
    const std::string err = directory / "err";
    const int code = in_a_fork([&] {
        ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), 1);
        ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2);
        const command swapped = command(child("shout")).in(stdio::null).out(stdio::fd(2)).err(stdio::fd(1));
        return run(stdout_of(swapped)).empty() ? 0 : 1;
    });
    CHECK(code == 0);
    CHECK(content_of(out) == "err\n");
    CHECK(content_of(err) == "out\n");
}
