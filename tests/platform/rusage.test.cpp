// SPDX-License-Identifier: BSL-1.0
#include <coproc/platform/rusage.hpp>

#include <sys/resource.h>

#include <chrono>

#include "support/catch.hpp"

using namespace std::chrono_literals;

TEST_CASE("the figures of the kernel become ours in our units", "[platform]") {
    rusage raw{};
    raw.ru_utime.tv_sec = 3;
    raw.ru_utime.tv_usec = 250'000;
    raw.ru_stime.tv_usec = 7;
    raw.ru_maxrss = 2048;
    raw.ru_minflt = 1;
    raw.ru_majflt = 2;
    raw.ru_nvcsw = 3;
    raw.ru_nivcsw = 4;
    raw.ru_inblock = 5;
    raw.ru_oublock = 6;
    const coproc::resource_usage usage = coproc::platform::to_resource_usage(raw);
    CHECK(usage.user_time == 3250ms);
    CHECK(usage.system_time == 7us);
#if defined(__APPLE__)
    CHECK(usage.peak_rss == 2048u);
#else
    CHECK(usage.peak_rss == 2048 * 1024u);
#endif
    CHECK(usage.minor_faults == 1u);
    CHECK(usage.major_faults == 2u);
    CHECK(usage.voluntary_switches == 3u);
    CHECK(usage.involuntary_switches == 4u);
    CHECK(usage.blocks_read == 5u);
    CHECK(usage.blocks_written == 6u);
}

TEST_CASE("our own peak memory is a number of bytes", "[platform]") {
    rusage raw{};
    REQUIRE(::getrusage(RUSAGE_SELF, &raw) == 0);
    // No test program fits into less, and none of ours needs a terabyte: kilobytes taken for bytes would be seen.
    const auto peak = coproc::platform::to_resource_usage(raw).peak_rss;
    CHECK(peak > 500'000u);
    CHECK(peak < 1'000'000'000'000u);
}
