// SPDX-License-Identifier: BSL-1.0
//
// The children of the scaling benchmark: one ends at once; the other, with COPROC_LIVES_ON, when a signal ends it. On
// Linux they start without the C library, whose own start takes several times as long as the kernel's.
#include <unistd.h>

#if defined(__linux__)

#include <sys/syscall.h>

extern "C" [[noreturn]] void _start() { // NOLINT(bugprone-reserved-identifier): it is the linker's name
#if defined(COPROC_LIVES_ON)
    for (;;) ::syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
#else
    for (;;) ::syscall(SYS_exit_group, 0);
#endif
}

#else

int main() {
#if defined(COPROC_LIVES_ON)
    for (;;) ::pause();
#endif
}

#endif
