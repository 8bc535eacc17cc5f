// SPDX-License-Identifier: BSL-1.0
// narrow_cat: makes the pipes of its stdin and stdout as small as the system lets it, says on stderr how large they are
// (0 where nobody knows), one a line, and then is cat.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

int main() {
    for (int fd = 0; fd < 2; ++fd) {
        int size = 0;
#if defined(F_SETPIPE_SZ)
        ::fcntl(fd, F_SETPIPE_SZ, 4096);
        size = ::fcntl(fd, F_GETPIPE_SZ);
#endif
        if (::dprintf(2, "%d\n", size) < 0) return 1;
    }
    static char buffer[65536];
    for (ssize_t n = 0; (n = ::read(0, buffer, sizeof buffer)) > 0;) {
        for (ssize_t done = 0; done < n;) {
            const ssize_t written = ::write(1, buffer + done, static_cast<size_t>(n - done));
            if (written < 0) return 2;
            done += written;
        }
    }
}
