// SPDX-License-Identifier: BSL-1.0
#include <coproc/platform/splice.hpp>

#include <fcntl.h>
#include <signal.h>

#include <string>
#include <utility>

#include <coproc/platform/pipe.hpp>

#include "support/catch.hpp"
#include "support/pipes.hpp"

using namespace coproc;
using namespace coproc::platform;
using kind = splice_outcome::kind;

namespace {
struct two_pipes {
    two_pipes() {
        source.read = nonblocking(std::move(source.read));
        sink.write = nonblocking(std::move(sink.write));
    }
    splice_outcome splice() const { return splice_some(source.read.get(), sink.write.get(), 1 << 20); }
    pipe_ends source = make_pipe();
    pipe_ends sink = make_pipe();
};
} // namespace

TEST_CASE("whether there are bytes to read can be asked without taking them", "[platform]") {
    const pipe_ends ends = make_pipe();
    CHECK_FALSE(has_bytes(ends.read.get()));
    put_into(ends.write, "x");
    CHECK(has_bytes(ends.read.get()));
    CHECK(take_from(ends.read) == "x");
    CHECK_FALSE(has_bytes(ends.read.get()));
    CHECK_FALSE(has_bytes(-1));
}

#if defined(__linux__)

TEST_CASE("splice moves bytes or says which side it would wait for", "[platform]") {
    const two_pipes it;
    CHECK(it.splice().what == kind::source_dry);
    put_into(it.source.write, "hello");
    const splice_outcome moved = it.splice();
    CHECK(moved.what == kind::moved);
    CHECK(moved.bytes == 5);
    CHECK(take_from(it.sink.read) == "hello");
    CHECK(it.splice().what == kind::source_dry);

    fill(it.sink.write);
    CHECK(it.splice().what == kind::source_dry); // of both the source: nothing can be had of it
    put_into(it.source.write, "more");
    CHECK(it.splice().what == kind::sink_full);
}

TEST_CASE("at the end and after an error splice leaves the word to read and write", "[platform]") {
    two_pipes it;
    SECTION("the end") {
        it.source.write.reset();
        CHECK(it.splice().what == kind::refused);
    }
    SECTION("a broken pipe") {
        put_into(it.source.write, "unwanted");
        it.sink.read.reset();
        CHECK(it.splice().what == kind::refused); // and no SIGPIPE has ended this program
        CHECK(take_from(it.source.read) == "unwanted");
    }
    SECTION("no pipe on either side") {
        const unique_fd zero(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
        const unique_fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        CHECK(splice_some(zero.get(), null.get(), 100).what == kind::refused);
    }
}

#else

TEST_CASE("where the system has no splice it is refused", "[platform]") {
    const two_pipes it;
    CHECK(it.splice().what == kind::refused);
}

#endif
