// SPDX-License-Identifier: BSL-1.0
// dribble COUNT: a dot every 100 ms, by turns on stderr and stdout; after COUNT of them " done" and a newline on
// stdout.
#include <unistd.h>

#include <cstdlib>

int main(int argc, char** argv) {
    const int count = argc == 2 ? std::atoi(argv[1]) : 0;
    for (int i = 0; i < count; ++i) {
        if (::write(2 - i % 2, ".", 1) != 1) return 1;
        ::usleep(100'000);
    }
    return ::write(1, " done\n", 6) != 6;
}
