#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// pipeline_result: all that is to be known of a pipeline that has ended, and the error that tells of one that failed.

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../loop/timers.hpp"
#include "../process/process_error.hpp"
#include "../process/result.hpp"

namespace coproc {

struct pipeline_result {
    std::vector<result> stages; ///< in the order of the commands; only the last one has its stdout
    /// The numbers, from 0, of those that make it a failure, rising. One does that by an end that its command does not
    /// accept (pipefail), or by its time or its capture limit. These do not:
    /// - one that was stopped since another one had passed such a bound;
    /// - one before the last that was ended by SIGPIPE, if its command says nothing of what counts: who reads from it
    ///   had enough, as in `yes | head -1`. `ok_codes(0)` makes that a failure, too.
    std::vector<std::size_t> failed;
    std::string complaint;               ///< of each of those, in words; empty if there is none
    std::string command_line;            ///< as a shell would read it
    platform::clock::duration elapsed{}; ///< of the stage that took longest
    bool timed_out = false;              ///< all of it, or one of its stages

    [[nodiscard]] const result& last() const noexcept { return stages.back(); }
    /// What was captured of the stdout of the last one.
    [[nodiscard]] const std::string& out() const noexcept { return stages.back().out; }
    [[nodiscard]] bool success() const noexcept { return failed.empty(); }

    /// The result itself if none has failed; throws pipeline_error if not.
    const pipeline_result& check() const&;
    pipeline_result check() &&;
};

/// A stage of a pipeline ended otherwise than it should have, or its time was over. `subject()` is the whole line;
/// what() tells of each stage that failed, with what it wrote to stderr. `code()` equals std::errc::timed_out if it was
/// the time.
///
/// `result()` and `stage()` are of one of these: of the last one that had passed a bound, if one had, else of the last
/// one, as in a shell.
class pipeline_error : public process_error {
public:
    explicit pipeline_error(pipeline_result r)
        : pipeline_error(std::make_shared<const pipeline_result>(std::move(r))) {}

    /// All of them.
    [[nodiscard]] const pipeline_result& whole() const noexcept { return *all_; }
    /// The number of the one that is blamed, from 0.
    [[nodiscard]] std::size_t stage() const noexcept { return stage_of(*all_); }

private:
    explicit pipeline_error(std::shared_ptr<const pipeline_result> all)
        : process_error(std::shared_ptr<const coproc::result>(all, &all->stages[stage_of(*all)]), all->command_line,
                        all->complaint, code_of(*all)),
          all_(std::move(all)) {}

    static std::size_t stage_of(const pipeline_result& all) noexcept {
        for (auto number = all.failed.rbegin(); number != all.failed.rend(); ++number) {
            if (all.stages[*number].stopped) return *number;
        }
        return all.failed.empty() ? all.stages.size() - 1 : all.failed.back();
    }
    static errc code_of(const pipeline_result& all) noexcept {
        const coproc::result& blamed = all.stages[stage_of(all)];
        if (blamed.timed_out) return errc::timed_out;
        return blamed.stopped ? errc::output_limit : errc::unsuccessful;
    }

    std::shared_ptr<const pipeline_result> all_;
};

inline const pipeline_result& pipeline_result::check() const& {
    if (!success()) throw pipeline_error(*this);
    return *this;
}
inline pipeline_result pipeline_result::check() && {
    if (!success()) throw pipeline_error(std::move(*this));
    return std::move(*this);
}

/// What came of a pipeline that was only tried.
struct pipeline_attempt : pipeline_result {
    std::optional<spawn_error>
        not_started; ///< why not all programs have run, if that is so; the results are blank then
    /// What else `execute` would have thrown but for its stages: stream_error, usage_error, what a sink has thrown.
    std::exception_ptr failure;

    /// All stages were started and none has failed.
    [[nodiscard]] explicit operator bool() const noexcept { return !not_started && failure == nullptr && success(); }
    /// Throws what `execute` would have thrown.
    void check() const {
        if (not_started) throw spawn_error(*not_started);
        if (failure != nullptr) std::rethrow_exception(failure);
        pipeline_result::check();
    }
    /// In words; empty if all is well.
    [[nodiscard]] std::string why() const {
        return detail::what_is_thrown_by([this] { check(); });
    }
};

} // namespace coproc
