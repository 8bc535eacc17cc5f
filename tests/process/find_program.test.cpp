// SPDX-License-Identifier: BSL-1.0
#include <coproc/process/find_program.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/other_directory.hpp"
#include "support/temporary_directory.hpp"

using coproc::detail::default_search_path;
using coproc::detail::find_program;

namespace {
constexpr std::string_view script = "#!/bin/sh\n";
} // namespace

TEST_CASE("a program is found in the first directory of the path that has it", "[process]") {
    const temporary_directory directory;
    const std::string a = directory.directory("a");
    const std::string b = directory.directory("b");
    const std::string c = directory.directory("c");
    directory.file("b/prog", script, true);
    directory.file("c/prog", script, true);
    CHECK(find_program("prog", a + ":" + b + ":" + c).path == b + "/prog");
    CHECK(find_program("prog", a + ":" + c + ":" + b).path == c + "/prog");
    CHECK(find_program("prog", b).path == b + "/prog");
    CHECK(find_program("prog", b).error == 0);
    CHECK(find_program("prog", b + "/").error == 0);
    CHECK(find_program("prog", a).error == ENOENT);
    CHECK(find_program("prog", "").error == ENOENT);
    CHECK(find_program("prog", ":").error == ENOENT);
    CHECK(find_program("prog", "/nowhere/at/all").error == ENOENT);
}

TEST_CASE("empty and relative entries of the path are passed over", "[process]") {
    const temporary_directory directory;
    directory.file("prog", script, true);
    directory.file("sub/prog", script, true);
    const other_directory inside(directory.path());
    for (const char* path : {".", "", ":", "::", "sub", "./sub", "sub:.", ":sub:", "../"}) {
        CHECK(find_program("prog", path).error == ENOENT);
    }
    const std::string good = directory / "sub";
    CHECK(find_program("prog", ":.:sub::" + good + ":").path == good + "/prog");
    CHECK(find_program("prog", good + "::").path == good + "/prog");
}

TEST_CASE("only regular files that may be executed are programs", "[process]") {
    const temporary_directory directory;
    directory.directory("a/prog");           // a directory
    directory.file("b/prog", script, false); // not executable
    REQUIRE(::mkfifo(((directory.directory("c")) + "/prog").c_str(), 0700) == 0);
    std::filesystem::create_symlink("nowhere", directory.directory("d") + "/prog");       // leads nowhere
    std::filesystem::create_symlink(directory / "a", directory.directory("e") + "/prog"); // leads to a directory
    directory.file("good/prog", script, true);
    std::filesystem::create_symlink(directory / "good/prog", directory.directory("link") + "/prog");

    std::string path;
    for (const char* each : {"a", "b", "c", "d", "e"}) path += (directory / each) + ":";
    CHECK(find_program("prog", path + (directory / "good")).path == directory / "good/prog");
    CHECK(find_program("prog", path + (directory / "link")).path == directory / "link/prog");
    CHECK(find_program("prog", path).error == EACCES); // one was there, and may not be executed
    CHECK(find_program("prog", directory / "a").error == ENOENT);
}

TEST_CASE("an entry of the path that is a file does not end the search", "[process]") {
    const temporary_directory directory;
    const std::string file = directory.file("file", "x", true);
    directory.file("good/prog", script, true);
    CHECK(find_program("prog", file + ":" + (directory / "good")).path == directory / "good/prog");
}

TEST_CASE("the path of a system that was told none has the usual programs", "[process]") {
    const std::string path = default_search_path();
    CHECK(path.starts_with('/'));
    CHECK(path.find('\0') == std::string::npos);
    CHECK(find_program("sh", path).error == 0);
}
