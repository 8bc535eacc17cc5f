#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A doubly linked list whose nodes live in their owners: nothing is allocated to wait in it, and a node that is
// destroyed has left it.

#include <cassert>

namespace coproc {

/// A place in at most one list. Leaves it when destroyed.
class list_node {
public:
    list_node() noexcept = default;
    /// Only a node that is in no list can be moved: the list knows it by its address.
    list_node(list_node&& other) noexcept {
        assert(!other.linked());
        static_cast<void>(other);
    }
    list_node& operator=(list_node&&) = delete;
    ~list_node() { unlink(); }

    [[nodiscard]] bool linked() const noexcept { return next_ != this; }

    void unlink() noexcept {
        previous_->next_ = next_;
        next_->previous_ = previous_;
        next_ = previous_ = this;
    }

private:
    template <class>
    friend class intrusive_list;

    void insert_before(list_node& next) noexcept {
        assert(!linked());
        next_ = &next;
        previous_ = next.previous_;
        previous_->next_ = this;
        next.previous_ = this;
    }

    list_node* next_ = this;
    list_node* previous_ = this;
};

/// First in, first out. `T` derives from `list_node`.
template <class T>
class intrusive_list {
public:
    intrusive_list() noexcept = default;
    intrusive_list(const intrusive_list&) = delete;
    intrusive_list& operator=(const intrusive_list&) = delete;
    /// The nodes stay, in no list.
    ~intrusive_list() {
        while (!empty()) head_.next_->unlink();
    }

    [[nodiscard]] bool empty() const noexcept { return !head_.linked(); }
    void push_back(T& node) noexcept { static_cast<list_node&>(node).insert_before(head_); }
    /// It comes before all that are here.
    void push_front(T& node) noexcept { static_cast<list_node&>(node).insert_before(*head_.next_); }

    /// The list must not be empty.
    [[nodiscard]] T& front() noexcept { return static_cast<T&>(*head_.next_); }
    /// Unlinks the first; the list must not be empty.
    T& pop_front() noexcept {
        auto& first = static_cast<T&>(*head_.next_);
        static_cast<list_node&>(first).unlink();
        return first;
    }

    /// `f` must not unlink any.
    template <class F>
    void for_each(F f) {
        for (list_node* at = head_.next_; at != &head_; at = at->next_) f(static_cast<T&>(*at));
    }

    /// Everything in `other` comes behind what is here.
    void take(intrusive_list& other) noexcept {
        if (other.empty()) return;
        list_node* const first = other.head_.next_;
        list_node* const last = other.head_.previous_;
        other.head_.next_ = other.head_.previous_ = &other.head_;
        first->previous_ = head_.previous_;
        head_.previous_->next_ = first;
        last->next_ = &head_;
        head_.previous_ = last;
    }

private:
    list_node head_;
};

} // namespace coproc
