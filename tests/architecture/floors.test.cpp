// SPDX-License-Identifier: BSL-1.0
//
// The plan of the house, held against the #include lines.
#include <map>
#include <regex>
#include <set>
#include <string>

#include "architecture/source_tree.hpp"
#include "support/catch.hpp"

namespace {

// Each floor, and the floors below it that it may use.
const std::map<std::string, std::set<std::string>>& plan() {
    static const std::map<std::string, std::set<std::string>> floors{
        {"core", {}},
        {"platform", {"core"}},
        {"coro", {"core"}},
        {"loop", {"core", "platform", "coro"}},
        {"io", {"core", "platform", "coro", "loop"}},
        {"data", {"core"}},
        {"process", {"core", "platform", "coro", "loop", "io", "data"}},
        {"jobs", {"core", "platform", "coro", "loop", "io", "data", "process"}},
    };
    return floors;
}

std::string floor_of(const std::filesystem::path& header) { return header.parent_path().filename().string(); }

// The paths of its own project that a header includes, normalised.
std::vector<std::filesystem::path> own_includes(const std::filesystem::path& header) {
    static const std::regex include("\\s*#\\s*include\\s+\"([^\"]+)\".*");
    std::vector<std::filesystem::path> found;
    for (const std::string& line : source_tree::lines(header)) {
        std::smatch match;
        if (std::regex_match(line, match, include)) {
            found.push_back((header.parent_path() / match[1].str()).lexically_normal());
        }
    }
    return found;
}

// Those that are not everyday, or that take longer to compile than all others: who needs one includes it.
bool is_on_its_own(const std::filesystem::path& header) {
    static const std::set<std::string> names{
        // clang-format off
        "expect_regex.hpp",
        "makeflags.hpp", "make_server.hpp", "make_slots.hpp", "token_slots.hpp",
        "json.hpp", "json_number.hpp", "json_parser.hpp", "json_value.hpp", "json_writer.hpp", "read_json.hpp",
        // clang-format on
    };
    return names.count(header.filename().string()) == 1;
}

} // namespace

TEST_CASE("a floor includes only the floors below it", "[architecture]") {
    std::size_t checked = 0;
    for (const auto& header : source_tree::files("include/coproc", {".hpp"})) {
        INFO(header);
        const std::string here = floor_of(header);
        REQUIRE(plan().count(here) == 1);
        for (const auto& included : own_includes(header)) {
            INFO("includes " << included);
            CHECK(std::filesystem::exists(included));
            const std::string there = floor_of(included);
            CHECK((there == here || plan().at(here).count(there) == 1));
            ++checked;
        }
    }
    CHECK(checked > 50); // the test itself reads something
}

TEST_CASE("no header includes itself by way of others", "[architecture]") {
    std::map<std::filesystem::path, int> state; // 1 on the way, 2 done
    std::function<void(const std::filesystem::path&)> visit = [&](const std::filesystem::path& header) {
        if (state[header] == 2) return;
        INFO(header);
        REQUIRE(state[header] == 0);
        state[header] = 1;
        for (const auto& included : own_includes(header)) visit(included);
        state[header] = 2;
    };
    for (const auto& header : source_tree::files("include/coproc", {".hpp"})) visit(header);
}

TEST_CASE("only platform knows what system this is", "[architecture]") {
    static const std::regex conditional("\\s*#\\s*(if|ifdef|ifndef|elif|else)\\b.*");
    for (const auto& header : source_tree::files("include", {".hpp"})) {
        if (floor_of(header) == "platform") continue;
        for (const std::string& line : source_tree::lines(header)) {
            INFO(header << ": " << line);
            CHECK_FALSE(std::regex_match(line, conditional));
        }
    }
}

TEST_CASE("the umbrella names every header that a user may include but those on their own", "[architecture]") {
    const std::string umbrella = source_tree::read(source_tree::root() / "include/coproc.hpp");
    std::string reached; // what the umbrella names, and what those include
    std::set<std::filesystem::path> seen;
    std::function<void(const std::filesystem::path&)> visit = [&](const std::filesystem::path& header) {
        if (!seen.insert(header).second) return;
        for (const auto& included : own_includes(header)) visit(included);
    };
    visit(source_tree::root() / "include/coproc.hpp");
    for (const auto& header : source_tree::files("include/coproc", {".hpp"})) {
        if (floor_of(header) == "platform") continue; // those of other systems are not reached
        INFO(header);
        CHECK(seen.count(header) == (is_on_its_own(header) ? 0 : 1));
    }
}

