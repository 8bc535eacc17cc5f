// SPDX-License-Identifier: BSL-1.0
//
// Names of programs and words for them, as odd as a file system and a system call allow.
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include <coproc/process/async_process.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/other_directory.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

using words = std::vector<std::string>;

TEST_CASE("names and words need not be text", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
#if defined(__APPLE__)
    const std::string name = "caf\xc3\xa9 prog"; // its file systems want UTF-8
#else
    const std::string name = "\xff\xfe prog\x80";
#endif
    std::filesystem::create_symlink(child("echo_args"), directory.path() / name);
    CHECK(pieces(output_of(command(directory / name, "\xff"))) == words{directory / name, "\xff"});
    CHECK(pieces(output_of(command(name, "\x80\n").env("PATH", directory.path()))) == words{name, "\x80\n"});
    const command env = command(child("print_env")).clear_env().env("K\xff", "\xfe\x80=\n");
    CHECK(pieces(output_of(env)) == words{"K\xff=\xfe\x80=\n"});
}

TEST_CASE("a name with a slash is never looked up in the path", "[process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    std::filesystem::create_symlink(child("echo_args"), directory.directory("sub") + "/prog");
    const command c = command("sub/prog").env("PATH", directory.path());
    try {
        output_of(c);
        FAIL("it was found");
    } catch (const spawn_error& e) {
        CHECK(e.code() == std::errc::no_such_file_or_directory);
    }
    const other_directory inside(directory.path()); // where it is a path that leads there
    CHECK(pieces(output_of(c)) == words{"sub/prog"});
}
