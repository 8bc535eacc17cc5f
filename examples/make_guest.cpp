// SPDX-License-Identifier: BSL-1.0
//
// Runs its arguments, each a command line, as many at once as the -j of a make allows that has started it:
//
//     objects:
//             +make_guest "cc -c a.c" "cc -c b.c" "cc -c c.c"
#include <coproc.hpp>
#include <coproc/jobs/command_queue.hpp>
#include <coproc/jobs/make_slots.hpp>

#include <iostream>
#include <optional>
#include <string>
#include <vector>

using namespace coproc;

task<int> app(std::vector<std::string> lines) {
    make_slots slots; // what MAKEFLAGS says
    if (!slots.problem().empty()) std::cerr << "make_guest: " << slots.problem() << '\n';

    command_queue queue(slots.limited() ? lines.size() : 4); // make knows better than we do
    queue.slots_from(slots);
    for (const std::string& line : lines) {
        // Lent the slots, too: the command may be a make, or a guest of make as we are.
        queue.queue(slots.lend(slots.dry_run() ? command("echo", line) : command::parse(line)));
    }

    int code = 0;
    while (std::optional<job_result> done = co_await queue.next()) {
        std::cout << done->out;
        std::cerr << done->err;
        if (*done) continue;
        std::cerr << "make_guest: " << done->name << ": " << done->reason << '\n';
        code = 1;
    }
    co_return code;
}

int main(int argc, char** argv) {
    std::vector<std::string> lines(argv + 1, argv + argc);
    if (lines.empty()) lines = {"echo nothing to do"};
    return run(app(std::move(lines)));
}
