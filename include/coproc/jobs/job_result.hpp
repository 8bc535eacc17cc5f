#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// job_result: what became of a job of a command_queue.

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../process/process_error.hpp"
#include "../process/result.hpp"

namespace coproc {

enum class job_state : unsigned char {
    waiting,     ///< for a place, or for those that it comes after
    running,     ///< also between two attempts
    succeeded,   ///< its child ended in time and as its command accepts
    failed,      ///< its child did not, or was stopped
    not_started, ///< no program could be run
    skipped,     ///< never begun: one that it comes after did not succeed, or the queue was stopped
    cancelled,   ///< the queue was cancelled or destroyed before it was over; what its child did is not known
};

/// A `result`, which is as good as empty, its status unknown, where no child has run to its end, with what the queue
/// knows besides. Of several attempts it is that of the last.
struct job_result : result {
    std::string name; ///< its command line if it was given none
    job_state state = job_state::waiting;
    std::size_t attempts = 0;
    std::string reason;       ///< why it has not succeeded, in a few words; empty if it has
    std::exception_ptr error; ///< what was thrown at it: spawn_error, timeout_error …; null if nothing was

    /// It has succeeded.
    [[nodiscard]] explicit operator bool() const noexcept { return state == job_state::succeeded; }

    /// The result itself if it has succeeded. Otherwise throws its `error`; exit_error for an exit status that is not
    /// accepted; queue_error if it was stopped, skipped or cancelled.
    const job_result& check() const&;
};

/// Not all jobs have succeeded. what() names those that have not, the first ones of many, and says why.
class queue_error : public error {
public:
    explicit queue_error(const std::vector<job_result>& all) : queue_error(all.size(), unsuccessful(all)) {}

    /// Those that have not succeeded, in the order given.
    [[nodiscard]] const std::vector<job_result>& failed() const noexcept { return *failed_; }

private:
    using list = std::shared_ptr<const std::vector<job_result>>;

    queue_error(std::size_t all, const list& failed)
        : error("run", detail::concat({all, all == 1 ? " job" : " jobs"}), describe(*failed), errc::unsuccessful),
          failed_(failed) {}

    static list unsuccessful(const std::vector<job_result>& all) {
        std::vector<job_result> some;
        for (const job_result& each : all) {
            if (!each) some.push_back(each);
        }
        return std::make_shared<const std::vector<job_result>>(std::move(some));
    }
    static std::string describe(const std::vector<job_result>& failed) {
        constexpr std::size_t most = 10;
        std::string text = detail::concat({failed.size(), " did not succeed"});
        std::size_t named = 0;
        for (const job_result& each : failed) {
            if (named++ == most) return text.append(" …");
            text.append(named == 1 ? ": " : ", ").append(in_quotes(each.name));
            text.append(" (").append(each.reason).append(")");
        }
        return text;
    }

    list failed_;
};

inline const job_result& job_result::check() const& {
    if (*this) return *this;
    if (error) std::rethrow_exception(error);
    if (state == job_state::failed && !stopped && !accepted.accepts(status)) throw exit_error(*this);
    throw queue_error(std::vector<job_result>(1, *this));
}

/// Throws queue_error, one for all, if not all have succeeded.
inline void check(const std::vector<job_result>& results) {
    for (const job_result& each : results) {
        if (!each) throw queue_error(results);
    }
}

/// What `execute_all` yields: a vector, which is one of plain results as well where that is all that is asked for.
class job_results : public std::vector<job_result> {
public:
    using std::vector<job_result>::vector;

    /// Throws queue_error if not all have succeeded.
    const job_results& check() const {
        coproc::check(*this);
        return *this;
    }

    // NOLINTBEGIN(google-explicit-constructor): std::vector<result> all = co_await q.execute_all();
    operator std::vector<result>() const& { return {begin(), end()}; }
    operator std::vector<result>() && {
        std::vector<result> plain;
        plain.reserve(size());
        for (job_result& each : *this) plain.push_back(static_cast<result&&>(each));
        return plain;
    }
    // NOLINTEND(google-explicit-constructor)
};

} // namespace coproc
