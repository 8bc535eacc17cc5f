// SPDX-License-Identifier: BSL-1.0
// describe_stdio: for each of 0, 1 and 2 a line on the descriptor in its argument: closed, blocking or non-blocking.
#include <fcntl.h>

#include <cstdio>
#include <cstdlib>

int main(int, char** argv) {
    char text[64];
    int size = 0;
    for (int fd = 0; fd < 3; ++fd) {
        const int flags = ::fcntl(fd, F_GETFL);
        const char* what = "blocking";
        if (flags < 0) what = "closed";
        else if ((flags & O_NONBLOCK) != 0) what = "non-blocking";
        size += std::snprintf(text + size, sizeof text - static_cast<size_t>(size), "%s\n", what);
    }
    return ::dprintf(std::atoi(argv[1]), "%s", text) != size;
}
