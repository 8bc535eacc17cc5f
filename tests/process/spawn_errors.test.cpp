// SPDX-License-Identifier: BSL-1.0
//
// When no program runs: which error, with which words, and nothing left behind.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>

#include <coproc/loop/run.hpp>
#include <coproc/process/async_process.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

namespace {

void check_failure(const command& c, spawn_stage stage, int error, const std::string& words) {
    const std::optional<spawn_error> e = failure_of(c);
    REQUIRE(e);
    CHECK(e->stage() == stage);
    CHECK(e->code() == std::error_code(error, std::system_category()));
    CHECK(e->operation() == "start");
    CHECK(e->subject() == c.program());
    CHECK(e->what() == words);
}

} // namespace

TEST_CASE("a name that is in no directory of the path", "[process][spawn_fork]") {
    check_failure(command("coproc-no-such-program"), spawn_stage::exec, ENOENT,
                  "cannot start \"coproc-no-such-program\": exec failed: No such file or directory");
}

TEST_CASE("a path where nothing is", "[process][spawn_fork]") {
    check_failure(command("/no/such/program"), spawn_stage::exec, ENOENT,
                  "cannot start \"/no/such/program\": exec failed: No such file or directory");
}

TEST_CASE("a path that leads through a file", "[process][spawn_fork]") {
    const std::string path = child("cat") + "/program";
    check_failure(command(path), spawn_stage::exec, ENOTDIR,
                  "cannot start \"" + path + "\": exec failed: Not a directory");
}

TEST_CASE("a file that may not be executed", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string path = directory.file("script", "#!/bin/sh\n");
    check_failure(command(path), spawn_stage::exec, EACCES,
                  "cannot start \"" + path + "\": exec failed: Permission denied");
    check_failure(command("script").env("PATH", directory.path()), spawn_stage::exec, EACCES,
                  "cannot start \"script\": exec failed: Permission denied");
}

