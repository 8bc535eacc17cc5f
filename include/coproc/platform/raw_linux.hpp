#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// System calls without libc, for the child between clone and exec: it shares its parent's memory, so it must not touch
// errno, a lock, the heap or a sanitizer's shadow.

#include <sys/syscall.h>

#include <cstddef>

// On every function that runs in the child. Instrumentation would call into a run-time library whose state is the
// parent's. And where we are part of a shared library, a function that others could see is called by way of the dynamic
// linker, which finds it at the first call: in the child it would take the parent's locks, and most of a small stack.
#if defined(__clang__)
// The first keeps clang's front end quiet, the second its passes.
#define COPROC_CHILD_SIDE                                                                                              \
    __attribute__((no_sanitize("address", "memory", "thread", "undefined"), disable_sanitizer_instrumentation,         \
                   no_instrument_function, visibility("hidden")))
#else
#define COPROC_CHILD_SIDE                                                                                              \
    __attribute__((no_sanitize("address", "thread", "undefined"), no_instrument_function, visibility("hidden")))
#endif

namespace coproc::platform::raw {

#if defined(__x86_64__)

constexpr bool available = true;

/// The kernel's answer: -errno on failure.
COPROC_CHILD_SIDE inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) noexcept {
    long result = number;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
                     : "rcx", "r11", "memory");
    return result;
}

/// Makes the call, which is clone or clone3; in the child, which is on its own empty stack, calls `entry(argument)`,
/// which must not return. Answers the parent.
COPROC_CHILD_SIDE inline long clone(long number, long a, long b, long c, void (*entry)(void*),
                                    void* argument) noexcept {
    long result = number;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     // Out of whatever registers the compiler has chosen, rbp perhaps, before that one is cleared.
                     "mov %[entry], %%rax\n\t"
                     "mov %[argument], %%rdi\n\t"
                     "xor %%ebp, %%ebp\n\t" // the outermost frame, for whoever unwinds
                     "call *%%rax\n\t"
                     "hlt\n"
                     "1:"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), [entry] "r"(entry), [argument] "r"(argument)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

constexpr bool available = true;

COPROC_CHILD_SIDE inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) noexcept {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}

COPROC_CHILD_SIDE inline long clone(long number, long a, long b, long c, void (*entry)(void*),
                                    void* argument) noexcept {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x9, %[entry]\n\t" // before x29, which may hold one of them, is cleared
                     "mov x0, %[argument]\n\t"
                     "mov x29, xzr\n\t"
                     "blr x9\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), [entry] "r"(entry), [argument] "r"(argument)
                     : "x9", "x30", "memory");
    return x0;
}

#else

// Another processor: posix_spawn serves until somebody who has one writes these two functions.
constexpr bool available = false;
inline long call(long, long = 0, long = 0, long = 0, long = 0, long = 0) noexcept { return -38; }
inline long clone(long, long, long, long, void (*)(void*), void*) noexcept { return -38; } // -ENOSYS

#endif

/// An address as the kernel takes it.
template <class T>
COPROC_CHILD_SIDE inline long address(T* pointer) noexcept {
    return reinterpret_cast<long>(pointer);
}

} // namespace coproc::platform::raw
