// SPDX-License-Identifier: BSL-1.0
//
// The files of the public JSONTestSuite, where COPROC_JSON_TEST_SUITE names the folder that has them: y_ is JSON, n_ is
// none, and of i_ either may be said.
#include <coproc/data/json.hpp>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "support/catch.hpp"

namespace {

bool is_json(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    try {
        const coproc::json value = coproc::json::parse(text);
        return value == coproc::json::parse(value.dump()); // and what is written is read again
    } catch (const coproc::decode_error&) {
        return false;
    }
}

} // namespace

TEST_CASE("the files of the public test suite of json are decided right", "[data][json]") {
    const char* const folder = std::getenv("COPROC_JSON_TEST_SUITE");
    if (folder == nullptr) {
        WARN("skipped: COPROC_JSON_TEST_SUITE names no folder");
        return;
    }
    std::size_t good = 0;
    std::size_t bad = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        INFO(name);
        const bool taken = is_json(entry.path());
        if (name.rfind("y_", 0) == 0) {
            ++good;
            CHECK(taken);
        } else if (name.rfind("n_", 0) == 0) {
            ++bad;
            CHECK_FALSE(taken);
        }
    }
    CHECK(good > 90);
    CHECK(bad > 180);
}
