// SPDX-License-Identifier: BSL-1.0
//
// Many files compressed, as many at once as there are processors: on a terminal with a line that tells how it gets on,
// and in the end with the list of what became of each.
#include <coproc.hpp>

#include <chrono>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

using namespace coproc;

long long ms(std::chrono::nanoseconds time) { return time / std::chrono::milliseconds(1); }

void print(const job_result& r) {
    std::cout << std::left << std::setw(24) << r.name << ' ' << (r ? r.status.to_string() : r.reason) << ", "
              << ms(r.elapsed) << " ms, " << ms(r.usage.cpu_time()) << " ms of CPU\n";
}

task<int> compress(std::string directory, std::vector<std::string> files) {
    command_queue q;
    for (const std::string& file : files) {
        const std::string name = file.substr(file.rfind('/') + 1);
        const std::string packed = std::string(directory).append("/").append(name).append(".gz");
        q.queue(command("gzip", "-9nc", "--", file).out(stdio::file(packed))).named(name);
    }
    q.on_progress(progress_bar()); // on stderr; plain lines where that is no terminal
    const job_results all = co_await q.execute_all();

    int failed = 0;
    for (const job_result& r : all) {
        print(r);
        if (!r) ++failed;
    }
    std::cout << all.size() << " files, " << failed << " failed\n";
    co_return failed == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
    if (argc < 3) {
        std::cout << "usage: parallel_queue DIRECTORY FILE...   puts FILE.gz into DIRECTORY\n";
        return 0;
    }
    return run(compress(argv[1], std::vector<std::string>(argv + 2, argv + argc)));
}
