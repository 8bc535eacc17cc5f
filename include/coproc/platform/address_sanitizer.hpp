#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Whether AddressSanitizer looks at this program. It tells of whoever uses an object that is gone only where the memory
// of that object is really given back, and not kept for the next one.

namespace coproc::platform {

#if defined(__SANITIZE_ADDRESS__) // GCC
inline constexpr bool under_address_sanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) // clang
inline constexpr bool under_address_sanitizer = true;
#else
inline constexpr bool under_address_sanitizer = false;
#endif
#else
inline constexpr bool under_address_sanitizer = false;
#endif

} // namespace coproc::platform
