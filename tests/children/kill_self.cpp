// SPDX-License-Identifier: BSL-1.0
// kill_self: ends by the signal that is its argument.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>

int main(int, char** argv) {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::kill(::getpid(), std::atoi(argv[1]));
    for (;;) ::pause();
}
