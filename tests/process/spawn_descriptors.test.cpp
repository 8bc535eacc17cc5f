// SPDX-License-Identifier: BSL-1.0
//
// What a child finds behind 0, 1 and 2, and that it finds nothing above, however high.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <coproc/process/async_process.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

// As many descriptors as this system lets us have, but not more than a million, which cost the kernel 8 MB. Answers
// their number.
rlim_t allow_very_many_descriptors() {
    rlimit limit{};
    for (rlim_t many = 1 << 20; many > 1024; many /= 2) {
        limit.rlim_cur = limit.rlim_max = many;
        if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return many;
        ::getrlimit(RLIMIT_NOFILE, &limit); // only the soft one
        limit.rlim_cur = std::min(many, limit.rlim_max);
        if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return limit.rlim_cur;
    }
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

} // namespace

TEST_CASE("null is the null device on each of the three", "[process][spawn_fork]") {
    const nothing_leaks check;
    const command no_err = command(child("name_stdio"), "1").in(stdio::null).err(stdio::null);
    CHECK(run_in_time(run_it(no_err)).check().out == "null\npipe\nnull\n");
    const command no_out = command(child("name_stdio"), "2").in(stdio::null).out(stdio::null);
    CHECK(run_in_time(run_it(no_out)).check().err == "null\nnull\npipe\n");
}

TEST_CASE("a terminal can be inherited as stdin", "[process][spawn_fork]") {
    const int code = in_a_fork([] {
        const unique_fd master(::posix_openpt(O_RDWR | O_NOCTTY));
        if (!master || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0) return 1;
        const unique_fd terminal(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY));
        if (!terminal || ::dup2(terminal.get(), 0) != 0) return 2;
        const auto talk = [&]() -> task<int> {
            const result r = co_await run_it(command(child("name_stdio"), "1").in(stdio::inherit));
            if (r.out != "terminal\npipe\npipe\n") co_return 3;
            async_process p(command(child("sip"), "6").in(stdio::inherit));
            put_into(master, "hello\n");
            const auto line = co_await p.read_line();
            co_return line == "hello" ? 0 : 4;
        };
        return run(talk());
    });
    CHECK(code == 0);
}

TEST_CASE("descriptors with the highest numbers are closed as well", "[process][spawn_fork]") {
    const int code = in_a_fork([] {
        const rlim_t most = allow_very_many_descriptors();
        // A child that had any copy of the writing end would keep the pipe from its end.
        platform::pipe_ends pipe = platform::make_pipe();
        std::vector<unique_fd> high; // not close-on-exec
        for (rlim_t number = 256; number < most; number *= 2) {
            high.emplace_back(::fcntl(pipe.write.get(), F_DUPFD, static_cast<int>(number)));
        }
        high.emplace_back(::fcntl(pipe.write.get(), F_DUPFD, static_cast<int>(most - 1)));
        if (!high.back()) return 1;
        event_loop loop;
        async_process p(child("hold"));
        pipe.write.reset();
        high.clear();
        char byte = 0;
        return ::read(pipe.read.get(), &byte, 1) == 0 ? 0 : 2;
    });
    CHECK(code == 0);
}

TEST_CASE("a start costs the same however many descriptors are allowed", "[process][spawn_fork]") {
    const int code = in_a_fork([] {
        const rlim_t most = allow_very_many_descriptors();
        const unique_fd high(::fcntl(0, F_DUPFD, static_cast<int>(most - 1)));
        const auto talk = []() -> task<int> {
            auto least = platform::clock::duration::max();
            for (int i = 0; i < 20; ++i) {
                async_process p(child("exit_with"), "0");
                co_await p.wait();
                least = std::min<platform::clock::duration>(least, p.usage()->cpu_time());
            }
            // The time of the child itself counts from its birth, so whatever else the machine is doing, it tells what
            // closing took. A million calls of close(2) take several times as long.
            co_return least < 15ms ? 0 : 1;
        };
        return run(talk());
    });
    CHECK(code == 0);
}

#if defined(__linux__)

namespace {

// How many descriptors there is room for in the table of a process, which a copy of ours has from ours.
int room_for_descriptors(int pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("FDSize:")) return std::stoi(line.substr(7));
    }
    return -1;
}

bool a_child_can_take_a_part_of_our_table() {
    return std::getenv("COPROC_SPAWN") == nullptr && platform::detail::can_cut_tables();
}

} // namespace

// The kernel copies the table in which we have them, and closes each that is not for the child: beside ten thousand
// that was nine tenths of a start. Seen to fail: room for 4096, and for 256.
TEST_CASE("a child is not given more of our descriptors to close than it has to have", "[process][spawn_fork]") {
    if (!a_child_can_take_a_part_of_our_table()) return;
    const int code = in_a_fork([] {
        allow_very_many_descriptors();
        std::vector<unique_fd> ours;
        event_loop loop;
        std::vector<async_process> with_pipes;
        for (int i = 0; i < 100; ++i) with_pipes.emplace_back(child("hold"));
        if (room_for_descriptors(*with_pipes.back().pid()) > 128) return 1;
        for (int i = 0; i < 3000; ++i) ours.emplace_back(::fcntl(0, F_DUPFD_CLOEXEC, 3));
        if (room_for_descriptors(::getpid()) < 3000) return 2;
        const async_process none(
            command(child("wait_for_signal")).in(stdio::inherit).out(stdio::inherit).err(stdio::inherit));
        return room_for_descriptors(*none.pid()) <= 128 ? 0 : 3;
    });
    CHECK(code == 0);
}

#endif
