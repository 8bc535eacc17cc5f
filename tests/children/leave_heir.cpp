// SPDX-License-Identifier: BSL-1.0
// leave_heir: exits with 5; a child of it stays, with all pipes, until the end of stdin, and then says "late".
#include <unistd.h>

int main() {
    if (::write(1, "early\n", 6) != 6) return 1;
    if (::fork() != 0) return 5;
    char buffer[4096];
    while (::read(0, buffer, sizeof buffer) > 0) {
    }
    return ::write(1, "late\n", 5) != 5;
}
