// SPDX-License-Identifier: BSL-1.0
// ignore_term: ignores SIGTERM and SIGINT, says "ready" and stays until it is killed.
#include <signal.h>
#include <unistd.h>

int main() {
    ::signal(SIGTERM, SIG_IGN);
    ::signal(SIGINT, SIG_IGN);
    if (::write(1, "ready\n", 6) != 6) return 1;
    for (;;) ::pause();
}
