// SPDX-License-Identifier: BSL-1.0
// print_session: the numbers of its process, its process group and its session, in one line; stays until the end of
// stdin.
#include <unistd.h>

#include <cstdio>

int main() {
    std::printf("%d %d %d\n", static_cast<int>(::getpid()), static_cast<int>(::getpgrp()),
                static_cast<int>(::getsid(0)));
    std::fflush(stdout);
    char buffer[64];
    while (::read(0, buffer, sizeof buffer) > 0) {
    }
}
