#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A file without a name that holds given bytes: what a child can read without anybody feeding it.

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
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

// A write beyond RLIMIT_FSIZE sends SIGXFSZ, which ends a host that has no idea of a file. So it is not tried. To block
// the signal in this thread would not do: on macOS and BSD it goes to the process, and another thread may take it.
[[nodiscard]] inline bool may_be_stored(std::size_t size) noexcept {
    rlimit limit{};
    return ::getrlimit(RLIMIT_FSIZE, &limit) != 0 || size <= static_cast<std::uintmax_t>(limit.rlim_cur);
}

} // namespace detail

/// Positioned at its beginning. Empty on failure, with errno. Throws std::bad_alloc.
[[nodiscard]] inline unique_fd nameless_file(std::string_view bytes) {
    if (!detail::may_be_stored(bytes.size())) {
        errno = EFBIG;
        return {};
    }
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
