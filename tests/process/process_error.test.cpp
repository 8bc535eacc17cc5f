// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/process_error.hpp>

#include <chrono>
#include <csignal>
#include <string>
#include <type_traits>
#include <utility>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

static_assert(std::is_nothrow_copy_constructible_v<exit_error>);
static_assert(std::is_base_of_v<process_error, exit_error> && std::is_base_of_v<error, process_error>);

namespace {
result ended(exit_status status, std::string err = {}) {
    result r;
    r.status = status;
    r.out = "out";
    r.err = std::move(err);
    r.command_line = "make -j4";
    return r;
}
std::string words_of(const result& r) {
    try {
        r.check();
    } catch (const exit_error& e) {
        return e.what();
    }
    return {};
}
} // namespace

TEST_CASE("an exit_error says how the child ended and what it said about that", "[process]") {
    CHECK(words_of(ended(exit_status::exited(2))) == "cannot run \"make -j4\": exited with code 2: not a success");
    CHECK(words_of(ended(exit_status::signaled(SIGKILL), "no rule\nto make\n\n")) ==
          "cannot run \"make -j4\": killed by SIGKILL, stderr \"no rule\\x0ato make\": not a success");
    CHECK(words_of(ended(exit_status::unknown(), "\n")) ==
          "cannot run \"make -j4\": ended with unknown status: not a success");
}

TEST_CASE("of a long stderr an error tells how it began and how it ended and how much is between", "[process]") {
    const std::string text = words_of(ended(exit_status::exited(1), "first" + std::string(5000, 'x') + "the reason\n"));
    CHECK(text.find(", stderr \"firstxxx") != std::string::npos);
    CHECK(text.find("x\" ... 3991 bytes ... \"xxx") != std::string::npos);
    CHECK(text.find("the reason\": not") != std::string::npos);
    CHECK(text.size() < 1300);
}

TEST_CASE("what was not captured counts as left out", "[process]") {
    result r = ended(exit_status::exited(1), "beginend");
    r.err_truncated = true;
    r.err_bytes = 1000008;
    r.err_gap = 5; // of `capture::head_tail`
    CHECK(words_of(r) == "cannot run \"make -j4\": exited with code 1, stderr \"begin\" ... 1000000 bytes ... \"end\": "
                         "not a success");
    r.err_gap = 0; // of `capture::tail`
    CHECK(words_of(r) ==
          "cannot run \"make -j4\": exited with code 1, stderr 1000000 bytes ... \"beginend\": not a success");
    r.err_gap = 8; // of `capture::head`
    CHECK(words_of(r) ==
          "cannot run \"make -j4\": exited with code 1, stderr \"beginend\" ... 1000000 bytes: not a success");
}

TEST_CASE("an error shows the gap of what was captured where it is", "[process]") {
    const nothing_leaks check;
    const auto words = [](const capture& kept) {
        const auto run = [&]() -> task<result> {
            const command c = command(child("stubborn")).capture(kept).grace(0s);
            async_process p(c);
            try {
                co_return co_await p.execute(200ms);
            } catch (const timeout_error& e) {
                co_return e.result();
            }
        };
        return words_of(run_in_time(run()));
    };
    CHECK(words(capture::tail(3)).find("stderr \"") == std::string::npos);
    CHECK(words(capture::tail(3)).find(" bytes ... \"xxx\"") != std::string::npos);
    CHECK(words(capture::head(3)).find("stderr \"xxx\" ... ") != std::string::npos);
    CHECK(words(capture::head(3)).find(" bytes ... ") == std::string::npos);
    CHECK(words(capture::head_tail(1, 2)).find("stderr \"x\" ... ") != std::string::npos);
    CHECK(words(capture::head_tail(1, 2)).find(" bytes ... \"xx\"") != std::string::npos);
}

TEST_CASE("an exit_error carries the whole result", "[process]") {
    try {
        ended(exit_status::exited(3), "why").check();
        FAIL("nothing thrown");
    } catch (const process_error& e) {
        CHECK(e.result().status == exit_status::exited(3));
        CHECK(e.result().out == "out");
        CHECK(e.result().err == "why");
        CHECK(e.subject() == "make -j4");
        CHECK(e.operation() == "run");
        CHECK(e.code() == errc::unsuccessful);
    }
}
