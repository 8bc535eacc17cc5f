#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Errors: what we were doing, on what, and what the system said.
//
//     try { async_process p("gti"); }
//     catch (const spawn_error& e) { e.what(); }   // cannot start "gti": exec failed: No such file or directory
//     // e.stage() == spawn_stage::exec, e.subject() == "gti", e.code() == std::errc::no_such_file_or_directory

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "concat.hpp"

namespace coproc {

/// Conditions that are ours and not the system's: `code()` of the errors that come with no errno.
enum class errc {
    end_of_stream = 1, ///< the stream ended before the read was satisfied
    line_too_long,     ///< a line passed the limit of its reader
    unsuccessful,      ///< a child ended with a status that was not accepted
    timed_out,         ///< something took longer than it was given; std::errc::timed_out
    output_limit,      ///< a child wrote more than was to be captured
    malformed,         ///< bytes are not what they were taken for
    unexpected,        ///< a value is not what it was taken for
};

} // namespace coproc

template <>
struct std::is_error_code_enum<coproc::errc> : std::true_type {};

namespace coproc {

/// The category of `errc`; its name is "coproc".
[[nodiscard]] inline const std::error_category& error_category() noexcept {
    struct category final : std::error_category {
        [[nodiscard]] const char* name() const noexcept override { return "coproc"; }
        [[nodiscard]] std::string message(int value) const override {
            switch (static_cast<errc>(value)) {
            case errc::end_of_stream: return "the stream ended early";
            case errc::line_too_long: return "line too long";
            case errc::unsuccessful: return "not a success";
            case errc::timed_out: return "timed out";
            case errc::output_limit: return "too much output";
            case errc::malformed: return "malformed";
            case errc::unexpected: return "not what was expected";
            }
            return "unknown error";
        }
        [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
            if (static_cast<errc>(value) == errc::timed_out) return std::errc::timed_out;
            return {value, *this};
        }
    };
    static const category instance;
    return instance;
}

[[nodiscard]] inline std::error_code make_error_code(errc value) noexcept {
    return {static_cast<int>(value), error_category()};
}

/// `text` between double quotes, with control characters made visible, so that a message stays on one line. (Not
/// "quoted": an unqualified call would find std::quoted, too, where a user includes <iomanip>.)
[[nodiscard, gnu::cold]] inline std::string in_quotes(std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\x";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            out += c;
        }
    }
    out += '"';
    return out;
}

/// The root of everything that can fail while a child is started, talked to or awaited.
///
/// Copying is noexcept, as for every exception of the standard library: the words are shared.
class error : public std::system_error {
public:
    /// `cannot <operation> "<subject>": <detail>: <the message of code>`; an empty detail is left out.
    [[gnu::cold]] error(std::string operation, std::string subject, std::string_view detail, std::error_code code)
        : std::system_error(code),
          facts_(std::make_shared<const facts>(word(operation, subject, detail, code), std::move(operation),
                                               std::move(subject), std::string(detail))) {}

    /// What was being done: "start", "read", "write" …
    [[nodiscard]] const std::string& operation() const noexcept { return facts_->operation; }
    /// On what: the program, the directory, the file, the stream.
    [[nodiscard]] const std::string& subject() const noexcept { return facts_->subject; }
    /// What is to be said beside the message of `code()`: the step that failed, how a child ended. May be empty.
    [[nodiscard]] const std::string& detail() const noexcept { return facts_->detail; }
    [[nodiscard]] const char* what() const noexcept override { return facts_->words.c_str(); }

private:
    struct facts {
        facts(std::string w, std::string o, std::string s, std::string d) noexcept
            : words(std::move(w)), operation(std::move(o)), subject(std::move(s)), detail(std::move(d)) {}
        std::string words, operation, subject, detail;
    };

    // The one place where a message is worded.
    [[gnu::cold]] static std::string word(std::string_view operation, std::string_view subject, std::string_view detail,
                                          std::error_code code) {
        std::string text = "cannot ";
        text.append(operation).append(" ").append(in_quotes(subject));
        if (!detail.empty()) text.append(": ").append(detail);
        text.append(": ").append(code.message());
        return text;
    }

