// SPDX-License-Identifier: BSL-1.0
// watch_terminal [FD]: says "ready", then "ROWS COLS" of its stdin at each SIGWINCH, on FD or stdout; any other signal
// ends it, which says its number and exits with it.
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <initializer_list>

int main(int argc, char** argv) {
    const int to = argc > 1 ? std::atoi(argv[1]) : 1;
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH}) sigaddset(&wanted, number);
    ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {};
    ::sigaction(SIGWINCH, &nothing, nullptr); // some systems drop a signal that is ignored by default, also if blocked
    ::dprintf(to, "ready\n");
    for (;;) {
        int got = 0;
        ::sigwait(&wanted, &got);
        winsize size{};
        ::ioctl(0, TIOCGWINSZ, &size);
        if (got == SIGWINCH) {
            ::dprintf(to, "%d %d\n", size.ws_row, size.ws_col);
        } else {
            ::dprintf(to, "%d\n", got);
            return got;
        }
    }
}
