// SPDX-License-Identifier: BSL-1.0
// wait_for_signal: says "ready", waits for a signal, says its number and exits with it.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <initializer_list>

int main() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int number : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaddset(&wanted, number);
    ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
    if (::write(1, "ready\n", 6) != 6) return 255;
    int got = 0;
    ::sigwait(&wanted, &got);
    std::printf("%d\n", got);
    std::fflush(stdout);
    return got;
}
