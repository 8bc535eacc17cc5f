#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// One string of several.

#include <initializer_list>
#include <string>
#include <string_view>

namespace coproc::detail {

/// In place of `"a" + string + "b"`, about which GCC 12 at -O2 warns falsely in the user's own build (GCC bugs 105329
/// and 105651).
[[nodiscard]] inline std::string concat(std::initializer_list<std::string_view> parts) {
    std::string whole;
    for (const std::string_view part : parts) whole += part;
    return whole;
}

} // namespace coproc::detail
