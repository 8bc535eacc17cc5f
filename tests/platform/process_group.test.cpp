// SPDX-License-Identifier: BSL-1.0
//
// Which groups may be signalled, and by what name.
#include <coproc/platform/process_group.hpp>

#include <signal.h>
#include <unistd.h>

#include <coproc/platform/platform.hpp>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/started_child.hpp"

using namespace coproc::platform;

TEST_CASE("neither our own group nor everybody nor init is ever signalled", "[platform]") {
    for (const pid_t group : {0, -1, 1, -2, ::getpgrp(), -::getpgrp()}) {
        CAPTURE(group);
        CHECK_FALSE(may_signal_group(group));
        CHECK_FALSE(signal_group(group, 0)); // which would be sent, as far as kill(2) goes
    }
    CHECK(may_signal_group(::getpgrp() + 1));
    // And that is asked each time: a host may change its group.
    CHECK(in_a_fork([] {
              const pid_t before = ::getpgrp();
              if (may_signal_group(before) || ::setpgid(0, 0) != 0) return 1;
              return !may_signal_group(::getpid()) && may_signal_group(before) ? 0 : 2;
          }) == 0);
}

TEST_CASE("a child that leads no group has none to be signalled", "[platform][process]") {
    const nothing_leaks check;
    started_child one("exit", 0); // in our group
    CHECK_FALSE(one.process.signal_group(SIGKILL, false));
    CHECK_FALSE(one.process.signal_group(0, false));
    CHECK_FALSE(child().signal_group(SIGKILL, false));
    CHECK_FALSE(one.process.try_reap());
}

TEST_CASE("a child that waits to be reaped is told from one that runs", "[platform][process]") {
    const nothing_leaks check;
    started_child one("exit", 0);
    CHECK_FALSE(waits_to_be_reaped(one.process.pid()));
    one.wait_until_ended();
    CHECK(waits_to_be_reaped(one.process.pid()));
    CHECK(waits_to_be_reaped(one.process.pid())); // and is left waiting
    one.reap();
    CHECK_FALSE(waits_to_be_reaped(one.process.pid()));
    CHECK_FALSE(waits_to_be_reaped(-1));
    CHECK_FALSE(waits_to_be_reaped(0));
}
