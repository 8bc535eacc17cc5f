// SPDX-License-Identifier: BSL-1.0
//
// Every example is run, and what it prints is checked.
#include <coproc.hpp>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>

#include "support/catch.hpp"
#include "support/gnu_make.hpp"
#include "support/resources.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

namespace {

std::string output_of(const std::string& example) {
    const nothing_leaks check;
    const auto talk = [](std::string path) -> task<result> {
        async_process process(command(path).in(stdio::null));
        co_return co_await process.communicate();
    };
    const result r = run(talk(std::string(COPROC_TEST_EXAMPLES) + "/" + example));
    CHECK(r.err.empty());
    CHECK(r.status.to_string() == "exited with code 0");
    return r.out;
}

std::multiset<std::string> lines_in(const std::string& text) {
    std::multiset<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        lines.insert(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

bool is_built(const std::string& example) {
    if (std::filesystem::exists(std::string(COPROC_TEST_EXAMPLES) + "/" + example)) return true;
    WARN(example << " is not built here, since what it needs is not installed");
    return false;
}

bool matches(const std::string& text, const std::string& pattern) {
    INFO(text);
    const bool matched = std::regex_match(text, std::regex(pattern));
    CHECK(matched);
    return matched;
}

} // namespace

TEST_CASE("quickstart streams and talks and loses patience", "[examples][process]") {
    const std::string facts = ", [0-9]+ us of CPU, at most [1-9][0-9]* KiB of memory\n";
    matches(output_of("quickstart"), "[1-9][0-9]* lines, the longest has [1-9][0-9]* characters\n"
                                     "  ls -l /usr/bin: exited with code 0" +
                                         facts +
                                         "6 \\* 7 = 42\n7 \\* 7 = 49\n8 \\* 7 = 56\n"
                                         "  sh: exited with code 0" +
                                         facts +
                                         "still running after 100 ms: stopped\n"
                                         "  sleep 60: killed by SIGTERM" +
                                         facts);
}

TEST_CASE("stream_lines prints each line under its stream's name", "[examples][process]") {
    const std::string out = output_of("stream_lines");
    CHECK(lines_in(out) == std::multiset<std::string>{"5 lines", "first: one", "first: three", "first: two",
                                                      "second: out", "second, stderr: err"});
    CHECK(out.find("first: one") < out.find("first: two"));
    CHECK(out.find("first: two") < out.find("first: three"));
}

TEST_CASE("interactive holds its dialogue", "[examples][process]") {
    CHECK(output_of("interactive") == "40 + 2 is 42\nthe name is coproc\nsh exited with code 0\n");
}

TEST_CASE("dialogue logs in to a prompt and drives it", "[examples][process]") {
    CHECK(output_of("dialogue") == "hatter: refused\nrabbit: let in\n"
                                   "it says: no such command: make tea\n"
                                   "timed out\n"
                                   "it exited with code 0\n");
}

TEST_CASE("terminal types on a screen and changes its size and interrupts it", "[examples][process][spawn_fork]") {
    CHECK(output_of("terminal") == "this is no terminal\n"
                                   "hello -> hello on 30 by 100\n"
                                   "hello -> hello on 50 by 132\n"
                                   "goodbye\n"
                                   "patience -> patience on 30 by 100\n"
                                   "killed by SIGINT\n");
}

TEST_CASE("bounded_run tells what keeps within its bounds and what does not", "[examples][process]") {
    CHECK(output_of("bounded_run") ==
          "echo hello: fine, 6 of 6 bytes\n"
          "cannot run \"/bin/sh -c 'echo working; sleep 60'\": not done after 300 ms, killed by SIGTERM: timed out\n"
          "/bin/sh -c 'yes | head -c 1000000': fine, 30 of 1000000 bytes\n"
          "cannot run \"/bin/sh -c 'echo '\\\\''disk full'\\\\'' >&2; exit 3'\": exited with code 3, "
          "stderr \"disk full\": not a success\n"
          "grep x /dev/null: fine, 0 of 0 bytes\n");
}

TEST_CASE("timeout_and_stop waits and gives up and stops", "[examples][process]") {
    CHECK(output_of("timeout_and_stop") == "sleep: still running, and nothing is lost by asking\n"
                                           "sleep: killed by SIGTERM\n"
                                           "cat: said nothing for 50 ms\n"
                                           "cat: here I am\n"
                                           "stubborn: killed by SIGKILL\n");
}

TEST_CASE("own_coroutine_type awaits a child in a foreign coroutine", "[examples][process]") {
    CHECK(output_of("own_coroutine_type") == "NO FRAMEWORK REQUIRED\ntr exited with code 0\n");
}

TEST_CASE("nested_loop is a guest that does not hold up its host", "[examples][process][native_handle]") {
    matches(output_of("nested_loop"), "(guest: waiting\n)*"
                                      "guest: sleep exited with code 0\n"
                                      "host: ticked all the while\n");
}

namespace {

// The child ends at the host's fifth tick, so a guest that held up its host would never be done.
const std::string as_a_guest = "guest: cat says hello\n"
                               "guest: cat exited with code 0\n"
                               "host: ([5-9]|[1-9][0-9]+) ticks\n";

} // namespace

TEST_CASE("embed_asio awaits a child while Asio ticks", "[examples][process][native_handle]") {
    if (is_built("embed_asio")) matches(output_of("embed_asio"), as_a_guest);
}

TEST_CASE("embed_glib awaits a child while GLib ticks", "[examples][process][native_handle]") {
    if (is_built("embed_glib")) matches(output_of("embed_glib"), as_a_guest);
}

TEST_CASE("embed_libuv awaits a child while libuv ticks", "[examples][process][native_handle]") {
    if (is_built("embed_libuv")) matches(output_of("embed_libuv"), as_a_guest);
}

TEST_CASE("embed_qt awaits a child while Qt ticks", "[examples][process][native_handle]") {
    if (is_built("embed_qt")) matches(output_of("embed_qt"), as_a_guest);
}

TEST_CASE("pipeline tells of every stage", "[examples][process]") {
    matches(output_of("pipeline"), " *3 kinds of fruit\none\ntwo\n"
                                   "yes \\| head -n 1\n"
                                   "  yes: killed by SIGPIPE\n"
                                   "  head -n 1: exited with code 0\n"
                                   "ls /no/such/directory \\| cat\n"
                                   "  ls /no/such/directory: exited with code [12]\n"
                                   "  cat: exited with code 0\n"
                                   "failed: stage 1\n"
                                   "out of time: sleep 60 \\| cat\n");
}

TEST_CASE("make_guest is nobody's guest where there is no make", "[examples][process]") {
    const variable none("MAKEFLAGS", nullptr);
    CHECK(output_of("make_guest") == "nothing to do\n");
}

TEST_CASE("json reads values and streams them and says what is wrong", "[examples][process]") {
    CHECK(output_of("json") == "sda: 18446744073709551615 bytes, 2 parts\n"
                               "sdb: 4096 bytes, 0 parts\n"
                               "{\"name\":\"sda\",\"size\":18446744073709551615,\"parts\":[\"/\",\"/home\",\"/srv\"]}\n"
                               "0.25\n"
                               "1000\n"
                               "line 4, load: it is \"high\"\n"
                               "expected a value at byte 16 of {\"disks\": [1, 2,]}\n");
}

TEST_CASE("nlohmann_json reads values of a library that knows nothing of us", "[examples][process][decoder]") {
    if (!is_built("nlohmann_json")) return;
    CHECK(output_of("nlohmann_json") == "\"sda\" has 512\n\"sdb\" has 2048\n"
                                        "level 1\n"
                                        "line 2 is no JSON at byte 10: {\"level\": \n"
                                        "level 2\n");
}

TEST_CASE("tail_logs merges two logs", "[examples][process]") {
    const std::string out = output_of("tail_logs");
    CHECK(lines_in(out) == std::multiset<std::string>{"database: started", "database: stopped", "database: upgraded",
                                                      "web: listening", "web: started"});
    CHECK(out.find("web: started") < out.find("web: listening"));
    CHECK(out.find("database: upgraded") < out.find("database: stopped"));
}

TEST_CASE("tail_logs follows files until it has seen enough or is interrupted", "[examples][process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string path = directory / "log";
    std::ofstream(path) << "first\nsecond\n";
    const auto follow = [](std::string most, std::string log) -> task<> {
        async_process tail(std::string(COPROC_TEST_EXAMPLES) + "/tail_logs", most, log);
        const auto first = co_await tail.read_line();
        CHECK(first == log + ": first");
        std::ofstream(log, std::ios::app) << "third\n"; // it is followed
        const auto second = co_await tail.read_line();
        const auto third = co_await tail.read_line();
        CHECK(second == log + ": second");
        CHECK(third == log + ": third");
        if (most != "3") tail.interrupt();
        const exit_status status = co_await tail.wait();
        CHECK(status.success());
    };
    run(follow("3", path));
    run(follow("100", path));
}

TEST_CASE("parallel_queue says how it is called", "[examples][process]") {
    CHECK(output_of("parallel_queue") ==
          "usage: parallel_queue DIRECTORY FILE...   puts FILE.gz into DIRECTORY\n"); // more in parallel_queue.test.cpp
}

TEST_CASE("every example is under 60 lines and is run here", "[examples]") {
    std::set<std::string> found;
    const std::filesystem::path root(COPROC_SOURCE_DIR);
    for (const auto& entry : std::filesystem::directory_iterator(root / "examples")) {
        if (entry.path().extension() != ".cpp") continue;
        std::ifstream file(entry.path());
        std::size_t count = 0;
        for (std::string line; std::getline(file, line);) ++count;
        INFO(entry.path());
        CHECK(count < 60);
        found.insert(entry.path().stem().string());
    }
    std::ifstream self(root / "tests/examples/examples.test.cpp");
    const std::string text{std::istreambuf_iterator<char>(self), {}};
    for (const std::string& name : found) {
        INFO(name);
        CHECK(text.find("output_of(\"" + name + "\")") != std::string::npos);
    }
}
