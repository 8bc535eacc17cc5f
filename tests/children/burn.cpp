// SPDX-License-Identifier: BSL-1.0
// burn: uses the CPU for at least as many milliseconds as its argument says.
#include <cstdlib>
#include <ctime>

int main(int, char** argv) {
    const auto enough = static_cast<std::clock_t>(std::atol(argv[1])) * (CLOCKS_PER_SEC / 1000); // unsigned on macOS
    while (std::clock() < enough) {
    }
}
