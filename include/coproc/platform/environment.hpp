#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The environment of this process, as exec takes it.

#include <unistd.h>

#if defined(__APPLE__)
#include <crt_externs.h>
#elif !defined(__linux__)
extern "C" char** environ; // NOLINT
#endif

namespace coproc::platform {

/// Strings `key=value`, ended by a null pointer. Whoever changes them meanwhile (setenv) races with us, as with getenv.
[[nodiscard]] inline char** environment() noexcept {
#if defined(__APPLE__)
    return *::_NSGetEnviron(); // `environ` is not there for code in a shared library
#else
    return environ;
#endif
}

} // namespace coproc::platform
