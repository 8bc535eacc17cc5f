// SPDX-License-Identifier: BSL-1.0
//
// Commands within bounds: so long, so much output, these exit codes; and what is known of those that break them.
#include <coproc.hpp>

#include <iostream>

using namespace coproc;
using namespace std::chrono_literals;

task<> tell(command what) {
    try {
        async_process child(what);
        const result r = (co_await child.communicate()).check();
        std::cout << r.command_line << ": fine, " << r.out.size() << " of " << r.out_bytes << " bytes\n";
    } catch (const process_error& e) { // it has been reaped, and e.result() has all that was captured
        std::cout << e.what() << '\n';
    }
}

task<> app() {
    co_await tell(command("echo", "hello").timeout(30s));

    // Its own group, so that not only the shell is stopped but all that it has started.
    co_await tell(shell("echo working; sleep 60").timeout(300ms).new_process_group());

    co_await tell(shell("yes | head -c 1000000").capture(capture::head_tail(10, 20)));
    co_await tell(shell("echo 'disk full' >&2; exit 3"));
    co_await tell(command("grep", "x", "/dev/null").ok_codes(0, 1)); // 1: nothing found
}

int main() { run(app()); }
