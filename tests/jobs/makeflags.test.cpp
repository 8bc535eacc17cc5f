// SPDX-License-Identifier: BSL-1.0
//
// What is read from MAKEFLAGS, and what is written into it.
#include <coproc/jobs/makeflags.hpp>

#include <string>

#include "support/catch.hpp"

using coproc::detail::jobserver_auth;
using coproc::detail::makeflags_say_dry_run;
using coproc::detail::makeflags_with;

TEST_CASE("the last word about the job server counts by either of its names", "[make]") {
    CHECK(jobserver_auth(" -j3 --jobserver-auth=3,4") == "3,4");
    CHECK(jobserver_auth("kw -j8 --jobserver-fds=5,6 --jobserver-auth=fifo:/tmp/a") == "fifo:/tmp/a");
    CHECK(jobserver_auth("--jobserver-auth=3,4 --jobserver-fds=7,8") == "7,8");
    CHECK(jobserver_auth("--jobserver-auth=") == "");
}

TEST_CASE("makeflags without a job server name none", "[make]") {
    CHECK_FALSE(jobserver_auth(""));
    CHECK_FALSE(jobserver_auth(" -j"));
    CHECK_FALSE(jobserver_auth("k -j1 --no-print-directory"));
    CHECK_FALSE(jobserver_auth("--jobserver-auth 3,4"));
    CHECK_FALSE(jobserver_auth("x--jobserver-auth=3,4"));
    CHECK_FALSE(jobserver_auth("\\"));
}

TEST_CASE("a job server among the variables of makeflags is none", "[make]") {
    CHECK_FALSE(jobserver_auth("k -- X=a --jobserver-auth=3,4"));
    CHECK(jobserver_auth(" --jobserver-auth=3,4 -- A=b\\ c --jobserver-auth=5,6") == "3,4");
}

TEST_CASE("a path in makeflags is read as make has escaped it", "[make]") {
    CHECK(jobserver_auth("--jobserver-auth=fifo:/a\\ b/c\\\\d$$e k") == "fifo:/a b/c\\d$e");
    const std::string odd = "/tmp/a b\tc\\d$e$$f\\";
    CHECK(jobserver_auth(" --jobserver-auth=" + coproc::detail::escape_makeflag(odd) + " -k") == odd);
}

TEST_CASE("a make that only shows what it would do says so in its first word", "[make]") {
    CHECK(makeflags_say_dry_run("n"));
    CHECK(makeflags_say_dry_run("kns -j3"));
    CHECK_FALSE(makeflags_say_dry_run(""));
    CHECK_FALSE(makeflags_say_dry_run(" n"));
    CHECK_FALSE(makeflags_say_dry_run("k -n"));
    CHECK_FALSE(makeflags_say_dry_run("--no-print-directory"));
    CHECK_FALSE(makeflags_say_dry_run("CC=clang"));
}

TEST_CASE("a job server of ours takes the place of another in makeflags", "[make]") {
    CHECK(makeflags_with("", "-j2") == " -j2");
    CHECK(makeflags_with("k", "-j2") == "k -j2");
    CHECK(makeflags_with("k -j8 --jobserver-auth=3,4 --no-print-directory", "-j2") == "k --no-print-directory -j2");
    CHECK(makeflags_with(" -j8 --jobserver-fds=3,4 -- A=b\\ c --jobserver-x", "-j2") ==
          " -j2 -- A=b\\ c --jobserver-x");
    CHECK(makeflags_with("--warn-undefined-variables", "-j2") == " --warn-undefined-variables -j2");
    CHECK(makeflags_with("-- A=b", "-j2") == " -j2 -- A=b");
}
