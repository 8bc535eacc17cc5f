// SPDX-License-Identifier: BSL-1.0
//
// coproc as a guest: its loop inside a plain poll(2) loop, which goes on with its own work meanwhile. The same
// descriptor goes into Asio, GLib, Qt or libuv.
#include <coproc.hpp>

#include <poll.h>

#include <iostream>

using namespace coproc;
using namespace std::chrono_literals;

task<> guest(bool& done) {
    async_process sleeper("sleep", "0.2");
    while (!co_await sleeper.wait(50ms)) std::cout << "guest: waiting" << std::endl;
    std::cout << "guest: sleep " << sleeper.status()->to_string() << std::endl;
    done = true;
}

int main() {
    event_loop loop;
    bool done = false;
    task_group group;
    group.start(guest(done)); // runs up to where it first waits

    int ticks = 0;
    pollfd descriptors[] = {{loop.native_handle(), POLLIN, 0}};
    while (!done) {
        const int ready = ::poll(descriptors, 1, 10); // the host's own timer: 10 ms
        if (ready > 0) loop.poll();                   // the guest has something to do, timers included
        else ++ticks;
    }
    std::cout << "host: " << (ticks >= 5 ? "ticked all the while" : "was held up") << '\n';
}
