// SPDX-License-Identifier: BSL-1.0
//
// What this process ignores: told exactly or not at all.
#include <coproc/platform/platform.hpp>

#if defined(__linux__)

#include <signal.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/sanitizers.hpp"

using coproc::platform::dispositions;
using coproc::platform::detail::every_signal;
using coproc::platform::detail::ignored_by_only_thread;

namespace {

constexpr std::uint64_t bit(int signal) { return std::uint64_t{1} << (signal - 1); }

// ThreadSanitizer may have a thread of its own.
#if defined(COPROC_TEST_UNDER_TSAN)
constexpr bool alone = false;
#else
constexpr bool alone = true;
#endif
bool is_told(std::uint64_t told, std::uint64_t expected) {
    return told == expected || (!alone && told == every_signal);
}

std::uint64_t read_from(std::string_view status, long where = 0) {
    return ignored_by_only_thread({status.data(), static_cast<long>(status.size())}, where);
}
std::string status(const std::string& threads, const std::string& ignored) {
    return "Name:\tx\nThreads:\t" + threads + "\nSigQ:\t0/1\nSigBlk:\tfffffffffffffffe\nSigIgn:\t" + ignored +
           "\nSigCgt:\t0000000000000001\n";
}

} // namespace

TEST_CASE("the status of a process with one thread tells which signals it ignores", "[platform]") {
    CHECK(read_from(status("1", "0000000000000000")) == 0u);
    CHECK(read_from(status("1", "0000000000001000")) == bit(SIGPIPE));
    CHECK(read_from(status("1", "80000000000000af")) == 0x80000000000000afu);
}

// Seen to fail: Threads not looked at, 0 == every_signal.
TEST_CASE("a status that is not as expected tells nothing", "[platform]") {
    for (const std::string& text :
         {status("2", "0000000000000000"), status("11", "0000000000000000"), status("1", "000000000000100"),
          status("1", "00000000000010000"), status("1", "000000000000g000"), status("1", "000000000000100A"),
          std::string(), std::string("\nSigIgn:\t0000000000000000\n"), std::string("\nThreads:\t1\nSigQ:\t0/1\n"),
          std::string("\nThreads:\t1\nSigIgn:\t0000000000000000")}) {
        INFO(text);
        CHECK(read_from(text) == every_signal);
    }
    long where = 0;
    CHECK(ignored_by_only_thread({nullptr, -EBADF}, where) == every_signal); // what a read that fails leaves
}

TEST_CASE("where the number of threads stood before it is looked for first and then everywhere", "[platform]") {
    const std::string text = status("1", "0000000000001000");
    long where = 0;
    for (const std::string& before : {std::string(), std::string("Groups:\t1 2 3\n"), std::string("G:\t\n")}) {
        const std::string longer = before + text;
        CHECK(ignored_by_only_thread({longer.data(), static_cast<long>(longer.size())}, where) == bit(SIGPIPE));
        CHECK(longer.compare(static_cast<std::size_t>(where), 9, "\nThreads:") == 0);
    }
    where = 1 << 20;
    CHECK(ignored_by_only_thread({text.data(), static_cast<long>(text.size())}, where) == bit(SIGPIPE));
}

TEST_CASE("what is ignored is told as it is at the moment and what is handled is not", "[platform]") {
    const nothing_leaks check;
    CHECK(in_a_fork([] {
              dispositions ours;
              const std::uint64_t before = ours.ignored();
              ::signal(SIGHUP, SIG_IGN);
              ::signal(SIGRTMAX, SIG_IGN);
              ::signal(SIGUSR1, [](int) {});
              ::signal(SIGPIPE, SIG_DFL);
              const std::uint64_t ignoring = (before | bit(SIGHUP) | bit(SIGRTMAX)) & ~bit(SIGPIPE);
              if (!is_told(ours.ignored(), ignoring)) return 1;
              ::signal(SIGHUP, SIG_DFL);
              return is_told(ours.ignored(), ignoring & ~bit(SIGHUP)) ? 0 : 2;
          }) == 0);
}

TEST_CASE("once there was a second thread a look is not worth its time", "[platform]") {
    CHECK(in_a_fork([] {
              dispositions ours;
              std::thread([] {}).join();
              return ours.may_be_known() ? 1 : 0;
          }) == 0);
}

TEST_CASE("without a descriptor nothing can be known", "[platform]") {
    CHECK(in_a_fork([] {
              rlimit none{};
              ::setrlimit(RLIMIT_NOFILE, &none);
              dispositions ours;
              return !ours.may_be_known() && ours.ignored() == every_signal ? 0 : 1;
          }) == 0);
}

// Its file tells of the process that has opened it. Seen to fail: forks not counted; 1 == 0.
TEST_CASE("a fork knows nothing by what its parent has opened", "[platform]") {
    dispositions ours;
    CHECK(in_a_fork([&] { return ours.may_be_known() ? 1 : 0; }) == 0);
}

#endif
