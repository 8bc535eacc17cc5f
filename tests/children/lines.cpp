// SPDX-License-Identifier: BSL-1.0
// lines: as many lines as its argument says: "line 0", "line 1" and so on.
#include <cstdio>
#include <cstdlib>

int main(int, char** argv) {
    const long count = std::atol(argv[1]);
    for (long i = 0; i < count; ++i) std::printf("line %ld\n", i);
    return std::fflush(stdout) != 0;
}
