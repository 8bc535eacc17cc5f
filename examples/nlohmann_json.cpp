// SPDX-License-Identifier: BSL-1.0
//
// JSON by nlohmann's library, which needs no adapter: whatever has a static parse is read as it is. Built where that
// library is found (Debian: nlohmann-json3-dev).
#include <coproc.hpp>

#include <iostream>

#include <nlohmann/json.hpp>

using namespace coproc;
using nlohmann::json;

task<int> app() {
    command disks("echo", R"({"disks": [{"name": "sda", "size": 512}, {"name": "sdb", "size": 2048}]})");
    const auto all = co_await output_as<json>(disks); // exit_error if it has failed, decode_error if that is no JSON
    for (const json& disk : all["disks"]) std::cout << disk["name"] << " has " << disk["size"] << '\n';

    async_process log("printf", "%s\\n", R"({"level": 1, "text": "hello"})", R"({"level": )", R"({"level": 2})");
    auto events = log.stream_as<json>(); // a value a line
    for (bool more = true; more;) {
        try {
            const auto event = co_await events.next();
            more = event.has_value();
            if (more) std::cout << "level " << (*event)["level"] << '\n';
        } catch (const decode_error& e) { // with the library's own error nested in it; the next line is still there
            std::cout << "line " << e.line() << " is no JSON at byte " << e.offset() << ": " << e.excerpt() << '\n';
        }
    }
    co_return 0;
}

int main() { return run(app()); }
