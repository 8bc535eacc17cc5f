// SPDX-License-Identifier: BSL-1.0
//
// The test program, which ends with the descriptors that it began with, and notes whatever is closed in vain and what
// is allocated.
#define CATCH_CONFIG_RUNNER
#include "catch.hpp"

#include <atomic>
#include <cstdio>
#include <set>

#include "closes.hpp"
#include "failing_allocations.hpp"
#include "resources.hpp"

namespace {
std::atomic<int> in_vain{0};
} // namespace

int closes_in_vain() noexcept { return in_vain; }

#if COPROC_TEST_HAS_OWN_CLOSE
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

// In place of libc's, for all that is linked into this program.
extern "C" int close(int fd) {
    const long result = ::syscall(SYS_close, fd);
    if (result < 0 && errno == EBADF) ++in_vain;
    return static_cast<int>(result);
}
#endif

#if defined(COPROC_TEST_HAS_OWN_NEW)
void* operator new(std::size_t size) { return failing_allocations::allocate_or_throw(size); }
void* operator new[](std::size_t size) { return failing_allocations::allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return failing_allocations::allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return failing_allocations::allocate(size); }
void operator delete(void* block) noexcept { failing_allocations::release(block); }
void operator delete[](void* block) noexcept { failing_allocations::release(block); }
void operator delete(void* block, std::size_t) noexcept { failing_allocations::release(block); }
void operator delete[](void* block, std::size_t) noexcept { failing_allocations::release(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { failing_allocations::release(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { failing_allocations::release(block); }
#endif

int main(int argc, char** argv) {
    const std::set<int> before = open_descriptors();
    const int failed = Catch::Session().run(argc, argv);
#if !defined(COPROC_BACKEND_KQUEUE) // libkqueue keeps some of its own
    if (open_descriptors() != before) {
        std::fprintf(stderr, "the tests have left descriptors open, or closed some that were not theirs\n");
        return failed != 0 ? failed : 1;
    }
#endif
    return failed;
}
