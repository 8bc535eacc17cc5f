// SPDX-License-Identifier: BSL-1.0
//
// JSON of a child: all of it as one value, one value a line while it goes on, and what is said of what is none.
#include <coproc.hpp>
#include <coproc/jobs/read_json.hpp>

#include <iostream>

using namespace coproc;

// The other side: this very program, started with an argument. It could be lsblk -J, ip -j, docker, or jq.
int reporter(std::string_view what) {
    if (what == "disks")
        std::cout << R"({"disks": [{"name": "sda", "size": 18446744073709551615, "parts": ["/", "/home"]},
                                                    {"name": "sdb", "size": 4096, "parts": []}]})";
    if (what == "events") std::cout << "{\"load\": 0.25}\n{\"load\": 1e3}\n\n{\"load\": \"high\"}\n";
    if (what == "broken") std::cout << "{\"disks\": [1, 2,]}\n";
    return 0;
}

task<> app(const char* self) {
    async_process disks(self, "disks");
    json report = co_await read_json(disks);
    for (const json& disk : report.at("disks").as_array()) {
        std::cout << disk.get<std::string>("name") << ": " << disk.get<std::uint64_t>("size") << " bytes, "
                  << disk.at("parts").size() << " parts\n";
    }
    report["disks"][0]["parts"].push_back("/srv"); // a value like any other
    std::cout << report["disks"][0].dump() << '\n';

    async_process events(self, "events");
    json_stream each = stream_json(events); // blank lines are passed over
    try {
        while (auto event = co_await each.next()) std::cout << event->get<double>("load") << '\n';
    } catch (const json_error& e) {
        std::cout << "line " << each.line() << ", " << e.path() << ": " << e.problem() << '\n';
    }

    async_process broken(self, "broken");
    try {
        static_cast<void>(co_await read_json(broken));
    } catch (const decode_error& e) { // e.what() has all that and the command line
        std::cout << e.problem() << " at byte " << e.offset() << " of " << e.excerpt();
    }
}

int main(int argc, char** argv) {
    if (argc > 1) return reporter(argv[1]);
    run(app(argv[0]));
}
