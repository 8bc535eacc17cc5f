// SPDX-License-Identifier: BSL-1.0
// cat: stdin to stdout, nothing held back.
#include <unistd.h>

int main() {
    static char buffer[65536];
    for (;;) {
        const ssize_t n = ::read(0, buffer, sizeof buffer);
        if (n <= 0) return n < 0;
        for (ssize_t done = 0; done < n;) {
            const ssize_t written = ::write(1, buffer + done, static_cast<size_t>(n - done));
            if (written < 0) return 2;
            done += written;
        }
    }
}
