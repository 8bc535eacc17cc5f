// SPDX-License-Identifier: BSL-1.0
// deaf: closes its stdin, says "ready" and stays until it is killed.
#include <unistd.h>

int main() {
    ::close(0);
    if (::write(1, "ready\n", 6) != 6) return 1;
    for (;;) ::pause();
}
