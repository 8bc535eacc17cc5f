// SPDX-License-Identifier: BSL-1.0
// trace PID: holds the process as a debugger does and says "holding", or "refused"; lets go at the end of its stdin.
#if defined(__linux__)
#include <sys/ptrace.h>
#endif
#include <unistd.h>

#include <cstdlib>

int main(int, char** argv) {
    const int pid = std::atoi(argv[1]);
#if defined(__linux__)
    const bool holding = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
#else
    const bool holding = pid < 0; // by other words elsewhere, and nobody asks
#endif
    if (::write(1, holding ? "holding\n" : "refused\n", 8) != 8) return 1;
    // What it holds may end now, and is not waited for: it is neither gone nor ours.
    char buffer[64];
    while (::read(0, buffer, sizeof buffer) > 0) {
    }
}
