// SPDX-License-Identifier: BSL-1.0
// read_mutely: closes its stdout, reads to the end of its stdin and says on stderr how many bytes there were.
#include <unistd.h>

#include <cstdio>

int main() {
    ::close(1);
    long count = 0;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(0, buffer, sizeof buffer)) > 0;) count += got;
    std::fprintf(stderr, "%ld", count);
}
