// SPDX-License-Identifier: BSL-1.0
//
// Several logs at once, each line under its log's name as it comes: tail_logs [MOST FILE...]. Until all end, MOST lines
// were seen, or control and C are typed.
#include <coproc.hpp>

#include <unistd.h>

#include <csignal>
#include <iostream>

using namespace coproc;

struct source {
    std::string name;
    command writer;
};
struct enough {};

// Parameters, not captures: they live in the coroutine as long as it does, and so does the child.
task<> follow(source log, std::size_t& left) {
    async_process writer = co_await start(log.writer);
    while (auto line = co_await writer.read_line()) {
        std::cout << log.name << ": " << *line << std::endl;
        if (--left == 0) throw enough();
    }
}

task<> follow_all(const std::vector<source>& logs, std::size_t most) {
    task_group all; // who leaves it cancels those that still wait, which kills their children
    for (const source& each : logs) all.start(follow(each, most));
    try {
        co_await all.join();
    } catch (const enough&) {
    }
}

int interrupts[2]; // so that a signal is one more stream to wait for

task<int> app(const std::vector<source>& logs, std::size_t most) {
    if (::pipe(interrupts) != 0) co_return 1;
    std::signal(SIGINT, [](int) { static_cast<void>(!::write(interrupts[1], "!", 1)); });
    stream_reader interrupted{unique_fd(interrupts[0])};
    co_await when_any(follow_all(logs, most), interrupted.read(1));
    co_return 0;
}

int main(int argc, char** argv) {
    std::vector<source> logs;
    for (int i = 2; i < argc; ++i) logs.push_back({argv[i], command("tail", "-n", "+1", "-F", argv[i])});
    if (argc == 1) {
        logs.push_back({"web", command("printf", "%s\\n", "started", "listening")});
        logs.push_back({"database", command("printf", "%s\\n", "started", "upgraded", "stopped")});
    }
    return run(app(logs, argc > 1 ? std::stoul(argv[1]) : std::string::npos));
}
