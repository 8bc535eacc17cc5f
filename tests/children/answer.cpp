// SPDX-License-Identifier: BSL-1.0
// answer CODE: stdin to stdout, nothing held back; at the end of stdin it exits with CODE.
#include <unistd.h>

#include <cstdlib>

int main(int, char** argv) {
    static char buffer[4096];
    for (ssize_t n = 0; (n = ::read(0, buffer, sizeof buffer)) > 0;) {
        if (::write(1, buffer, static_cast<size_t>(n)) != n) return 1;
    }
    return std::atoi(argv[1]);
}
