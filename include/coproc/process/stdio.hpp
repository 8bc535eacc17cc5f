#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// stdio: what stands behind a child's stdin, stdout or stderr.
//
//     command("cc", "x.c").in(stdio::null).out(stdio::append("log")).err(stdio::to_out)

#include <algorithm>
#include <concepts>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/unique_fd.hpp"
#include "../coro/awaitable.hpp"
#include "chunk_function.hpp"
#include "lent_fd.hpp"
#include "words.hpp"

namespace coproc {

class command;
class stdio;
class stream_tap;

namespace detail {

struct child_fd;
/// Opens all that a sink or a tee goes to. Throws spawn_error.
using tap_opener = std::shared_ptr<stream_tap> (*)(const command&, child_fd, const stdio&);
[[nodiscard]] inline tap_opener outlets_opener() noexcept; // in child_fds.hpp

} // namespace detail

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

    /// For outputs: a pipe, and `f(std::string_view)` is called with each chunk as it comes, on the loop's thread,
    /// whether or not anything of the child is awaited, and before any read finds it; when `wait()` completes, with all
    /// that the child itself has written. What nobody reads is kept as of any pipe: for none of that,
    /// `stdio::tee(stdio::sink(f))`. Copies of the command share `f`, which is called for each of their children.
    ///
    /// What `f` throws, the read that waits or the next one throws, once, and `communicate`; `f` is not called again
    /// for that child, who can go on, and what had come can be read. `f` may destroy whatever it likes, the
    /// async_process, too, but not use its own stream (usage_error). A view that it is given ends with the call.
    template <std::invocable<std::string_view> F>
    [[nodiscard]] static stdio sink(F f) {
        static_assert(!awaitable<std::invoke_result_t<F&, std::string_view>>, "a sink is called, not awaited");
        return stdio(detail::make_chunk_function(std::move(f))).tapped<F>();
    }

    /// For outputs: several of `inherit` (our own), `null`, `file`, `append`, `fd`, `sink` and `pipe` or `socket`, at
    /// least one. The child writes to a pipe, and each chunk as it comes goes to all of them, in their order, by us: so
    /// one that blocks, such as a terminal that was stopped, blocks the loop as any output of ours would. Without a
    /// `pipe` nothing is kept, and the stream is not there for reading.
    ///
    /// One that fails (ENOSPC, EPIPE; SIGPIPE never reaches the host) gets no more and the others go on; the error, a
    /// stream_error, is thrown as one of a sink is. Throws std::invalid_argument for text and merges.
    template <std::convertible_to<stdio>... Targets>
    [[nodiscard]] static stdio tee(Targets&&... targets) {
        static_assert(sizeof...(Targets) != 0, "a tee has no target");
        std::vector<stdio> all;
        all.reserve(sizeof...(Targets));
        (add_target(all, std::forward<Targets>(targets)), ...);
        return stdio(std::make_shared<const std::vector<stdio>>(std::move(all))).tapped<Targets...>();
    }

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
    [[nodiscard]] bool is_stream() const noexcept {
        return is(pipe) || is(socket) || made_of_ == parts::sink || has_target(pipe) || has_target(socket);
    }
    /// What it brings passes us by a pipe, to be read or not; by sockets instead.
    [[nodiscard]] bool passes_us() const noexcept { return is_stream() || made_of_ == parts::tee; }
    [[nodiscard]] bool by_sockets() const noexcept { return is(socket) || has_target(socket); }
    [[nodiscard]] const named_file* as_file() const noexcept { return made_of_ == parts::file ? &file_ : nullptr; }
    [[nodiscard]] const detail::lent_fd* as_fd() const noexcept { return made_of_ == parts::fd ? &fd_ : nullptr; }
    [[nodiscard]] const input_text* as_text() const noexcept { return made_of_ == parts::text ? &text_ : nullptr; }
    [[nodiscard]] const std::shared_ptr<detail::chunk_function>* as_sink() const noexcept {
        return made_of_ == parts::sink ? &sink_ : nullptr;
    }
    [[nodiscard]] const std::vector<stdio>* as_tee() const noexcept { return tee_.get(); }
    /// Null if it is neither of these two.
    [[nodiscard]] detail::tap_opener opens_tap() const noexcept { return opens_tap_; }

private:
    enum class parts : unsigned char { kind, file, fd, text, sink, tee };

    explicit stdio(named_file file) noexcept : made_of_(parts::file), file_(std::move(file)) {}
    explicit stdio(detail::lent_fd fd) noexcept : made_of_(parts::fd), fd_(std::move(fd)) {}
    explicit stdio(input_text text) noexcept : made_of_(parts::text), text_(std::move(text)) {}
    explicit stdio(std::shared_ptr<detail::chunk_function> f) noexcept : made_of_(parts::sink), sink_(std::move(f)) {}
    explicit stdio(std::shared_ptr<const std::vector<stdio>> targets) noexcept
        : made_of_(parts::tee), tee_(std::move(targets)) {}

    // A template, so that what a tap is made of is a part of those programs only that have one.
    template <class...>
    stdio tapped() && {
        opens_tap_ = detail::outlets_opener();
        return std::move(*this);
    }

    static void add_target(std::vector<stdio>& all, stdio target) {
        if (target.as_text() != nullptr) throw std::invalid_argument("text is for stdin");
        if (target.is(to_out) || target.is(to_err)) throw std::invalid_argument("a merge cannot be a target of a tee");
        if (const std::vector<stdio>* const more = target.as_tee()) all.insert(all.end(), more->begin(), more->end());
        else all.push_back(std::move(target));
    }
    [[nodiscard]] bool has_target(kind k) const noexcept {
        return tee_ != nullptr && std::any_of(tee_->begin(), tee_->end(), [k](const stdio& s) { return s.is(k); });
    }

    template <word Path>
    static std::string checked_path(const Path& path) {
        std::string text = detail::checked(path, "file");
        if (text.empty()) throw std::invalid_argument("the path of a file is empty");
        return text;
    }

    // One of those that follow. Not a std::variant, which takes every user's compiler a tenth of a second.
    parts made_of_ = parts::kind;
    kind kind_ = inherit;
    named_file file_{};
    detail::lent_fd fd_;
    input_text text_;
    std::shared_ptr<detail::chunk_function> sink_;
    std::shared_ptr<const std::vector<stdio>> tee_;
    detail::tap_opener opens_tap_ = nullptr;
};

} // namespace coproc
