// SPDX-License-Identifier: BSL-1.0
// sign_stdio: writes "in;" to 0, "out;" to 1 and "err;" to 2.
#include <unistd.h>

int main() {
    const bool in = ::write(0, "in;", 3) == 3;
    const bool out = ::write(1, "out;", 4) == 4;
    return !(::write(2, "err;", 4) == 4 && in && out);
}
