#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Those that a child has brought along, on Linux: found in /proc or in a control group, and each held by a pidfd, so
// that a signal never reaches a stranger who has got the number of one that has ended.

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "cgroup_linux.hpp"
#include "child_linux.hpp"
#include "extent.hpp"
#include "pipe.hpp"
#include "proc_linux.hpp"

namespace coproc::platform {

/// A process that is not our child. Without a descriptor for a pidfd its pid and the time of its start name it.
class relative {
public:
    /// Whoever has this pid at the moment.
    explicit relative(pid_t pid) noexcept : pid_(pid), pidfd_(open(pid)) {}

    /// `is_meant(facts)` is asked of the process that is held, and of no other. False if it is not meant, or has ended.
    template <class Meant>
    [[nodiscard]] bool check(Meant is_meant) noexcept {
        const std::optional<process_facts> now = facts_of(pid_);
        if (!now || !is_meant(*now)) return false;
        started_ = now->started;
        return !has_ended(); // so those were its facts
    }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    /// Polls readable when it has ended; -1 if there is none.
    [[nodiscard]] int exit_fd() const noexcept { return pidfd_.get(); }

    /// Gone, or a zombie of its parent's.
    [[nodiscard]] bool has_ended() const noexcept {
        if (!pidfd_) return !is_the_same();
        pollfd exit{pidfd_.get(), POLLIN, 0};
        return ::poll(&exit, 1, 0) == 1;
    }
    /// It does nothing, at least until it is told to go on.
    [[nodiscard]] bool is_still() const noexcept { return has_stopped(facts_of(pid_)) || has_ended(); }
    [[nodiscard]] bool is_in_group(pid_t group) const noexcept {
        const std::optional<process_facts> now = facts_of(pid_);
        return now && now->group == group;
    }

    bool send_signal(int number) const noexcept {
        // A sandbox may refuse this call of all those with pidfds.
        if (pidfd_) {
            return send_by(pidfd_, number) || (errno != ESRCH && !has_ended() && ::kill(pid_, number) == 0);
        }
        const unique_fd now = open(pid_); // there may be a descriptor by now
        if (!is_the_same()) return false;
        return send_by(now, number) || (errno != ESRCH && is_the_same() && ::kill(pid_, number) == 0);
    }

private:
    static unique_fd open(pid_t pid) noexcept {
        return out_of_the_way(above_stdio(unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)))));
    }
    static bool send_by(const unique_fd& pidfd, int number) noexcept {
        return ::syscall(SYS_pidfd_send_signal, pidfd.get(), number, nullptr, 0U) == 0;
    }
    [[nodiscard]] bool is_the_same() const noexcept {
        const std::optional<process_facts> now = facts_of(pid_);
        return now && now->started == started_ && now->state != 'Z' && now->state != 'X';
    }

    pid_t pid_;
    unsigned long long started_ = 0;
    unique_fd pidfd_;
};

/// All of them, as far as a signal is to go.
class relatives {
public:
    explicit relatives(extent how_far) noexcept : reach_(std::move(how_far)) {}

    [[nodiscard]] const extent& reach() const noexcept { return reach_; }
    /// Others than those in the child's group, whom a signal to the group does not reach.
    [[nodiscard]] bool go_beyond_the_group() const noexcept { return reach_.descendants || !reach_.cgroup.empty(); }

    /// Forgets who has ended, and takes in whoever else there is now. Who was found stays, whatever becomes of his
    /// parent. Throws std::bad_alloc.
    void look(const child& leader, bool is_reaped) {
        for (int round = 0; round < most_rounds; ++round) {
            if (!look_once(leader, is_reaped) || !go_beyond_the_group()) return;
        }
    }
    /// How many are left, as of the last look.
    [[nodiscard]] std::size_t size() const noexcept { return all_.size() + (unseen_ ? 1 : 0); }
    /// Polls readable when one of them has ended; -1 if there is none.
    [[nodiscard]] int exit_fd() const noexcept {
        for (const relative& r : all_) {
            if (r.exit_fd() >= 0) return r.exit_fd();
        }
        return -1;
    }
    /// One may be born and orphaned between two looks, and is nobody's descendant any more.
    [[nodiscard]] bool must_be_looked_for() const noexcept { return reach_.descendants; }

    /// To each that is known, but for those who are in this group. False if to nobody.
    bool send(int number, pid_t but_not_in_group) const noexcept {
        bool sent = false;
        for (const relative& r : all_) {
            if (but_not_in_group > 0 && r.is_in_group(but_not_in_group)) continue;
            sent = r.send_signal(number) || sent;
        }
        return sent;
    }

    /// SIGKILL to all that there are, and that they are forking meanwhile; the child and its group are left to the
    /// caller, who must kill them next. False if to nobody. Throws std::bad_alloc.
    bool kill(const child& leader, bool is_reaped) {
        bool killed = false;
        if (!reach_.cgroup.empty() && !is_in_cgroup(reach_.cgroup)) killed = kill_cgroup(reach_.cgroup);
        if (reach_.descendants) make_still(leader, is_reaped);
        for (int round = 0; round < most_rounds; ++round) {
            killed = send(SIGKILL, 0) || killed;
            if (!go_beyond_the_group() || !look_once(leader, is_reaped)) break;
        }
        return killed;
    }

private:
    static constexpr int most_rounds = 64; // whoever forks faster than that is not to hold us up for ever

