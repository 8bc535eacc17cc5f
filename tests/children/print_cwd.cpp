// SPDX-License-Identifier: BSL-1.0
// print_cwd: the directory it is in, without a newline.
#include <unistd.h>

#include <cstdio>

int main() {
    static char path[65536];
    if (::getcwd(path, sizeof path) == nullptr) return 1;
    std::fputs(path, stdout);
    return std::fflush(stdout) != 0;
}
