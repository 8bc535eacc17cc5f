// SPDX-License-Identifier: BSL-1.0
//
// tests/README.md is a checklist of behaviours. Here it is held against the tests: no line is missing, and no test that
// a line names is.
#include <cctype>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "architecture/source_tree.hpp"
#include "support/catch.hpp"

namespace {

// Each group, and the number of its last line.
const std::map<char, int>& groups() {
    static const std::map<char, int> last{{'A', 23}, {'B', 21}, {'C', 19}, {'D', 14}, {'E', 30}, {'F', 19}, {'G', 25},
                                          {'H', 14}, {'I', 5},  {'J', 12}, {'K', 11}, {'L', 5},  {'M', 7},  {'N', 8}};
    return last;
}

std::set<std::string> expected_ids() {
    std::set<std::string> ids;
    for (const auto& [group, last] : groups()) {
        for (int number = 1; number <= last; ++number) {
            std::string id(1, group);
            if (number < 10) id += '0';
            id += std::to_string(number);
            ids.insert(id);
        }
    }
    return ids;
}

struct row {
    std::string id, behaviour, held_by;
};

// The lines `| A01 | … | … |`.
std::vector<row> rows() {
    static const std::regex shape(R"(\| ([A-Z]\d\d) \| (.+?) \| (.+) \|)");
    std::vector<row> found;
    for (const std::string& line : source_tree::lines(source_tree::root() / "tests/README.md")) {
        std::smatch match;
        if (std::regex_match(line, match, shape)) found.push_back({match[1], match[2], match[3]});
        else if (line.size() > 3 && line.starts_with("| ") && std::isdigit(static_cast<unsigned char>(line[3])) != 0) {
            FAIL_CHECK("no row: " << line);
        }
    }
    return found;
}

std::vector<std::string> in_backquotes(const std::string& text) {
    static const std::regex quoted("`([^`]*)`");
    std::vector<std::string> found;
    for (std::sregex_iterator at(text.begin(), text.end(), quoted), end; at != end; ++at) found.push_back((*at)[1]);
    return found;
}

std::set<std::string> names_of_tests() {
    static const std::regex name(R"rx(TEST_CASE(?:_METHOD\(\s*\w+,|\()\s*"([^"]+)")rx");
    std::set<std::string> names;
    for (const auto& file : source_tree::files("tests", {".cpp"})) {
        const std::string text = source_tree::read(file);
        for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at) names.insert((*at)[1]);
    }
    return names;
}

} // namespace

TEST_CASE("the checklist has one row for each of its lines", "[architecture]") {
    const std::set<std::string> expected = expected_ids();
    CHECK(expected.size() == 213);
    std::map<std::string, int> seen;
    for (const row& r : rows()) ++seen[r.id];
    for (const std::string& id : expected) {
        INFO(id);
        CHECK(seen[id] == 1);
    }
    for (const auto& [id, count] : seen) {
        INFO(id);
        CHECK(expected.count(id) == 1);
    }
}

TEST_CASE("each row of the checklist names a test or a reason", "[architecture]") {
    static const std::regex reason("(does not apply|not yet|held by tests/[\\w/.]+): .{10,}");
    static const std::regex tests("`[^`]+`(, `[^`]+`)*([;:] .+)?");
    for (const row& r : rows()) {
        INFO(r.id << ": " << r.held_by);
        CHECK((std::regex_match(r.held_by, reason) || std::regex_match(r.held_by, tests)));
        if (!r.held_by.starts_with("held by ")) continue;
        const std::string path = r.held_by.substr(8, r.held_by.find(':') - 8);
        CHECK(std::filesystem::exists(source_tree::root() / path));
    }
}

TEST_CASE("each test that the checklist names is there", "[architecture]") {
    const std::set<std::string> names = names_of_tests();
    CHECK(names.size() > 600); // the test itself reads something
    for (const row& r : rows()) {
        for (const std::string& name : in_backquotes(r.held_by)) {
            INFO(r.id << ": " << name);
            CHECK(names.count(name) == 1);
        }
    }
}
