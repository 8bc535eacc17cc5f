// SPDX-License-Identifier: BSL-1.0
//
// Starts that fail, and starts that have hardly room: over and over, and everything is as it was.
#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <iterator>
#include <set>
#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/memory.hpp"
#include "support/resources.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;
using namespace std::chrono_literals;

// Seen to fail: with a child that failed before its program ran and is not reaped; with four bytes that are forgotten
// in each start.
TEST_CASE("a thousand starts that fail leave descriptors and children and memory as they were",
          "[process][endurance][own_descriptors]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const command bad[] = {
        command("/no/such/program"), // each of them has got to the end of another stage
        command(std::string(300, 'x')),
        command(directory.file("prog", "not a program", true)),
        command(directory.file("locked", "not to be executed")),
        command(child("cat")).cwd("/no/such/directory"),
        command(child("cat")).err(stdio::file("/no/such/file")),
    };
    event_loop loop;
    int failed = 0;
    const auto fail = [&](int times) {
        for (int i = 0; i < times; ++i) failed += fails(bad[static_cast<std::size_t>(i) % std::size(bad)]) ? 1 : 0;
    };
    fail(60); // what is allocated once, is
    const std::set<int> descriptors_before = open_descriptors();
    const std::size_t allocated_before = allocated();
    const std::size_t resident_before = resident();
    fail(1024);
    const std::size_t allocated_after = allocated();
    const std::size_t resident_after = resident();
    CHECK(failed == 60 + 1024);
    CHECK(open_descriptors() == descriptors_before);
    CHECK(no_children());
    CHECK(allocated_after <= allocated_before + 1024); // not a byte a start
    CHECK(resident_after <=
          resident_before + std::size_t{512} * 1024); // not half a kilobyte, what malloc keeps included
}

// Seen to fail: with a child_watch that is not destroyed with its owner once it has reaped.
TEST_CASE("fifteen starts with ten free descriptors leave everything as it was",
          "[process][endurance][own_descriptors]") {
    CHECK(in_a_fork([] {
              event_loop loop;
              const std::set<int> descriptors_before = open_descriptors();
              const int next = ::dup(0);
              ::close(next);
              const rlimit few{static_cast<rlim_t>(next + 10), static_cast<rlim_t>(next + 10)};
              ::setrlimit(RLIMIT_NOFILE, &few);
              const auto talk = [](int times) -> task<bool> {
                  for (int i = 0; i < times; ++i) {
                      async_process p(child("answer"), "6");
                      const result r = co_await p.communicate("x");
                      if (r.out != "x" || r.status != exit_status::exited(6)) co_return false;
                  }
                  co_return true;
              };
              if (!loop.run(talk(3))) return 1;
              const std::size_t allocated_before = allocated();
              if (!loop.run(talk(15))) return 2;
              if (allocated() > allocated_before + 1024) return 3;
              if (open_descriptors() != descriptors_before) return 4;
              return no_children() ? 0 : 5;
          }) == 0);
}
