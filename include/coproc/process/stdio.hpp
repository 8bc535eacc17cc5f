#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// stdio: what stands behind a child's stdin, stdout or stderr.
//
//     command("cc", "x.c").in(stdio::null).out(stdio::append("log")).err(stdio::to_out)

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "../core/unique_fd.hpp"
#include "lent_fd.hpp"
#include "words.hpp"

namespace coproc {

class stdio {
public:
    enum kind : unsigned char {
        inherit, ///< ours
        null,    ///< /dev/null
        pipe,    ///< a pipe to a stream of the async_process
        /// The same by a pair of connected sockets (AF_UNIX, SOCK_STREAM), for bulk: on Linux 6.18 1.7 to 1.9 times as
        /// fast as a pipe that has grown for it. The price: small messages to and fro at two thirds of the rate; 10 us
        /// more to start a child; and the child cannot open /dev/stdin, /dev/stdout or /dev/stderr (ENXIO), as scripts
        /// now and then do.
        socket,
        to_out, ///< for stderr: wherever stdout goes, in the order of the writes
        to_err, ///< for stdout: wherever stderr goes
    };

    stdio(kind k) noexcept : kind_(k) {} // NOLINT(google-explicit-constructor): `out(stdio::null)`

    /// A file, opened when the child is started: stdin reads it, stdout and stderr create or truncate it. A relative
    /// path is relative to our directory, not to the child's. Throws std::invalid_argument for an empty path or one
    /// with a NUL.
    template <word Path>
    [[nodiscard]] static stdio file(const Path& path) {
        return stdio(named_file{checked_path(path), false});
    }
    /// For stdout and stderr: the same, but what is there stays, and every write goes to the end (O_APPEND).
    template <word Path>
    [[nodiscard]] static stdio append(const Path& path) {
        return stdio(named_file{checked_path(path), true});
    }

    /// A descriptor of ours, of any number, 0 to 2 too. Borrowed: it must be open when the child is started; neither it
    /// nor its flags are changed, and it stays open here. Throws std::invalid_argument for a negative one.
    [[nodiscard]] static stdio fd(int borrowed) { return stdio(detail::lent_fd(borrowed)); }
    /// Owned: closed when the last command that holds it is gone.
    [[nodiscard]] static stdio fd(unique_fd owned) { return stdio(detail::lent_fd(std::move(owned))); }

    /// For stdin: these bytes, then the end. Any number of them; the child finds them in a file without a name, so
    /// nobody has to write while it reads.
    [[nodiscard]] static stdio text(std::string_view bytes) { return stdio(input_text{std::string(bytes)}); }

    // What it was made of; null if of something else.

    struct named_file {
        std::string path;
        bool append;
    };
    struct input_text {
        std::string bytes;
    };
    [[nodiscard]] bool is(kind k) const noexcept { return made_of_ == parts::kind && kind_ == k; }
    /// It is to be a stream of the async_process.
    [[nodiscard]] bool is_stream() const noexcept { return is(pipe) || is(socket); }
    [[nodiscard]] const named_file* as_file() const noexcept { return made_of_ == parts::file ? &file_ : nullptr; }
    [[nodiscard]] const detail::lent_fd* as_fd() const noexcept { return made_of_ == parts::fd ? &fd_ : nullptr; }
    [[nodiscard]] const input_text* as_text() const noexcept { return made_of_ == parts::text ? &text_ : nullptr; }

private:
    enum class parts : unsigned char { kind, file, fd, text };

    explicit stdio(named_file file) noexcept : made_of_(parts::file), file_(std::move(file)) {}
    explicit stdio(detail::lent_fd fd) noexcept : made_of_(parts::fd), fd_(std::move(fd)) {}
    explicit stdio(input_text text) noexcept : made_of_(parts::text), text_(std::move(text)) {}

    template <word Path>
    static std::string checked_path(const Path& path) {
        std::string text = detail::checked(path, "file");
        if (text.empty()) throw std::invalid_argument("the path of a file is empty");
        return text;
    }

    // One of the four that follow. Not a std::variant, which takes every user's compiler a tenth of a second.
    parts made_of_ = parts::kind;
    kind kind_ = inherit;
    named_file file_{};
    detail::lent_fd fd_;
    input_text text_;
};

} // namespace coproc
