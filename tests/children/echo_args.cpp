// SPDX-License-Identifier: BSL-1.0
// echo_args: its arguments, its own name first, each ended by a NUL.
#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
    for (int i = 0; i < argc; ++i) std::fwrite(argv[i], 1, std::strlen(argv[i]) + 1, stdout);
    return std::fflush(stdout) != 0;
}
