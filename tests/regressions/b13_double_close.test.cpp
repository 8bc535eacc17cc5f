// SPDX-License-Identifier: BSL-1.0
//
// A descriptor that was closed twice.
//
// What users saw: the second close hit a descriptor that another thread had just been given; connections that carried
// somebody else's data.
// Root cause: two owners of one number, or a close that was repeated after EINTR, when Linux has freed the number
// already. Reports: cpython #16140, #18851; uvloop #466, #481; joyent/libuv #945 (closed its caller's descriptors on
// failure); swift-subprocess #37 (made EBADF on close fatal in order to catch it). Why not here: unique_fd is the only
// owner there is, and its reset() gives the number up before it closes it, once.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

// Takes the numbers that are free now, so that whoever closes one of them once more is found out.
class squatters {
public:
    squatters() {
        for (int i = 0; i < 12; ++i) fds_.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
    [[nodiscard]] bool all_there() const {
        for (const unique_fd& fd : fds_) {
            if (::fcntl(fd.get(), F_GETFD) < 0) return false;
        }
        return true;
    }

private:
    std::vector<unique_fd> fds_;
};

} // namespace

// Seen to fail: stream_reader::release_descriptor noting the number for ~stream_reader to close it again; `false`, one
// was gone.
TEST_CASE("a number that was given back is not closed again", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("shout"));
        p.close_stdin();
        co_await p.read_stdout();
        co_await p.read_stderr();
        co_await p.wait(); // everything of it is closed by now
        const squatters ours;
        p.close_stdin();
        { const async_process gone = std::move(p); }
        CHECK(ours.all_there());
    };
    run_in_time(talk());
}

TEST_CASE("a start that fails closes nothing that is not its own", "[regression][process]") {
    const nothing_leaks check;
    event_loop loop;
    const squatters ours;
    CHECK_THROWS_AS(async_process("/no/such/program"), spawn_error);
    const squatters others; // these have the numbers of its pipes
    CHECK_THROWS_AS(async_process(command(child("cat")).cwd("/no/such/directory")), spawn_error);
    CHECK(ours.all_there());
    CHECK(others.all_there());
}

// Seen to fail: unique_fd::reset closing twice; the loop and Catch lost descriptors to it, aborted.
TEST_CASE("no descriptor of another thread is closed while children come and go", "[regression][process]") {
    const nothing_leaks check;
    std::atomic<bool> enough{false};
    std::atomic<int> lost{0};
    std::thread other([&] {
        while (!enough) {
            const squatters mine;
            for (int i = 0; i < 20; ++i) lost += !mine.all_there();
        }
    });
    const auto talk = []() -> task<> {
        for (int i = 0; i < 100; ++i) {
            async_process cat(child("cat"));
            const result r = co_await cat.communicate("x");
            CHECK(r.out == "x");
            CHECK_THROWS_AS(async_process("/no/such/program"), spawn_error);
        }
    };
    run_in_time(talk());
    enough = true;
    other.join();
    CHECK(lost == 0);
}
