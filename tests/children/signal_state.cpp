// SPDX-License-Identifier: BSL-1.0
// signal_state: the numbers of the signals that are blocked, "blocked 15", or ignored, "ignored 13", one a line.
#include <signal.h>

#include <cstdio>

#ifndef NSIG
#define NSIG 65
#endif

int main() {
    sigset_t blocked;
    ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
    for (int number = 1; number < NSIG; ++number) {
        if (sigismember(&blocked, number) == 1) std::printf("blocked %d\n", number);
        struct sigaction action {};
        if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
            std::printf("ignored %d\n", number);
        }
    }
    return std::fflush(stdout) != 0;
}
