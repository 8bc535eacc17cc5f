// SPDX-License-Identifier: BSL-1.0
//
// Which way of starting is taken: the quick one only where it is known to work.
#include <coproc/platform/platform.hpp>

#include "support/system_call_filter.hpp"

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER)

#include <linux/sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdlib>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"

using namespace coproc::platform;
using detail::spawn_method;

namespace {
constexpr long clone3_call = 435; // SYS_clone3, the same everywhere
spawn_method found() {
    ::unsetenv("COPROC_SPAWN");
    return detail::find_method();
}
} // namespace

TEST_CASE("a child that shares our memory is made only where the kernel lets it and it really does", "[platform]") {
    const nothing_leaks check;
    CHECK(in_a_fork([] { return found() == spawn_method::clone3 ? 0 : 1; }) == 0);
    CHECK(in_a_fork([] { // containers' filters, and kernels before 5.3
              if (!filter_system_calls({{clone3_call, ENOSYS}})) return 9;
              return found() == spawn_method::clone ? 0 : 1;
          }) == 0);
    for (const int error : {EINVAL, EPERM, ENOSYS}) {
        CHECK(in_a_fork([error] {
                  if (!filter_system_calls({{clone3_call, ENOSYS}, {SYS_clone, error, CLONE_PIDFD}})) return 9;
                  return found() == spawn_method::posix_spawn ? 0 : 1;
              }) == 0);
    }
}

TEST_CASE("a shortage of processes does not decide for ever how children are started", "[platform]") {
    CHECK(in_a_fork([] {
              if (!filter_system_calls({{clone3_call, EAGAIN}})) return 9;
              return found() == spawn_method::undecided ? 0 : 1;
          }) == 0);
}

TEST_CASE("posix_spawn is taken where it is asked for", "[platform]") {
    CHECK(in_a_fork([] {
              ::setenv("COPROC_SPAWN", "posix_spawn", 1);
              return detail::find_method() == spawn_method::posix_spawn ? 0 : 1;
          }) == 0);
}

#endif
