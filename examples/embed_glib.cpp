// SPDX-License-Identifier: BSL-1.0
//
// coproc in a GLib program, thus in GTK and GStreamer, too: GMainLoop watches the descriptor of coproc's loop, and has
// it polled when there is something to do.
#include <coproc.hpp>

#include <glib-unix.h>

#include <iostream>

using namespace coproc;

task<> guest(async_process& child, GMainLoop* host) {
    const scope_exit at_the_end([&] { g_main_loop_quit(host); });
    co_await child.write_stdin("hello\n");
    std::cout << "guest: cat says " << (co_await child.read_line()).value_or("nothing") << '\n';
    std::cout << "guest: cat " << (co_await child.wait()).to_string() << '\n';
}

// What GLib calls may not throw: C is between.

gboolean serve(int, GIOCondition, void* loop) noexcept {
    static_cast<event_loop*>(loop)->poll();
    return G_SOURCE_CONTINUE;
}

struct clockwork {
    async_process& child;
    int ticks = 0;
};

gboolean tick(void* data) noexcept {
    auto& mine = *static_cast<clockwork*>(data);
    if (++mine.ticks == 5) mine.child.close_stdin();
    return G_SOURCE_CONTINUE;
}

int main() {
    GMainLoop* const host = g_main_loop_new(nullptr, FALSE);
    event_loop loop;
    async_process child("cat");
    task_group group;
    group.start(guest(child, host)); // runs up to where it first waits

    clockwork mine{child};
    const guint watch = g_unix_fd_add(loop.native_handle(), G_IO_IN, serve, &loop);
    const guint timer = g_timeout_add(10, tick, &mine);
    g_main_loop_run(host);

    g_source_remove(timer);
    g_source_remove(watch); // before the loop goes, whose descriptor it is
    g_main_loop_unref(host);
    loop.run(group.join()); // throws what the guest has thrown
    std::cout << "host: " << mine.ticks << " ticks\n";
}
