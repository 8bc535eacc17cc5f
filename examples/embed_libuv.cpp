// SPDX-License-Identifier: BSL-1.0
//
// coproc in a libuv program: uv_poll_t watches the descriptor of coproc's loop, and has it polled when there is
// something to do.
#include <coproc.hpp>

#include <uv.h>

#include <iostream>

using namespace coproc;

task<> guest(async_process& child, uv_loop_t& host) {
    const scope_exit at_the_end([&] { uv_stop(&host); });
    co_await child.write_stdin("hello\n");
    std::cout << "guest: cat says " << (co_await child.read_line()).value_or("nothing") << '\n';
    std::cout << "guest: cat " << (co_await child.wait()).to_string() << '\n';
}

// What libuv calls may not throw: C is between.

void serve(uv_poll_t* watched, int, int) noexcept { static_cast<event_loop*>(watched->data)->poll(); }

struct clockwork : uv_timer_t {
    async_process* child;
    int ticks = 0;
};

void tick(uv_timer_t* timer) noexcept {
    auto& mine = *static_cast<clockwork*>(timer);
    if (++mine.ticks == 5) mine.child->close_stdin();
}

int main() {
    uv_loop_t host;
    uv_loop_init(&host);
    event_loop loop;
    async_process child("cat");
    task_group group;
    group.start(guest(child, host)); // runs up to where it first waits

    uv_poll_t watched;
    uv_poll_init(&host, &watched, loop.native_handle());
    watched.data = &loop;
    uv_poll_start(&watched, UV_READABLE, serve);
    clockwork timer{{}, &child};
    uv_timer_init(&host, &timer);
    uv_timer_start(&timer, tick, 10, 10);
    uv_run(&host, UV_RUN_DEFAULT);

    uv_walk(
        &host, [](uv_handle_t* handle, void*) { uv_close(handle, nullptr); }, nullptr);
    uv_run(&host, UV_RUN_DEFAULT);
    uv_loop_close(&host);   // before the loop goes, whose descriptor it watched
    loop.run(group.join()); // throws what the guest has thrown
    std::cout << "host: " << timer.ticks << " ticks\n";
}
