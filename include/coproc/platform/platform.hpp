#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The choice of the operating system's parts, made once, here. The names above this floor: `platform::backend`,
// `platform::child` and `platform::spawn`.

#if defined(COPROC_BACKEND_KQUEUE) || !defined(__linux__)
#include "kqueue.hpp"
#else
#include "epoll.hpp"
#endif

#if defined(__linux__)
#include "spawn_linux.hpp"
#else
#include "spawn_posix.hpp"
#endif

namespace coproc::platform {

#if defined(COPROC_BACKEND_KQUEUE) || !defined(__linux__)
using backend = kqueue_backend;
#else
using backend = epoll_backend;
#endif

} // namespace coproc::platform