TEST_CASE("a header begins as all do and stays within 120 columns", "[architecture]") {
    for (const auto& header : source_tree::files("include", {".hpp"})) {
        INFO(header);
        const std::vector<std::string> lines = source_tree::lines(header);
        REQUIRE(lines.size() > 4);
        CHECK(lines[0] == "#pragma once");
        CHECK(lines[1] == "// SPDX-License-Identifier: BSL-1.0");
        CHECK(lines[2] == "//");
        for (const std::string& line : lines) {
            INFO(line);
            // Bytes that continue a UTF-8 character take no column.
            const auto columns = std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
            CHECK(columns <= 120);
        }
    }
}

TEST_CASE("headers use no names that C takes as macros", "[architecture]") {
    static const std::regex standard_stream("[^\\w\"'`](stdin|stdout|stderr)\\s*[(;={]");
    for (const auto& header : source_tree::files("include", {".hpp"})) {
        for (std::string line : source_tree::lines(header)) {
            line = line.substr(0, line.find("//"));
            INFO(header << ": " << line);
            CHECK_FALSE(std::regex_search(line, standard_stream));
        }
    }
}

// A host that includes Qt first has these as macros, unless it asks for none.
TEST_CASE("headers use no names that Qt takes as macros", "[architecture]") {
    static const std::regex keyword("\\b(signals|slots|emit|foreach|forever)\\b");
    static const std::regex literal("\"[^\"]*\"");
    for (const auto& header : source_tree::files("include", {".hpp"})) {
        for (std::string line : source_tree::lines(header)) {
            line = std::regex_replace(line.substr(0, line.find("//")), literal, "");
            INFO(header << ": " << line);
            CHECK_FALSE(std::regex_search(line, keyword));
        }
    }
}

TEST_CASE("headers use only the standard library and the system", "[architecture]") {
    static const std::regex include("\\s*#\\s*include\\s+<([^>]+)>.*");
    static const std::regex foreign("(boost|fmt|asio|catch2|nlohmann|gtest|uv)[./].*");
    for (const auto& header : source_tree::files("include", {".hpp"})) {
        for (const std::string& line : source_tree::lines(header)) {
            std::smatch match;
            if (!std::regex_match(line, match, include)) continue;
            INFO(header << ": " << line);
            CHECK_FALSE(std::regex_match(match[1].str(), foreign));
            CHECK(match[1].str() != "ranges"); // clang 14 cannot compile libstdc++'s (LLVM 44178)
            CHECK(match[1].str() != "source_location");
        }
    }
}

// What a loop writes is its own, so loops in several threads do not hold each other up. What they share is written
// once: the way of starting children, the way of writing, and the number of forks, which changes in a fork alone.
TEST_CASE("headers have no lock and no variable that loops in two threads write", "[architecture]") {
    static const std::regex lock("mutex|call_once|once_flag|condition_variable|semaphore|barrier|latch|spin");
    static const std::regex of_the_process(
        "\\s*(static|inline|extern|static inline|inline static) (?!constexpr|const |thread_local)"
        "[\\w:<>*& ]+ (\\w+)(\\{.*\\}| = .*)?;.*");
    std::set<std::string> found;
    for (const auto& header : source_tree::files("include", {".hpp"})) {
        for (std::string line : source_tree::lines(header)) {
            line = line.substr(0, line.find("//"));
            INFO(header << ": " << line);
            CHECK_FALSE(std::regex_search(line, lock));
            std::smatch match;
            if (std::regex_match(line, match, of_the_process)) found.insert(match[2]);
        }
    }
    CHECK(found == std::set<std::string>{"forks", "known", "nosignal_refused"});
}

// What including coproc costs is paid in each of the user's files. These cost more than they give here: measured with
// GCC 12 at -O2, a std::map or std::variant that is copied takes a tenth of a second for each of its types.
TEST_CASE("headers include no standard header that is slow to compile for what it gives", "[architecture]") {
    static const std::regex include("\\s*#\\s*include\\s+<([^>]+)>.*");
    static const std::set<std::string> slow{"cmath",         "condition_variable",
                                            "deque",         "filesystem",
                                            "format",        "fstream",
                                            "functional",    "future",
                                            "iomanip",       "iostream",
                                            "istream",       "list",
                                            "locale",        "map",
                                            "mutex",         "numeric",
                                            "ostream",       "random",
                                            "regex",         "set",
                                            "sstream",       "thread",
                                            "unordered_map", "unordered_set"};
    for (const auto& header : source_tree::files("include", {".hpp"})) {
        for (const std::string& line : source_tree::lines(header)) {
            std::smatch match;
            if (!std::regex_match(line, match, include)) continue;
            INFO(header << ": " << line);
            CHECK((slow.count(match[1]) == 0 || is_on_its_own(header)));
            // Only for what it is part of the result of.
            if (match[1] == "variant") CHECK(header.filename() == "when_any.hpp");
        }
    }
}
