// SPDX-License-Identifier: BSL-1.0
//
// A clone that an emulator does not know.
//
// What users saw: any program that started a child was ended by valgrind: "Unsupported clone() flags: 0x5500".
// Root cause: valgrind answers ENOSYS to clone3 but ends the program for a clone that is neither fork, vfork nor a
// thread; and the trial by which we find out whether clone serves had CLONE_FILES in it (Linux 6.11 and newer).
// Why not here: only clone3 is asked for a table of descriptors to begin with; a clone is the plain one of vfork.
#include <coproc/platform/platform.hpp>

#include "support/system_call_filter.hpp"

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER)

#include <linux/sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdlib>

#include <coproc/process/async_process.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/starts.hpp"

using namespace coproc;

// Seen to fail: CLONE_FILES whatever the call; 1 == 0.
TEST_CASE("without clone3 a child is made by a clone that any emulator knows", "[regression][process][own_thread]") {
    CHECK(in_a_fork([] {
              constexpr long clone3_call = 435; // SYS_clone3, the same everywhere
              if (!filter_system_calls({{clone3_call, ENOSYS}, {SYS_clone, EINVAL, CLONE_FILES}})) return 9;
              ::unsetenv("COPROC_SPAWN");
              if (platform::detail::find_method() != platform::detail::spawn_method::clone) return 1;
              return output_of(command(child("lines"), "1")) == "line 0\n" ? 0 : 2;
          }) == 0);
}

#endif
