#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Errors that come with the result of a child.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "result.hpp"

namespace coproc {

namespace detail {

// Where programs say why: mostly at the end, and of a long story the beginning, too, which is often the first
// error of many.
[[nodiscard, gnu::cold]] inline std::string stderr_excerpt(const result& r) {
    constexpr std::size_t part = 512;
    std::string_view all = r.err;
    while (all.ends_with('\n')) all.remove_suffix(1);
    if (all.empty()) return {};
    const std::size_t unkept = r.err_truncated ? static_cast<std::size_t>(r.err_bytes) - r.err.size() : 0;
    if (all.size() <= 2 * part && unkept == 0) return concat({", stderr ", in_quotes(all)});
    const std::size_t gap = unkept == 0 ? all.size() / 2 : std::min(r.err_gap, all.size());
    const std::string_view head = all.substr(0, std::min(part, gap));
    const std::string_view tail = all.substr(all.size() - std::min(part, all.size() - gap));
    std::string text(", stderr ");
    if (!head.empty()) text.append(in_quotes(head)).append(" ... ");
    text.append(to_text(all.size() - head.size() - tail.size() + unkept)).append(" bytes");
    if (!tail.empty()) text.append(" ... ").append(in_quotes(tail));
    return text;
}

/// How it ended and what it wrote to stderr; `why` comes before that, empty if that is the reason.
[[nodiscard, gnu::cold]] inline std::string describe_end(const result& r, std::string_view why) {
    std::string text(why);
    if (!text.empty()) text.append(", ");
    text.append(r.status.to_string());
    if (r.survivors != 0) text.append(", with ").append(to_text(r.survivors)).append(" left running");
    return text.append(stderr_excerpt(r));
}

/// In seconds or milliseconds, with as many decimals as it takes.
[[nodiscard, gnu::cold]] inline std::string duration_text(platform::clock::duration d) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(d).count();
    const long long unit = us >= 1'000'000 ? 1'000'000 : 1'000;
    std::string text = to_text(us / unit);
    if (us % unit != 0) {
        std::string decimals = to_text(unit + us % unit).substr(1); // with its leading zeros
        while (decimals.ends_with('0')) decimals.pop_back();
        text.append(".").append(decimals);
    }
    return text.append(unit == 1'000 ? " ms" : " s");
}
/// What of a limit was passed.
[[nodiscard, gnu::cold]] inline std::string limit_in_words(platform::clock::duration limit, bool idle) {
    return concat({idle ? "no output for " : "not done after ", duration_text(limit)});
}

} // namespace detail

/// A child ended otherwise than it should have. `subject()` is its command line; what() says how it ended and quotes
/// the beginning and the end of what it wrote to stderr.
class process_error : public error {
public:
    /// All that is known of it, with what was captured of what it wrote. It has been reaped, or given up: one that we
    /// may not signal.
    [[nodiscard]] const coproc::result& result() const noexcept { return *result_; }

protected:
    /// `why` comes before how it ended; empty if that is the reason.
    process_error(coproc::result r, std::string_view why, errc code)
        : process_error(std::make_shared<const coproc::result>(std::move(r)), why, code) {}
    /// Of one that ran with others: `line` tells of all of them.
    process_error(std::shared_ptr<const coproc::result> r, std::string line, std::string_view detail, errc code)
        : error("run", std::move(line), detail, code), result_(std::move(r)) {}

private:
    process_error(std::shared_ptr<const coproc::result> r, std::string_view why, errc code)
        : error("run", r->command_line, detail::describe_end(*r, why), code), result_(std::move(r)) {}

    std::shared_ptr<const coproc::result> result_;
};

/// Its exit status was not accepted.
class exit_error : public process_error {
public:
    explicit exit_error(coproc::result r) : process_error(std::move(r), {}, errc::unsuccessful) {}
};

/// It took longer than it was given, and was stopped. `code()` equals std::errc::timed_out.
class timeout_error : public process_error {
public:
    using duration = platform::clock::duration;

    /// `idle`: it was without output for that long; otherwise the limit was for the whole run.
    timeout_error(coproc::result r, duration limit, bool idle)
        : process_error(std::move(r), detail::limit_in_words(limit, idle), errc::timed_out), limit_(limit),
          idle_(idle) {}

    [[nodiscard]] duration limit() const noexcept { return limit_; }
    [[nodiscard]] bool idle() const noexcept { return idle_; }

private:
    duration limit_;
    bool idle_;
};

/// It wrote more than was to be captured (`capture::all`), and was stopped.
class output_limit_error : public process_error {
public:
    /// `stream` is "stdout" or "stderr".
    output_limit_error(coproc::result r, std::string_view stream, std::size_t limit)
        : process_error(std::move(r), detail::concat({"more than ", limit, " bytes on ", stream}), errc::output_limit),
          limit_(limit) {}

    /// In bytes.
    [[nodiscard]] std::size_t limit() const noexcept { return limit_; }

private:
    std::size_t limit_;
};

inline const result& result::check() const& {
    if (!accepted.accepts(status)) throw exit_error(*this);
    return *this;
}
inline result result::check() && {
    if (!accepted.accepts(status)) throw exit_error(std::move(*this));
    return std::move(*this);
}

} // namespace coproc
