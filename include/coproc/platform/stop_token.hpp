#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// std::stop_token, or, where the library has none yet (Apple's before Xcode 26), a stand-in that never stops, so that
// the rest of the code need not care.

#include <version>

#if defined(__cpp_lib_jthread)

#include <stop_token>

namespace coproc::platform {

using std::stop_token;
template <class F>
using stop_callback = std::stop_callback<F>;

} // namespace coproc::platform

#else

#include <utility>

namespace coproc::platform {

struct stop_token {
    [[nodiscard]] bool stop_requested() const noexcept { return false; }
};
template <class F>
struct stop_callback {
    stop_callback(const stop_token&, F) noexcept {}
};

} // namespace coproc::platform

#endif
