#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The choice of the operating system's parts, made once, here. The names above this floor: `platform::backend`,
// `platform::child`, `platform::spawn`, `platform::launch` and `platform::relatives`.

#if defined(COPROC_BACKEND_KQUEUE) || !defined(__linux__)
#include "kqueue.hpp"
#else
#include "epoll.hpp"
#endif

#if defined(__linux__)
#include "cgroup_linux.hpp"
#include "launch_linux.hpp"
#include "relatives_linux.hpp"
#include "spawn_linux.hpp"
#else
#include "cgroup_bsd.hpp"
#include "launch_bsd.hpp"
#include "relatives_bsd.hpp"
#include "spawn_bsd.hpp"
#endif

namespace coproc::platform {

#if defined(COPROC_BACKEND_KQUEUE) || !defined(__linux__)
using backend = kqueue_backend;
#else
using backend = epoll_backend;
#endif

} // namespace coproc::platform