    // Who is killed leaves children that nobody can tell as his any more. So first all are stopped, each as it is
    // found: who has stopped forks no more. Once all of them had, a look that finds nobody new has found everybody.
    void make_still(const child& leader, bool is_reaped) {
        if (!is_reaped) leader.send_signal(SIGSTOP);
        // A signal may come in the middle of a fork, which takes a moment to end; but one that is deep in a driver is
        // not waited for.
        const clock::time_point patience = clock::now() + std::chrono::milliseconds(20);
        for (int found_some = 0; found_some < most_rounds;) {
            const bool were_still = all_are_still(leader, is_reaped);
            if (look_once(leader, is_reaped)) {
                ++found_some;
                send(SIGSTOP, 0);
                continue;
            }
            if (were_still || clock::now() > patience) return;
            ::sched_yield();
        }
    }
    [[nodiscard]] bool all_are_still(const child& leader, bool is_reaped) const noexcept {
        return (is_reaped || leader.has_ended() || has_stopped(facts_of(leader.pid()))) &&
               std::all_of(all_.begin(), all_.end(), [](const relative& r) { return r.is_still(); });
    }

    // True if somebody was new.
    bool look_once(const child& leader, bool is_reaped) {
        all_.erase(std::remove_if(all_.begin(), all_.end(), [](const relative& r) { return r.has_ended(); }),
                   all_.end());
        leader_ = is_reaped ? 0 : leader.pid();
        const std::size_t before = all_.size();
        if (reach_.group) find_group(leader, is_reaped);
        if (reach_.descendants) find_descendants(leader);
        if (!reach_.cgroup.empty()) find_cgroup();
        return all_.size() > before;
    }

    // As long as anybody is in it, its number is no other group's: if it is still there after somebody was seen to be
    // in a group of this number, it was this one.
    void find_group(const child& leader, bool is_reaped) {
        const pid_t group = leader.pid();
        unseen_ = false;
        if (!leader.has_group(is_reaped)) return;
        const bool seen = for_each_process([&](pid_t pid) {
            if (!is_unknown(pid)) return;
            const auto is_in_it = [&](const process_facts& f) { return f.group == group; };
            const std::optional<process_facts> about = facts_of(pid);
            if (!about || !is_in_it(*about)) return;
            take(pid, [&](const process_facts& f) { return is_in_it(f) && leader.has_group(is_reaped); });
        });
        unseen_ = !seen; // without /proc all that is known is that somebody is there, or the zombie of one
    }

    void find_descendants(const child& leader) {
        if (!lists_children()) return find_descendants_among_all(leader);
        const auto find_of = [&](pid_t parent, std::size_t place) {
            for_each_listed_child(parent, [&](pid_t pid) { take_child(pid, parent, place, leader); });
        };
        if (leader_ > 0) find_of(leader_, of_leader);
        for (std::size_t at = 0; at < all_.size(); ++at) find_of(all_[at].pid(), at); // those found now as well
    }
    // As if it were a kernel without lists of children. One generation each time, at least.
    void find_descendants_among_all(const child& leader) {
        for_each_process([&](pid_t pid) {
            const std::optional<process_facts> about = facts_of(pid);
            if (!about) return;
            if (about->parent == leader_ && leader_ > 0) return take_child(pid, leader_, of_leader, leader);
            for (std::size_t at = 0; at < all_.size(); ++at) {
                if (all_[at].pid() == about->parent) return take_child(pid, about->parent, at, leader);
            }
        });
    }
    static constexpr std::size_t of_leader = static_cast<std::size_t>(-1);

    // A parent that is still there afterwards was there all the time, so the number was his.
    void take_child(pid_t pid, pid_t parent, std::size_t place_of_parent, const child& leader) {
        take(pid, [&](const process_facts& f) {
            return f.parent == parent &&
                   !(place_of_parent == of_leader ? leader.has_ended() : all_[place_of_parent].has_ended());
        });
    }

    // Listed before it was opened and listed afterwards: the number was one and the same process's, or that one has
    // ended.
    void find_cgroup() {
        const std::size_t before = all_.size();
        for (const pid_t pid : cgroup_members(reach_.cgroup)) {
            take(pid, [](const process_facts&) { return true; });
        }
        if (all_.size() == before) return;
        const std::vector<pid_t> still = cgroup_members(reach_.cgroup);
        const auto fresh = all_.begin() + static_cast<std::ptrdiff_t>(before);
        all_.erase(std::remove_if(fresh, all_.end(),
                                  [&](const relative& r) {
                                      return std::find(still.begin(), still.end(), r.pid()) == still.end();
                                  }),
                   all_.end());
    }

    [[nodiscard]] bool is_unknown(pid_t pid) const noexcept {
        return pid > 1 && pid != leader_ && pid != ::getpid() &&
               std::none_of(all_.begin(), all_.end(), [&](const relative& r) { return r.pid() == pid; });
    }
    template <class Meant>
    void take(pid_t pid, Meant is_meant) {
        if (!is_unknown(pid)) return;
        relative found(pid);
        if (found.check(is_meant)) all_.push_back(std::move(found));
    }

    extent reach_;
    std::vector<relative> all_;
    pid_t leader_ = 0; // until it has been reaped
    bool unseen_ = false;
};

/// Throws std::bad_alloc.
[[nodiscard]] inline extent_refusal refusal_of(const extent& how_far) {
    if (how_far.descendants && !facts_of(::getpid())) return {ENOTSUP, "finding descendants takes /proc"};
    if (!how_far.cgroup.empty() && is_in_cgroup(how_far.cgroup)) return {EPERM, "this process is in the control group"};
    return {};
}

} // namespace coproc::platform
