#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Users and groups by the names that the system's databases have for them: files or a directory service
// (nsswitch.conf).

#include <grp.h>
#include <pwd.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"

namespace coproc::detail {

/// What systems answer for a name that nobody has (getpwnam(3), "or ..." included).
[[nodiscard]] constexpr bool says_nobody(int error) noexcept {
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
}

/// By getpwnam_r(3) or getgrnam_r(3). Throws std::invalid_argument for a name that nobody has; std::system_error where
/// that could not be found out.
template <class Entry, class Id>
[[nodiscard, gnu::cold]] Id id_of(const std::string& name, std::string_view what, Id Entry::*id,
                                  int (*look_up)(const char*, Entry*, char*, std::size_t, Entry**)) {
    std::vector<char> text(1024); // for the whole entry: a group can have thousands of members
    for (;;) {
        Entry entry{};
        Entry* found = nullptr;
        const int error = look_up(name.c_str(), &entry, text.data(), text.size(), &found);
        if (found != nullptr) return found->*id;
        if (says_nobody(error)) throw std::invalid_argument(concat({"no ", what, " is called ", in_quotes(name)}));
        if (error == ERANGE) text.resize(2 * text.size());
        else if (error != EINTR)
            throw std::system_error(error, std::system_category(),
                                    concat({"looking up the ", what, " ", in_quotes(name), " failed"}));
    }
}

// Templates, so that whoever names nobody links no databases: a static program would be warned of them.

template <class = void>
[[nodiscard]] uid_t user_called(const std::string& name) {
    return id_of(name, "user", &passwd::pw_uid, &::getpwnam_r);
}
template <class = void>
[[nodiscard]] gid_t group_called(const std::string& name) {
    return id_of(name, "group", &group::gr_gid, &::getgrnam_r);
}

} // namespace coproc::detail
