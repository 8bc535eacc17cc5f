// SPDX-License-Identifier: BSL-1.0
//
// The README's code is compiled code, and its commands are those that CI runs.
#include <regex>
#include <string>
#include <vector>

#include "architecture/source_tree.hpp"
#include "support/catch.hpp"

namespace {

struct code_block {
    std::string language;
    std::string source; // of the comment `<!-- examples/x.cpp -->` in the line before, if there is one
    std::string text;
};

std::vector<code_block> code_blocks(const std::filesystem::path& markdown) {
    static const std::regex named("<!-- (\\S+) -->");
    std::vector<code_block> blocks;
    std::string before;
    bool inside = false;
    for (const std::string& line : source_tree::lines(markdown)) {
        if (line.rfind("```", 0) == 0) {
            inside = !inside;
            if (!inside) continue;
            std::smatch match;
            blocks.push_back({line.substr(3), std::regex_match(before, match, named) ? match[1].str() : "", ""});
        } else if (inside) {
            blocks.back().text += line + "\n";
        }
        before = line;
    }
    return blocks;
}

} // namespace

TEST_CASE("each C++ block of the README is a part of the example it names", "[architecture]") {
    std::size_t checked = 0;
    for (const code_block& block : code_blocks(source_tree::root() / "README.md")) {
        if (block.language != "cpp") continue;
        INFO(block.text);
        REQUIRE_FALSE(block.source.empty());
        const std::string example = source_tree::read(source_tree::root() / block.source);
        CHECK(example.find(block.text) != std::string::npos);
        ++checked;
    }
    CHECK(checked > 0);
}

TEST_CASE("CI runs the test command of the README as it stands", "[architecture]") {
    const std::string ci = source_tree::read(source_tree::root() / ".ci/run");
    CHECK(ci.find("run_readme tests") != std::string::npos);
    CHECK(ci.find("run_readme demo") != std::string::npos);
    std::size_t commands = 0;
    for (const code_block& block : code_blocks(source_tree::root() / "README.md")) {
        if (block.source == "demo" || block.source == "tests") ++commands;
    }
    CHECK(commands == 2);
}

TEST_CASE("each example is mentioned in the README", "[architecture]") {
    const std::string readme = source_tree::read(source_tree::root() / "README.md");
    for (const auto& example : source_tree::files("examples", {".cpp"})) {
        INFO(example);
        CHECK(readme.find("examples/" + example.filename().string()) != std::string::npos);
    }
}
