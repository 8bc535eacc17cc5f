// SPDX-License-Identifier: BSL-1.0
#include <coproc/core/exit_status.hpp>

#include <csignal>

#include "support/catch.hpp"

using coproc::exit_status;

TEST_CASE("only exited(0) is a success", "[core]") {
    CHECK(exit_status::exited(0).success());
    CHECK_FALSE(exit_status::exited(1).success());
    CHECK_FALSE(exit_status::signaled(SIGTERM).success());
    CHECK_FALSE(exit_status::unknown().success());
}

TEST_CASE("a code is not a signal and a signal is not a code", "[core]") {
    CHECK(exit_status::exited(137).code() == 137);
    CHECK_FALSE(exit_status::exited(137).signal());
    CHECK(exit_status::signaled(SIGKILL).signal() == SIGKILL);
    CHECK_FALSE(exit_status::signaled(SIGKILL).code());
    CHECK(exit_status::exited(137) != exit_status::signaled(SIGKILL));
    CHECK_FALSE(exit_status::unknown().known());
}

TEST_CASE("a status is worded for people", "[core]") {
    CHECK(exit_status::exited(3).to_string() == "exited with code 3");
    CHECK(exit_status::signaled(SIGKILL).to_string() == "killed by SIGKILL");
    CHECK(exit_status::signaled(SIGSEGV, true).to_string() == "killed by SIGSEGV (core dumped)");
    CHECK(exit_status::unknown().to_string() == "ended with unknown status");
    CHECK(coproc::signal_name(64) == "signal 64");
}
