#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// job_node: what a command_queue keeps of a job, from when it is queued until its result has been handed out; and
// longer, but without result and command, while somebody holds a handle of it.

#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/intrusive_list.hpp"
#include "../coro/task.hpp"
#include "../loop/event_loop.hpp"
#include "../loop/task_group.hpp"
#include "../process/async_process.hpp"
#include "../process/command.hpp"
#include "job_result.hpp"

namespace coproc::detail {

template <class>
class basic_queue_state;
using queue_state = basic_queue_state<void>;

struct job_node;

/// The child of a job while we talk with it; what stops it goes on beside that.
struct child_in_hand {
    child_in_hand(job_node& j, async_process& c) noexcept;
    child_in_hand(const child_in_hand&) = delete;
    child_in_hand& operator=(const child_in_hand&) = delete;
    ~child_in_hand();

    job_node& job;
    async_process& child;
    task_group stops;
};

/// Waits for the next attempt, or to be told that there will be none.
class job_pause final : timer, waiter {
public:
    job_pause(event_loop& loop, job_node& j, platform::clock::duration length) noexcept;
    job_pause(const job_pause&) = delete;
    job_pause& operator=(const job_pause&) = delete;
    ~job_pause();

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
        coroutine = handle;
        loop_.add(*this, deadline_after(length_));
    }
    void await_resume() const noexcept {}
    void cut_short() noexcept { loop_.schedule(*this); }

private:
    void on_timer() noexcept override { loop_.schedule(*this); }

    event_loop& loop_;
    job_node& job_;
    platform::clock::duration length_;
};

/// In the list of the jobs that are to be looked at, as fresh ones, as ended ones or as finished ones, or in none.
struct job_node : list_node {
    using duration = platform::clock::duration;
    struct place : list_node {
        explicit place(job_node* j) noexcept : job(j) {}
        job_node* job;
    };

    explicit job_node(command c) : what(std::move(c)), command_line(what->to_string()) {}

    [[nodiscard]] const std::string& title() const noexcept { return name.empty() ? command_line : name; }
    [[nodiscard]] bool is_over() const noexcept { return state != job_state::waiting && state != job_state::running; }
    [[nodiscard]] bool may_try_again() const noexcept { return attempts <= retries && !stop_told; }

    // ---- what is to be done ----
    std::optional<command> what; // until it is over
    std::string command_line;
    std::string name;
    std::size_t retries = 0;
    duration pause{};                                  // before the first of them
    std::vector<std::shared_ptr<job_node>> dependents; // those that come after it
    std::size_t conditions = 0;                        // how many it comes after that have not succeeded yet
    std::string bad_omen;                              // it comes after this, which will never succeed

    // ---- how far it has come ----
    job_state state = job_state::waiting;
    std::size_t attempts = 0;
    bool in_ready = false;
    bool stop_told = false;
    bool stopped = false;             // its child was, by that
    child_in_hand* in_hand = nullptr; // while it has one
    job_pause* pausing = nullptr;
    job_result outcome;

    // ---- where it belongs ----
    place in_order{this}; // among those whose results have not been handed out, as they were queued
    place among_running{this};
    std::size_t number = 0;
    std::weak_ptr<queue_state> queue;
    std::shared_ptr<job_node> self; // until it is handed out

    // ---- while a way through the dependents is looked for ----
    std::size_t seen = 0;
    job_node* seen_from = nullptr;
};

inline child_in_hand::child_in_hand(job_node& j, async_process& c) noexcept : job(j), child(c) { j.in_hand = this; }
inline child_in_hand::~child_in_hand() { job.in_hand = nullptr; }

inline job_pause::job_pause(event_loop& loop, job_node& j, platform::clock::duration length) noexcept
    : loop_(loop), job_(j), length_(length) {
    j.pausing = this;
}
inline job_pause::~job_pause() {
    job_.pausing = nullptr;
    loop_.remove(*this);
}

/// Whether there is a way from `from` to `to` by what comes after it; `seen_from` leads back then. `round` must be
/// another each time.
[[nodiscard]] inline bool leads_to(job_node& from, const job_node& to, std::size_t round) {
    std::vector<job_node*> open(1, &from);
    from.seen = round;
    while (!open.empty()) {
        job_node* const here = open.back();
        open.pop_back();
        if (here == &to) return true;
        for (const std::shared_ptr<job_node>& next : here->dependents) {
            if (std::exchange(next->seen, round) == round) continue;
            next->seen_from = here;
            open.push_back(next.get());
        }
    }
    return false;
}

/// What is to come after `last`, and `last` after it, as just found by `leads_to`.
[[noreturn, gnu::cold]] inline void refuse_cycle(const job_node& first, const job_node& last) {
    constexpr int most = 8;
    std::string text = concat({"the job ", in_quotes(first.title()), " cannot come after "});
    if (&first == &last) throw usage_error(text.append("itself"));
    text.append(in_quotes(last.title()));
    int named = 0;
    for (const job_node* at = &last; at != &first; at = at->seen_from) {
        if (named++ == most && at->seen_from != &first) {
            text.append(", which comes, by way of others, after ").append(in_quotes(first.title()));
            break;
        }
        text.append(", which comes after ").append(in_quotes(at->seen_from->title()));
    }
    throw usage_error(text);
}

} // namespace coproc::detail
