#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A file without a name that holds given bytes: what a child can read without anybody feeding it.

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "../core/unique_fd.hpp"
#include "pipe.hpp"

namespace coproc::platform {
namespace detail {

[[nodiscard]] inline unique_fd empty_nameless_file() {
#if defined(__linux__) || defined(__FreeBSD__)
    return unique_fd(::memfd_create("text", MFD_CLOEXEC));
#else
    const char* const directory = std::getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe)
    std::string path = directory != nullptr ? directory : "/tmp";
    path += "/coproc-XXXXXX";
    unique_fd file(::mkstemp(path.data())); // with its rights for us alone
    if (file) {
        ::unlink(path.c_str());
        ::fcntl(file.get(), F_SETFD, FD_CLOEXEC);
    }
    return file;
#endif
}

} // namespace detail

/// Positioned at its beginning. Empty on failure, with errno. Throws std::bad_alloc.
[[nodiscard]] inline unique_fd nameless_file(std::string_view bytes) {
    unique_fd file = above_stdio(detail::empty_nameless_file());
    if (!file) return {};
    while (!bytes.empty()) {
        const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return {};
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return {};
    return file;
}

} // namespace coproc::platform
