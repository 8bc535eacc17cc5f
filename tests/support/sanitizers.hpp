#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Whether a sanitizer looks on: what is measured of memory and what needs many rounds is another thing then.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COPROC_TEST_UNDER_TSAN 1
#endif
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define COPROC_TEST_UNDER_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define COPROC_TEST_UNDER_TSAN 1
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COPROC_TEST_UNDER_SANITIZER 1
#endif

#if defined(COPROC_TEST_UNDER_SANITIZER)
constexpr bool under_sanitizer = true;
#else
constexpr bool under_sanitizer = false;
#endif

/// How often something is done: the whole number, or a fifth of it where a sanitizer makes every round some five times
/// as long.
constexpr int rounds(int number) { return under_sanitizer ? number / 5 : number; }
