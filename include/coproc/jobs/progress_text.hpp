#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// How the progress of a queue is worded: a line for a terminal of some width, and the lines of a log. Nothing here
// writes or asks the time.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "../core/concat.hpp"
#include "../data/utf8.hpp"
#include "../platform/contract.hpp"
#include "progress.hpp"

namespace coproc::detail {

// ---- what may be shown of a text ----

/// The code point of a well-formed character.
[[nodiscard]] inline std::uint32_t utf8_code(std::string_view character) noexcept {
    const auto first = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return first;
    std::uint32_t code = first & (0x7FU >> character.size());
    for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3FU);
    return code;
}

/// Whether a terminal may do something else than show it: control characters, and those that turn the direction of
/// writing or end the line.
[[nodiscard]] constexpr bool commands_terminal(std::uint32_t code) noexcept {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF;
}

/// At least as many columns as it takes. What is wide begins at U+1100, and beyond U+2300 it is the rule: the narrow
/// ones there are counted as wide, so that a line is rather cut too early than wrapped.
[[nodiscard]] constexpr std::size_t columns_of(std::uint32_t code) noexcept {
    return code < 0x1100 || (code >= 0x1160 && code < 0x2300) ? 1 : 2;
}

/// A line of so many columns at the most: what does not fit is cut between two characters and gives way to dots. What
/// must not or cannot be shown is a question mark.
class screen_row {
public:
    static constexpr std::size_t endless = static_cast<std::size_t>(-1);
    explicit screen_row(std::size_t columns = endless) noexcept : columns_(columns) {}

    screen_row& add(std::string_view text) {
        while (!text.empty() && !full_) {
            const utf8_part part = utf8_first(text);
            add_character(text.substr(0, part.size), part.what == utf8_part::character);
            text.remove_prefix(part.size);
        }
        return *this;
    }
    [[nodiscard]] bool full() const noexcept { return full_; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    static constexpr std::string_view dots = "...";

    void add_character(std::string_view bytes, bool well_formed) {
        const std::uint32_t code = well_formed ? utf8_code(bytes) : 0;
        if (commands_terminal(code)) put("?", 1);
        else put(bytes, columns_of(code));
    }
    void put(std::string_view bytes, std::size_t width) {
        if (width > columns_ - used_) return cut();
        text_ += bytes;
        used_ += width;
        if (columns_ >= dots.size() && used_ <= columns_ - dots.size()) before_dots_ = text_.size();
    }
    void cut() {
        full_ = true;
        if (columns_ < dots.size()) return;
        text_.resize(before_dots_);
        text_ += dots;
    }

    std::string text_;
    std::size_t columns_;
    std::size_t used_ = 0;
    std::size_t before_dots_ = 0; // where dots still fit
    bool full_ = false;
};

// ---- times and numbers ----

/// A number of tenths: "3.1", and from ten on "12".
[[nodiscard]] inline std::string tenths_text(std::uint64_t tenths) {
    if (tenths >= 100) return to_text(tenths / 10);
    return concat({tenths / 10, ".", tenths % 10});
}

/// "3.1 s", "27 s", "5 min 12 s", "2 h 10 min".
[[nodiscard]] inline std::string time_text(platform::clock::duration time) {
    const auto told = time / std::chrono::milliseconds(100);
    const std::uint64_t tenths = told < 0 ? 0 : static_cast<std::uint64_t>(told);
    const std::uint64_t s = tenths / 10;
    if (s < 100) return concat({tenths_text(tenths), " s"});
    if (s < 6000) return concat({s / 60, " min ", s % 60, " s"});
    return concat({s / 3600, " h ", s / 60 % 60, " min"});
}

// ---- how fast it goes ----

/// The mean time from one end to the next: of all at first, and then the more recent count the more.
class pace {
public:
    void note(const queue_progress& now) noexcept {
        if (now.done < done_ || now.elapsed < since_) *this = {}; // another queue: of the last no end was told
        if (now.done == done_) return;
        const auto ended = static_cast<double>(now.done - done_);
        const double each = static_cast<double>((now.elapsed - since_).count()) / ended;
        mean_ += (each - mean_) * std::min(1.0, ended / static_cast<double>(std::min(now.done, memory)));
        done_ = now.done;
        since_ = now.elapsed;
    }

