#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// pipeline: commands of which each reads what the one before it writes, as a value.
//
//     std::string n = co_await output(command("cat", log) | command("grep", "x") | command("wc", "-l"));
//
// It is run by what run_pipeline.hpp has: execute, try_execute, output, lines.

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../loop/timers.hpp"
#include "../process/command.hpp"
#include "../process/stdio.hpp"

namespace coproc {

/// Copyable and reusable, as its commands are. Each says for itself what it says: the first one's stdin, the last one's
/// stdout, every stderr, bounds, judgement. What lies between two of them is a pipe of the kernel's, of which we hold
/// neither end while they run, so no byte of it passes through us: a command that says something else of its stdout,
/// and has one after it, or of its stdin, and has one before it, is refused by `|` (usage_error). `err(stdio::to_out)`
/// sends stderr down the same pipe.
class pipeline {
public:
    /// Of one stage, to begin with.
    explicit pipeline(command first) { stages_.push_back(std::move(first)); }

    // ---- one more, at the end ----

    pipeline& operator|=(command next) {
        check_output(stages_.back());
        check_input(next);
        stages_.push_back(std::move(next));
        return *this;
    }
    pipeline& operator|=(pipeline more) {
        check_output(stages_.back());
        check_input(more.stages_.front());
        for (command& each : more.stages_) stages_.push_back(std::move(each));
        if (more.timeout_ && (!timeout_ || *more.timeout_ < *timeout_)) timeout_ = more.timeout_;
        return *this;
    }

    // ---- bounds and judgement of the whole ----

    /// How long all of it may take, from when all programs run; then every stage that still runs is stopped. Of two
    /// pipelines that become one the shorter time holds. The timeout of a command is that of its stage. Throws
    /// std::invalid_argument for none at all, or less.
    template <class Rep, class Period>
    pipeline& timeout(std::chrono::duration<Rep, Period> d) {
        const auto length = to_clock_duration(d);
        if (length <= platform::clock::duration::zero()) {
            throw std::invalid_argument("the timeout of a pipeline is not positive");
        }
        timeout_ = length;
        return *this;
    }
    /// However its stages end is all right, as if each command said so.
    pipeline& unchecked() {
        for (command& each : stages_) each.unchecked();
        return *this;
    }

    // ---- what was said ----

    /// At least one.
    [[nodiscard]] const std::vector<command>& stages() const noexcept { return stages_; }
    [[nodiscard]] const std::optional<platform::clock::duration>& timeout() const noexcept { return timeout_; }

    /// One line, which a shell would read back as the same pipeline; but a secret is ***.
    [[nodiscard]] std::string to_string() const {
        std::string line;
        for (const command& each : stages_) {
            if (!line.empty()) line.append(" | ");
            line.append(each.to_string());
        }
        return line;
    }

private:
    static void check_output(const command& before) {
        const std::optional<stdio>& said = before.stdio_of(1);
        if (!said || said->is(stdio::pipe)) return;
        refuse(before, "stdout", "before");
    }
    static void check_input(const command& after) {
        const std::optional<stdio>& said = after.stdio_of(0);
        if (!said || said->is(stdio::pipe)) return;
        refuse(after, "stdin", "behind");
    }
    [[noreturn, gnu::cold]] static void refuse(const command& c, const char* stream, const char* where) {
        throw usage_error(detail::concat({stream, " of ", c.to_string(), ", which stands ", where,
                                          " another one in a pipeline, is said to be something else than a pipe"}));
    }

    std::vector<command> stages_;
    std::optional<platform::clock::duration> timeout_;
};

[[nodiscard]] inline pipeline operator|(command first, command second) {
    pipeline both(std::move(first));
    both |= std::move(second);
    return both;
}
[[nodiscard]] inline pipeline operator|(pipeline so_far, command next) {
    so_far |= std::move(next);
    return so_far;
}
[[nodiscard]] inline pipeline operator|(command first, pipeline rest) {
    pipeline all(std::move(first));
    all |= std::move(rest);
    return all;
}
[[nodiscard]] inline pipeline operator|(pipeline so_far, pipeline rest) {
    so_far |= std::move(rest);
    return so_far;
}

} // namespace coproc
