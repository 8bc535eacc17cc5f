#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// job: a handle of what was queued, by which more is said about it.
//
//     job build = q.queue("make all").named("build");
//     q.queue("make test").retries(2, 1s).after(build);

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "../core/error.hpp"
#include "../loop/timers.hpp"
#include "job_node.hpp"
#include "queue_state.hpp"

namespace coproc {

/// Copyable; copies are handles of the same job. It may outlive the queue.
///
/// The verbs return the handle, so they chain. A job begins in a later turn of the loop than it was queued in, so what
/// is said about it at once is never too late; when it has begun each of them throws usage_error.
class job {
public:
    /// What it is called in results, errors and progress, in place of its command line. Need not be unique.
    job named(std::string name) const {
        waiting("named").name = std::move(name);
        return *this;
    }

    /// If it does not succeed, for whatever reason, a start that fails included, it is tried up to `times` times more:
    /// after `pause`, then after twice that, and so on. It keeps its place in the queue meanwhile, so that a sequence
    /// remains one. What the queue has stopped is not tried again. Throws std::invalid_argument for what is negative.
    template <std::integral Times, class Rep, class Period>
    job retries(Times times, std::chrono::duration<Rep, Period> pause) const {
        const auto first = to_clock_duration(pause);
        if (times < Times{}) throw std::invalid_argument("the number of retries is negative");
        if (first < first.zero()) throw std::invalid_argument("the pause between retries is negative");
        detail::job_node& j = waiting("retries");
        j.retries = static_cast<std::size_t>(times);
        j.pause = first;
        return *this;
    }
    /// The same without a pause.
    template <std::integral Times>
    job retries(Times times) const {
        return retries(times, std::chrono::seconds(0));
    }

    /// It begins when these have succeeded, and those named before. If one of them does not, it is skipped. Throws
    /// usage_error for a job of another queue, and if this one would come after itself by that: then the message names
    /// the jobs of the circle, and nothing has changed.
    template <std::same_as<job>... More>
    job after(const job& other, const More&... more) const {
        come_after(other);
        (come_after(more), ...);
        return *this;
    }

    /// As given, or the command line.
    [[nodiscard]] const std::string& name() const noexcept { return node_->title(); }
    [[nodiscard]] job_state state() const noexcept { return node_->state; }
    /// How often it has been tried by now.
    [[nodiscard]] std::size_t attempts() const noexcept { return node_->attempts; }

private:
    friend class command_queue;
    explicit job(std::shared_ptr<detail::job_node> node) noexcept : node_(std::move(node)) {}

    void come_after(const job& other) const {
        detail::job_node& mine = waiting("after");
        const std::shared_ptr<detail::queue_state> queue = node_->queue.lock();
        if (queue == nullptr || other.node_->queue.lock() != queue) {
            throw usage_error(detail::concat({"the job ", in_quotes(name()), " cannot come after ",
                                              in_quotes(other.name()), ": that is of another queue"}));
        }
        queue->come_after(mine, *other.node_);
    }
    [[nodiscard]] detail::job_node& waiting(const char* verb) const {
        if (state() == job_state::waiting) return *node_;
        throw usage_error(
            detail::concat({"the job ", in_quotes(name()), " has begun, or is over: too late for ", verb, "()"}));
    }

    std::shared_ptr<detail::job_node> node_;
};

} // namespace coproc
