// SPDX-License-Identifier: BSL-1.0
// sip: reads as many bytes as its argument says, prints them and exits with 3, whatever else there is to read.
#include <unistd.h>

#include <cstdlib>

int main(int, char** argv) {
    char byte = 0;
    for (long left = std::atol(argv[1]); left > 0 && ::read(0, &byte, 1) == 1; --left) {
        if (::write(1, &byte, 1) != 1) return 1;
    }
    return 3;
}
