// SPDX-License-Identifier: BSL-1.0
// pass_on: for each FROM:TO, in the order given, what can be read from one descriptor is written to the other, to its
// end, and nothing is held back; with a closed descriptor it exits with 1.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
    static char buffer[65536];
    for (int i = 1; i < argc; ++i) {
        const int from = std::atoi(argv[i]);
        const int to = std::atoi(std::strchr(argv[i], ':') + 1);
        ssize_t n = 0;
        while ((n = ::read(from, buffer, sizeof buffer)) > 0) {
            for (ssize_t done = 0; done < n;) {
                const ssize_t written = ::write(to, buffer + done, static_cast<std::size_t>(n - done));
                if (written < 0) return 1;
                done += written;
            }
        }
        if (n < 0) return 1;
    }
}
