// SPDX-License-Identifier: BSL-1.0
//
// parallel_queue compresses real files, tells each of them, and shows a line on a terminal.
#include <coproc.hpp>

#include <cstddef>
#include <regex>
#include <string>
#include <vector>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

namespace {

command parallel_queue(const std::vector<std::string>& words) {
    command c(std::string(COPROC_TEST_EXAMPLES) + "/parallel_queue");
    for (const std::string& word : words) c.arg(word);
    return c.unchecked();
}

task<result> all_of(command c) {
    async_process process(c.in(stdio::null));
    co_return co_await process.communicate();
}

std::vector<std::string> five_files_in(const temporary_directory& directory) {
    std::vector<std::string> words{directory.path().string()};
    for (const char* const name : {"one", "two", "three", "four", "five"}) {
        words.push_back(directory.file(name, alphabet(100000) + name));
    }
    return words;
}

} // namespace

TEST_CASE("parallel_queue compresses files and tells what became of each", "[examples][process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    std::vector<std::string> words = five_files_in(directory);
    words.insert(words.begin() + 3, directory / "missing");
    const result r = run_in_time(all_of(parallel_queue(words)));
    CHECK(r.status.to_string() == "exited with code 1");
    std::string pattern;
    for (const char* const name : {"one", "two", "missing", "three", "four", "five"}) {
        const bool missing = std::string(name) == "missing";
        pattern += std::string(name) + " +exited with code " + (missing ? "1" : "0") + ", \\d+ ms, \\d+ ms of CPU\n";
    }
    INFO(r.out);
    CHECK(std::regex_match(r.out, std::regex(pattern + "6 files, 1 failed\n")));

    // A line for each on stderr, as they have ended, and a sum.
    const std::vector<std::string> log = pieces(r.err, '\n');
    INFO(r.err);
    CHECK(log.size() == 7);
    CHECK(r.err.find("] FAILED missing: exited with code 1 (") != std::string::npos);
    CHECK(r.err.find("] ok five (") != std::string::npos);
    CHECK(std::regex_match(log.back(), std::regex("6/6 done, 1 failed, in \\d.*")));

    const command unpack = command("gzip", "-dc", directory / "one.gz", directory / "five.gz");
    CHECK(run_in_time(all_of(unpack)).out == alphabet(100000) + "one" + alphabet(100000) + "five");
}

TEST_CASE("parallel_queue draws its line in place on a terminal", "[examples][process]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const command c = parallel_queue(five_files_in(directory)).pty(24, 79).env("TERM", "xterm");
    const result r = run_in_time(all_of(c));
    CHECK(r.status.success());
    INFO(r.out);
    // How many run by then, the machine decides.
    CHECK(std::regex_search(r.out, std::regex("^\r\\[[^\\]]{10}\\] [0-4]/5, [1-5] running: [a-z, ]+\x1b\\[K\r")));
    CHECK(std::regex_search(r.out, std::regex("\r5/5 done, in \\d+\\.\\d s\x1b\\[K\r\none ")));
    CHECK(r.out.ends_with("5 files, 0 failed\r\n"));
}
