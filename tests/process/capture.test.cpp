// SPDX-License-Identifier: BSL-1.0
//
// Which part of a child's output is kept, when it is more than one wants.
#include <cstddef>
#include <optional>
#include <string>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t written = 300000;

result captured(const capture& what, std::size_t bytes = written) {
    const auto run = [&]() -> task<result> {
        async_process p(command(child("flood"), "1:" + std::to_string(bytes), "2:100").capture(what));
        co_return co_await p.communicate();
    };
    return run_in_time(run());
}

std::optional<output_limit_error> limit_error(const command& c) {
    std::optional<output_limit_error> error;
    const auto run = [&]() -> task<> {
        async_process p(c);
        try {
            const result r = co_await p.communicate();
        } catch (const output_limit_error& e) {
            error = e;
        }
    };
    run_in_time(run());
    return error;
}

} // namespace

TEST_CASE("a child whose output is bounded can go on and is told all that it wrote", "[process]") {
    const nothing_leaks check;
    const std::string all = alphabet(written);
    const auto holds = [&](const capture& what, const std::string& kept) {
        const result r = captured(what);
        CHECK(r.status.success()); // it was never held up
        CHECK((r.out == kept));
        CHECK(r.out_bytes == written);
        CHECK(r.out_truncated == (kept.size() != written));
        CHECK(r.err_bytes == 100);
    };
    holds(capture::all(), all);
    holds(capture::all(written), all);
    holds(capture::head(written), all);
    holds(capture::tail(written), all);
    holds(capture::head_tail(written, 1), all);
    holds(capture::head_tail(written - 7, 7), all);
    holds(capture::head(1000), all.substr(0, 1000));
    holds(capture::head(0), "");
    holds(capture::tail(0), "");
    holds(capture::tail(1001), all.substr(written - 1001));
    holds(capture::head_tail(10, 20), all.substr(0, 10) + all.substr(written - 20));
    holds(capture::head_tail(100000, 90000), all.substr(0, 100000) + all.substr(written - 90000));
    holds(capture::head_tail(100000, 150000), all.substr(0, 100000) + all.substr(written - 150000));
    holds(capture::head_tail(0, 20), all.substr(written - 20));
    holds(capture::head_tail(20, 0), all.substr(0, 20));
}

TEST_CASE("what is within the bound is not said to be cut", "[process]") {
    const result r = captured(capture::head_tail(50, 50));
    CHECK(r.out_truncated);
    CHECK(r.err == alphabet(100));
    CHECK_FALSE(r.err_truncated);
}

TEST_CASE("each output has a bound of its own", "[process]") {
    const nothing_leaks check;
    const auto run = []() -> task<result> {
        command c(child("flood"), "1:5000", "2:5000");
        async_process p(c.capture_out(capture::head(3)).capture_err(capture::tail(2)));
        co_return co_await p.communicate();
    };
    const result r = run_in_time(run());
    CHECK(r.out == "abc");
    CHECK(r.err == alphabet(5000).substr(4998));
}

TEST_CASE("more than all may be stops the child and is an error with what there was", "[process]") {
    const nothing_leaks check;
    const auto e = limit_error(command(child("endless")).capture(capture::all(1000)));
    REQUIRE(e);
    CHECK(e->limit() == 1000);
    CHECK(e->code() == errc::output_limit);
    CHECK(e->result().out.size() == 1000);
    CHECK(e->result().out_truncated);
    CHECK(e->result().out_bytes > 1000);
    CHECK(e->result().stopped);
    CHECK_FALSE(e->result().timed_out);
    CHECK(std::string(e->what()).find("more than 1000 bytes on stdout, killed by SIGTERM: too much output") !=
          std::string::npos);
}

TEST_CASE("too much on stderr is an error while stdout is silent", "[process]") {
    const nothing_leaks check;
    const auto e = limit_error(command(child("flood"), "2:200000").capture(capture::all(100000)));
    REQUIRE(e);
    CHECK(e->result().err == alphabet(100000));
    CHECK(std::string(e->what()).find("more than 100000 bytes on stderr") != std::string::npos);
}

TEST_CASE("one byte too much is found though the child has ended", "[process]") {
    const nothing_leaks check;
    const auto e = limit_error(command(child("flood"), "1:1001").capture(capture::all(1000)));
    REQUIRE(e);
    CHECK(e->result().out == alphabet(1000));
    CHECK_FALSE(limit_error(command(child("flood"), "1:1000").capture(capture::all(1000))));
}
