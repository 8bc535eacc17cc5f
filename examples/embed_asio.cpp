// SPDX-License-Identifier: BSL-1.0
//
// coproc in an Asio program: io_context waits for the descriptor of coproc's loop as for any other, and has it polled
// when there is something to do. Boost.Asio is the same, in namespace boost.
#include <coproc.hpp>

#include <asio.hpp>

#include <iostream>

using namespace coproc;
using namespace std::chrono_literals;

task<> guest(async_process& child, asio::io_context& host) {
    const scope_exit at_the_end([&] { host.stop(); });
    co_await child.write_stdin("hello\n");
    std::cout << "guest: cat says " << (co_await child.read_line()).value_or("nothing") << '\n';
    std::cout << "guest: cat " << (co_await child.wait()).to_string() << '\n';
}

// One wait of Asio's is for one event.
void serve(event_loop& loop, asio::posix::stream_descriptor& watched) {
    watched.async_wait(watched.wait_read, [&](asio::error_code failed) {
        if (failed) return;
        loop.poll();
        serve(loop, watched);
    });
}

void tick(asio::steady_timer& timer, async_process& child, int& ticks) {
    timer.expires_after(10ms);
    timer.async_wait([&](asio::error_code failed) {
        if (failed) return;
        if (++ticks == 5) child.close_stdin();
        tick(timer, child, ticks);
    });
}

int main() {
    asio::io_context host;
    event_loop loop;
    async_process child("cat");
    task_group group;
    group.start(guest(child, host)); // runs up to where it first waits

    asio::posix::stream_descriptor watched(host, loop.native_handle());
    serve(loop, watched);
    int ticks = 0;
    asio::steady_timer timer(host);
    tick(timer, child, ticks);
    host.run();

    watched.release();      // it belongs to the loop
    loop.run(group.join()); // throws what the guest has thrown
    std::cout << "host: " << ticks << " ticks\n";
}
