// SPDX-License-Identifier: BSL-1.0
// count: reads stdin to its end, in small pieces, and says how many bytes there were.
#include <unistd.h>

#include <cstdio>

int main() {
    unsigned long count = 0;
    char buffer[1021];
    for (ssize_t n = 0; (n = ::read(0, buffer, sizeof buffer)) > 0;) count += static_cast<unsigned long>(n);
    std::printf("%lu\n", count);
    return std::fflush(stdout) != 0;
}
