// SPDX-License-Identifier: BSL-1.0
// list_fds: the numbers of its open descriptors, one a line.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

int main() {
    // By asking for each: opening a directory to look would be one more.
    const long most = ::sysconf(_SC_OPEN_MAX);
    for (int fd = 0; fd < (most < 0 || most > 65536 ? 65536 : most); ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) std::printf("%d\n", fd);
    }
    return std::fflush(stdout) != 0;
}