TEST_CASE("a path that leads round in a circle or is longer than the system takes", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string link = directory / "link";
    std::filesystem::create_symlink(link, link);
    check_failure(command(link), spawn_stage::exec, ELOOP,
                  "cannot start \"" + link + "\": exec failed: " + std::strerror(ELOOP));
    const std::string longest = "/" + std::string(100'000, 'x');
    check_failure(command(longest), spawn_stage::exec, ENAMETOOLONG,
                  "cannot start \"" + longest + "\": exec failed: " + std::strerror(ENAMETOOLONG));
}

#if defined(__linux__)
TEST_CASE("a program that is being written is waited for a little", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string path = directory / "prog";
    std::filesystem::copy_file(child("hush"), path);
    CHECK(in_a_fork([&] { // nobody else may hold the copy open for writing
              static int writer = -1;
              writer = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
              const std::optional<spawn_error> e = failure_of(command(path));
              if (!e || e->stage() != spawn_stage::exec || e->code() != std::errc::text_file_busy) return 1;
              // It is closed between one attempt and another.
              ::signal(SIGALRM, [](int) { ::close(writer); });
              const itimerval soon{{0, 0}, {0, 1000}};
              ::setitimer(ITIMER_REAL, &soon, nullptr);
              event_loop loop;
              const async_process p(path);
              return 0;
          }) == 0);
}
#endif

TEST_CASE("a directory is no program", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::optional<spawn_error> e = failure_of(command(directory.path()));
    REQUIRE(e);
    CHECK(e->stage() == spawn_stage::exec);
    CHECK(e->code() == std::errc::permission_denied);
}

TEST_CASE("a file of no format is no program and no shell is asked", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string path = directory.file("prog", "echo this is not for a shell\n", true);
    check_failure(command(path), spawn_stage::exec, ENOEXEC,
                  "cannot start \"" + path + "\": exec failed: Exec format error");
}

TEST_CASE("a script whose interpreter is missing", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string path = directory.file("prog", "#!/no/such/interpreter\n", true);
    check_failure(command(path), spawn_stage::exec, ENOENT,
                  "cannot start \"" + path + "\": exec failed, the interpreter that \"" + path +
                      "\" names is missing: No such file or directory");
}

TEST_CASE("a directory to start in that is missing", "[process][spawn_fork]") {
    check_failure(command(child("cat")).cwd("/no/such/directory"), spawn_stage::cwd, ENOENT,
                  "cannot start \"" + child("cat") +
                      "\": changing to the directory \"/no/such/directory\" failed: No such file or directory");
}

TEST_CASE("a directory to start in that is a file", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string path = directory.file("file", "");
    check_failure(command(child("cat")).cwd(path), spawn_stage::cwd, ENOTDIR,
                  "cannot start \"" + child("cat") + "\": changing to the directory \"" + path +
                      "\" failed: Not a directory");
}

TEST_CASE("a directory to start in whose name is too long", "[process][spawn_fork]") {
    const std::optional<spawn_error> e = failure_of(command(child("cat")).cwd("/" + std::string(300, 'x')));
    REQUIRE(e);
    CHECK(e->stage() == spawn_stage::cwd);
    CHECK(e->code() == std::errc::filename_too_long);
}

TEST_CASE("a bad program in a good directory is the fault of the program", "[process][spawn_fork]") {
    const std::optional<spawn_error> e = failure_of(command("/no/such/program").cwd("/"));
    REQUIRE(e);
    CHECK(e->stage() == spawn_stage::exec);
}

TEST_CASE("a file for a stream that cannot be opened", "[process][spawn_fork]") {
    check_failure(command(child("cat")).in(stdio::file("/no/such/file")), spawn_stage::redirect, ENOENT,
                  "cannot start \"" + child("cat") +
                      "\": opening \"/no/such/file\" for stdin failed: No such file or directory");
    check_failure(command(child("cat")).err(stdio::file("/")), spawn_stage::redirect, EISDIR,
                  "cannot start \"" + child("cat") + "\": opening \"/\" for stderr failed: Is a directory");
    // The pipes that were made before it are gone, too.
    check_failure(command(child("cat")).out(stdio::file("/no/such/file")), spawn_stage::redirect, ENOENT,
                  "cannot start \"" + child("cat") +
                      "\": opening \"/no/such/file\" for stdout failed: No such file or directory");
}

TEST_CASE("more arguments than the system takes", "[process][spawn_fork]") {
    command c(child("cat"));
    for (int i = 0; i < 100; ++i) c.arg(std::string(100000, 'x')); // 10 MB; one alone may have 128 KiB on Linux
    check_failure(c, spawn_stage::exec, E2BIG,
                  "cannot start \"" + child("cat") + "\": exec failed: " + std::strerror(E2BIG));
}

TEST_CASE("a program name of hundreds of characters", "[process][spawn_fork]") {
    const std::string name(300, 'x');
    for (int i = 0; i < 100; ++i) CHECK(failure_of(command(name)));
    const std::optional<spawn_error> e = failure_of(command("/" + name));
    REQUIRE(e);
    CHECK(e->code() == std::errc::filename_too_long);
}

TEST_CASE("a start that fails does not disturb a child that runs", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<result> {
        async_process cat(child("cat"));
        for (int i = 0; i < 100; ++i) {
            bool thrown = false;
            try {
                async_process bad("/no/such/program");
            } catch (const spawn_error&) {
                thrown = true;
            }
            CHECK(thrown);
        }
        co_return co_await cat.communicate("still here");
    };
    const result r = run_in_time(talk());
    CHECK(r.out == "still here");
    CHECK(r.status.success());
}

TEST_CASE("without descriptors a start fails and later works again", "[process][spawn_fork]") {
    const nothing_leaks check;
    // However many are left: at each number something else is the first that cannot be had.
    const int code = in_a_fork([] {
        event_loop loop;
        bool started = false;
        for (int left = 0; left < 16; ++left) {
            const int next = ::dup(0);
            ::close(next);
            rlimit before{};
            ::getrlimit(RLIMIT_NOFILE, &before);
            const rlimit few{static_cast<rlim_t>(next + left), before.rlim_max};
            ::setrlimit(RLIMIT_NOFILE, &few);
            int error = 0;
            try {
                async_process p(child("hold"));
                started = true;
            } catch (const spawn_error& e) {
                error = e.code().value();
                if (e.stage() != spawn_stage::pipe && e.stage() != spawn_stage::fork) return 1;
            }
            ::setrlimit(RLIMIT_NOFILE, &before);
            if (error != 0 && error != EMFILE) return 2;
            if (left == 0 && error == 0) return 3;
            while (!no_children()) loop.run_once(std::chrono::milliseconds(10));
            if (::dup(0) != next) return 4; // something is open still
            ::close(next);
        }
        return started ? 0 : 5;
    });
    CHECK(code == 0);
}

TEST_CASE("out of descriptors says for which pipe", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string told = directory / "told";
    CHECK(in_a_fork([&] {
              for (int fd = 3; fd < 64; ++fd) ::close(fd); // somebody may have left us some, with gaps
              event_loop loop;
              const int next = ::dup(0);
              ::close(next);
              const unique_fd file(::open(told.c_str(), O_WRONLY | O_CREAT, 0600));
              const rlimit few{static_cast<rlim_t>(next + 3), static_cast<rlim_t>(next + 3)};
              ::setrlimit(RLIMIT_NOFILE, &few);
              try {
                  async_process p(command("/bin/sh"));
              } catch (const spawn_error& e) {
                  return ::dprintf(file.get(), "%s", e.what()) > 0 ? 0 : 1;
              }
              return 2;
          }) == 0);
    CHECK(content_of(told) == "cannot start \"/bin/sh\": making a pipe for stdout failed: Too many open files");
}

TEST_CASE("a process cannot be started where there is no loop", "[process][spawn_fork]") {
    const nothing_leaks check;
    CHECK_THROWS_AS(async_process(child("cat")), usage_error);
}
