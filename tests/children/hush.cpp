// SPDX-License-Identifier: BSL-1.0
// hush: says "last words", closes its stdout and stays until it is killed.
#include <unistd.h>

int main() {
    if (::write(1, "last words\n", 11) != 11) return 1;
    ::close(1);
    for (;;) ::pause();
}
