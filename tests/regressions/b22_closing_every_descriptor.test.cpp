// SPDX-License-Identifier: BSL-1.0
//
// Closing every descriptor takes for ever, or misses some.
//
// What users saw: starts of most of a second (0.7 to 0.85 s at a limit of 524,288), or of minutes in containers, whose
// limit was 1,073,741,816; a number of descriptors that overflowed at RLIM_INFINITY; and descriptors left open above a
// limit that had been lowered.
// Root cause: a loop over all numbers up to RLIMIT_NOFILE.
// Reports: cpython #127177, phobos #10968, fuzzilli #540, cbm #1484.
// Why not here: close_the_rest is one close_range; where that is refused, close_each_from_3 closes what /proc/self/fd
// lists; only without that it counts, and then up to a bound.
#include "support/system_call_filter.hpp"

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER)

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

constexpr long close_range_call = 436; // SYS_close_range, the same everywhere

// The most that this system lets us have; root may have more than its hard limit.
rlim_t raise_limit() {
    rlimit limit{1 << 20, 1 << 20};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

} // namespace

// Seen to fail: close_each_from_3 counting to 1,048,576; more than 10 s for less than 200 starts, 2 == 0.
TEST_CASE("a start costs the same however many descriptors one might have", "[regression][process]") {
    const int code = in_a_fork([] {
        raise_limit();
        if (!filter_system_calls({{close_range_call, ENOSYS}})) return 1; // Linux before 5.9
        const auto talk = []() -> task<int> {
            const auto start = event_loop::clock::now();
            for (int i = 0; i < 200; ++i) {
                async_process p(child("exit_with"), "0");
                co_await p.wait();
                if (event_loop::clock::now() - start > 10s) co_return 2;
            }
            co_return 0;
        };
        return run(talk());
    });
    CHECK(code == 0);
}

// Seen to fail: close_each_from_3 counting to RLIMIT_NOFILE; the child held the pipe: hung, ended by SIGALRM.
TEST_CASE("no descriptor is missed however high it is and however low the limit", "[regression][process]") {
    for (const bool refused : {false, true}) {
        CAPTURE(refused);
        const int code = in_a_fork([refused] {
            const auto high = static_cast<int>(raise_limit()) - 10;
            platform::pipe_ends pipe = platform::make_pipe();
            const int far = ::dup2(pipe.write.get(), high); // and not close-on-exec
            if (far != high) return 1;
            rlimit low{100, 100};
            ::setrlimit(RLIMIT_NOFILE, &low);
            if (refused && !filter_system_calls({{close_range_call, ENOSYS}})) return 2;
            event_loop loop;
            async_process p(child("hold")); // if this one has a copy, there is no end to read
            pipe.write.reset();
            ::close(far);
            char byte = 0;
            return ::read(pipe.read.get(), &byte, 1) == 0 ? 0 : 3;
        });
        CHECK(code == 0);
    }
}

#endif
