#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// stdio: what stands behind a child's stdin, stdout or stderr.
//
//     command("cc", "x.c").in(stdio::null).out(stdio::inherit).err(stdio::file("errors.txt"))

#include <stdexcept>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "words.hpp"

namespace coproc {

class stdio {
public:
    enum kind : unsigned char {
        inherit, ///< ours
        null,    ///< /dev/null
        pipe,    ///< a pipe to a stream of the async_process
    };

    constexpr stdio(kind k) noexcept : kind_(k) {} // NOLINT(google-explicit-constructor): `out(stdio::null)`

    /// A file, opened when the child is started: stdin reads it, stdout and stderr create or truncate it. A relative
    /// path is relative to our directory, not to the child's. Throws std::invalid_argument for an empty path or one
    /// with a NUL.
    template <word Path>
    [[nodiscard]] static stdio file(const Path& path) {
        stdio made(null);
        made.path_ = detail::checked(path, "file");
        if (made.path_.empty()) throw std::invalid_argument("the path of a file is empty");
        return made;
    }

    [[nodiscard]] bool is(kind k) const noexcept { return path_.empty() && kind_ == k; }
    /// Empty if it is no file.
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    kind kind_;
    std::string path_;
};

} // namespace coproc
