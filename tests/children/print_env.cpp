// SPDX-License-Identifier: BSL-1.0
// print_env: its environment, each entry ended by a NUL.
#include <cstdio>
#include <cstring>

extern "C" char** environ; // NOLINT(readability-redundant-declaration): not everywhere in unistd.h

int main() {
    for (char** entry = environ; *entry != nullptr; ++entry) std::fwrite(*entry, 1, std::strlen(*entry) + 1, stdout);
    return std::fflush(stdout) != 0;
}
