// SPDX-License-Identifier: BSL-1.0
// relay_fds: for each descriptor in its arguments a line with its number and what can be read from it, which ends at 63
// bytes, or "closed".
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        char text[64];
        const ssize_t size = ::read(std::atoi(argv[i]), text, sizeof text - 1);
        text[size < 0 ? 0 : size] = '\0';
        std::printf("%s %s\n", argv[i], size < 0 ? "closed" : text);
    }
    return std::fflush(stdout) != 0;
}
