// SPDX-License-Identifier: BSL-1.0
// exit_with: exits with the code that is its argument.
#include <cstdlib>

int main(int, char** argv) { return std::atoi(argv[1]); }
