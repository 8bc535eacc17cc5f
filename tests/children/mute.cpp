// SPDX-License-Identifier: BSL-1.0
// mute: closes its stdout and stderr and stays until the end of its stdin.
#include <unistd.h>

int main() {
    ::close(1);
    ::close(2);
    char buffer[4096];
    while (::read(0, buffer, sizeof buffer) > 0) {
    }
}
