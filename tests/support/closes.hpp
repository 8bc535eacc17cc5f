#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// How often this program has closed what was not open. Whoever closes a descriptor a second time closes, at some other
// time, one of somebody else.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COPROC_TEST_HAS_OWN_CLOSE 0
#endif
#endif
#if !defined(COPROC_TEST_HAS_OWN_CLOSE) && defined(__linux__) && !defined(__SANITIZE_THREAD__)
#define COPROC_TEST_HAS_OWN_CLOSE 1
#endif

/// Counted by the close(2) of main.cpp, on Linux; zero elsewhere, and under ThreadSanitizer, which has its own.
int closes_in_vain() noexcept;
