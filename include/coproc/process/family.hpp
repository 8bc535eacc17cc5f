#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// family: a child together with all whom its command's reach takes in. It signals them, counts those who are left, and
// tells when nobody is. The child itself is looked after by its child_watch.

#include <cstddef>
#include <memory>

#include "../loop/event_loop.hpp"
#include "../platform/extent.hpp"
#include "../platform/platform.hpp"

namespace coproc::detail {

/// What is behind it is told by a table and not by virtual functions: of those GCC, which sees one class only, guesses
/// that it will be that one, and makes all of it part of every program (20 KB).
class family {
public:
    struct verbs {
        void (*destroy)(family*) noexcept;
        void (*leader_is_reaped)(family&) noexcept;
        void (*leader_may_end)(const family&) noexcept;
        bool (*send)(family&, int number) noexcept;
        std::size_t (*count)(family&) noexcept;
        void (*add)(family&, event_loop& loop, waiter& w);
        void (*tell_when_gone)(family&, event_loop& loop, event_target& target);
        void (*leave_loop)(family&) noexcept;
    };

    family(const family&) = delete;
    family& operator=(const family&) = delete;

    /// From now on the leader's number may be somebody else's.
    void leader_is_reaped() noexcept { verbs_->leader_is_reaped(*this); }
    /// To be called while the leader can still be reaped, if the others must not outlive it unseen.
    void leader_may_end() const noexcept { verbs_->leader_may_end(*this); }
    /// To everybody who is there now. False if there is nobody.
    bool send(int number) noexcept { return verbs_->send(*this, number); }
    /// How many are there besides the leader, who must have ended. Zombies are not.
    [[nodiscard]] std::size_t count() noexcept { return verbs_->count(*this); }
    /// Schedules `w` once nobody is left, which is not looked at before the next turn. Throws std::bad_alloc.
    void add(event_loop& loop, waiter& w) { verbs_->add(*this, loop, w); }
    /// Calls `target.on_event` in a turn after nobody is left. Throws std::bad_alloc.
    void tell_when_gone(event_loop& loop, event_target& target) { verbs_->tell_when_gone(*this, loop, target); }
    /// The loop ends, or nobody will ask any more.
    void leave_loop() noexcept { verbs_->leave_loop(*this); }

    struct destroyer {
        void operator()(family* f) const noexcept { f->verbs_->destroy(f); }
    };

protected:
    explicit family(const verbs& v) noexcept : verbs_(&v) {}
    ~family() = default;

private:
    const verbs* verbs_;
};

using family_owner = std::unique_ptr<family, family::destroyer>;

/// How one is made. A command that reaches further than its process has one of these.
struct family_maker {
    family_owner (*make)(const platform::child& leader, platform::extent how_far);
    platform::extent_refusal (*refusal)(const platform::extent& how_far);
};

} // namespace coproc::detail
