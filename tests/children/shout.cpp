// SPDX-License-Identifier: BSL-1.0
// shout: says "out" on stdout and "err" on stderr.
#include <unistd.h>

int main() { return ::write(1, "out\n", 4) != 4 || ::write(2, "err\n", 4) != 4; }
