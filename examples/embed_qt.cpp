// SPDX-License-Identifier: BSL-1.0
//
// coproc in a Qt program: a QSocketNotifier watches the descriptor of coproc's loop, and has it polled when there is
// something to do. No thread, no moc, and Qt's keywords need not be turned off.
#include <QCoreApplication>
#include <QSocketNotifier>
#include <QTimer>

#include <coproc.hpp>

#include <iostream>

using namespace coproc;

task<> guest(async_process& child) {
    const scope_exit at_the_end([] { QCoreApplication::quit(); });
    co_await child.write_stdin("hello\n");
    std::cout << "guest: cat says " << (co_await child.read_line()).value_or("nothing") << '\n';
    std::cout << "guest: cat " << (co_await child.wait()).to_string() << '\n';
}

int main(int argc, char** argv) {
    QCoreApplication host(argc, argv);
    event_loop loop;
    QSocketNotifier watched(loop.native_handle(), QSocketNotifier::Read);
    QObject::connect(&watched, &QSocketNotifier::activated, [&] { loop.poll(); });

    async_process child("cat");
    task_group group;
    group.start(guest(child)); // runs up to where it first waits

    int ticks = 0;
    QTimer timer;
    QObject::connect(&timer, &QTimer::timeout, [&] {
        if (++ticks == 5) child.close_stdin();
    });
    timer.start(10);
    QCoreApplication::exec();

    loop.run(group.join()); // throws what the guest has thrown
    std::cout << "host: " << ticks << " ticks\n";
}
