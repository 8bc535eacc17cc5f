// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/process_error.hpp>

#include <csignal>
#include <string>
#include <type_traits>
#include <utility>

#include "support/catch.hpp"

using namespace coproc;

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
    CHECK(words_of(r) == "cannot run \"make -j4\": exited with code 1, stderr \"begi\" ... 1000000 bytes ... \"nend\": "
                         "not a success");
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