    std::shared_ptr<const facts> facts_;
};

/// The step of a start that failed.
enum class spawn_stage {
    pipe,         ///< making the pipe of a piped stream
    redirect,     ///< opening or placing the descriptor of a stream
    cwd,          ///< changing to the child's working directory
    session,      ///< taking a session or a process group
    terminal,     ///< making a terminal or taking it as the controlling one, or taking the foreground of ours
    cgroup,       ///< joining a cgroup
    limit,        ///< setting the limit of a resource
    priority,     ///< changing the niceness
    affinity,     ///< choosing the processors on which it runs
    identity,     ///< taking another user, group or list of groups
    parent_death, ///< asking for a signal when the parent ends
    fork,         ///< creating the process
    exec,         ///< finding or executing the program
};

/// Starting a child failed. No program ran, and nothing of the attempt is left: no process, no descriptor.
class spawn_error : public error {
public:
    /// `detail` says which step failed: "exec failed", "changing to \"/nowhere\" failed".
    [[gnu::cold]] spawn_error(spawn_stage stage, std::string program, std::string_view detail, std::error_code code)
        : error("start", std::move(program), detail, code), stage_(stage) {}

    [[nodiscard]] spawn_stage stage() const noexcept { return stage_; }

private:
    spawn_stage stage_;
};

/// A read or a write failed: EPIPE when the other side is gone, EIO, ENOMEM and the rest.
class stream_error : public error {
public:
    [[gnu::cold]] stream_error(std::string operation, std::string stream, std::error_code code,
                               std::string_view detail = {})
        : error(std::move(operation), std::move(stream), detail, code) {}
};

/// The stream ended before `read_exactly`, `read_until` or `expect` had what it was asked for.
class incomplete_read : public stream_error {
public:
    /// `expected` is a number of bytes, or 0 when the end of what was asked for is marked by a delimiter.
    incomplete_read(std::string stream, std::string partial, std::size_t expected)
        : incomplete_read(std::move(stream), std::move(partial), expected, describe(partial.size(), expected)) {}
    /// `detail` says what was asked for, and what came instead.
    incomplete_read(std::string stream, std::string partial, std::string_view detail)
        : incomplete_read(std::move(stream), std::move(partial), 0, detail) {}

    /// What came before the end. These bytes are taken from the stream.
    [[nodiscard]] const std::string& partial() const noexcept { return *partial_; }
    [[nodiscard]] std::size_t expected() const noexcept { return expected_; }

private:
    // By reference: the detail, which tells of the bytes, may be put together after the other arguments.
    incomplete_read(std::string&& stream, std::string&& partial, std::size_t expected, std::string_view detail)
        : stream_error("read", std::move(stream), errc::end_of_stream, detail),
          partial_(std::make_shared<const std::string>(std::move(partial))), expected_(expected) {}

    static std::string describe(std::size_t got, std::size_t expected) {
        std::string text = detail::concat({"got ", got, " bytes"});
        if (expected == 0) return text.append(" and no delimiter");
        return text.append(" of ").append(detail::to_text(expected));
    }

    std::shared_ptr<const std::string> partial_;
    std::size_t expected_;
};

/// A line was longer than its reader allows: the next read begins at the line after it. Or `read_until` found no
/// delimiter within that: then nothing was taken.
class line_too_long : public stream_error {
public:
    line_too_long(std::string stream, std::size_t limit)
        : stream_error("read a line of", std::move(stream), errc::line_too_long,
                       detail::concat({"more than ", limit, " bytes"})),
          limit_(limit) {}

    /// The limit that was passed, in bytes, the newline not counted.
    [[nodiscard]] std::size_t limit() const noexcept { return limit_; }

private:
    std::size_t limit_;
};

/// A mistake of the caller, not of the world: the stream is not piped, two readers at once, no loop here.
class usage_error : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

namespace detail {

/// In words; empty if nothing is. That memory ran out is thrown on: there may be none for the words.
template <class F>
[[nodiscard]] std::string what_is_thrown_by(const F& f) {
    try {
        f();
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception that is none of std::exception";
    }
    return {};
}

} // namespace detail
} // namespace coproc