    /// Nothing is known before each that ran at first is likely to have ended, and a second has passed.
    [[nodiscard]] bool known(const queue_progress& now) const noexcept {
        return done_ >= 2 && done_ >= now.running && since_ >= std::chrono::seconds(1) && mean_ >= 1;
    }
    /// "3.1/s", or "12/min" or "2.5/h" where that says more.
    [[nodiscard]] std::string rate() const {
        const double in_a_second = 1e9 / mean_in_ns();
        if (in_a_second >= 0.5) return concat({tenths_text(rounded(in_a_second * 10)), "/s"});
        if (in_a_second >= 0.5 / 60) return concat({tenths_text(rounded(in_a_second * 600)), "/min"});
        return concat({tenths_text(rounded(in_a_second * 36000)), "/h"});
    }
    /// Until all is done; in whole seconds, rounded up.
    [[nodiscard]] std::string left(const queue_progress& now) const {
        const double s = mean_in_ns() * static_cast<double>(now.total - std::min(now.done, now.total)) / 1e9;
        auto whole = static_cast<std::uint64_t>(std::min(s, 1e9));
        if (static_cast<double>(whole) < s) ++whole;
        return whole < 10 ? concat({whole, " s"}) : time_text(std::chrono::seconds(whole));
    }

private:
    static constexpr std::size_t memory = 32;

    // <cmath> is slow to compile.
    [[nodiscard]] static std::uint64_t rounded(double positive) noexcept {
        const auto whole = static_cast<std::uint64_t>(positive);
        return positive - static_cast<double>(whole) < 0.5 ? whole : whole + 1;
    }
    [[nodiscard]] double mean_in_ns() const noexcept {
        constexpr double tick = 1e9 * platform::clock::period::num / platform::clock::period::den;
        return mean_ * tick;
    }

    double mean_ = 0; // in ticks of the clock
    std::size_t done_ = 0;
    platform::clock::duration since_{};
};

// ---- the lines ----

/// "[####......] "
[[nodiscard]] inline std::string gauge(const queue_progress& now) {
    constexpr std::size_t cells = 10;
    const std::size_t done = std::min(now.done, now.total);
    // In floating point, which does not overflow.
    const double part = now.total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(now.total);
    std::string text(cells, '.');
    std::fill_n(text.begin(), static_cast<std::size_t>(part * cells), '#');
    return concat({"[", text, "] "});
}

/// What is seen while it runs. `names` are those that run, with commas between them.
[[nodiscard]] inline std::string live_line(const queue_progress& now, const pace& speed, std::string_view names,
                                           std::size_t columns) {
    screen_row row(columns);
    if (columns >= 60) row.add(gauge(now));
    row.add(concat({now.done, "/", now.total, ", ", now.running, " running"}));
    if (now.failed > 0) row.add(concat({", ", now.failed, " failed"}));
    if (speed.known(now)) {
        row.add(concat({", ", speed.rate()}));
        if (now.done < now.total) row.add(concat({", ", speed.left(now), " left"}));
    }
    if (!names.empty()) row.add(": ").add(names);
    return row.text();
}

/// What is left of it in the end.
[[nodiscard]] inline std::string last_line(const queue_progress& now, std::size_t columns = screen_row::endless) {
    screen_row row(columns);
    row.add(concat({now.done, "/", now.total, " done"}));
    if (now.failed > 0) row.add(concat({", ", now.failed, " failed"}));
    return row.add(concat({", in ", time_text(now.elapsed)})).text();
}

/// What a log has of the end of a job.
[[nodiscard]] inline std::string ending_line(const queue_progress& now, const job_ending& job) {
    screen_row row;
    row.add(concat({"[", now.done, "/", now.total, "] "}));
    row.add(job.succeeded ? "ok " : job.again ? "again " : "FAILED ").add(job.name);
    if (!job.reason.empty()) row.add(": ").add(job.reason);
    else if (!job.succeeded) row.add(": ").add(job.status.to_string());
    return row.add(concat({" (", time_text(job.elapsed), ")"})).text();
}

} // namespace coproc::detail
