#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// finder: finds one thing after the other, by a coroutine that goes on only while somebody asks.
//
//     next() ── plain call ──> search: … found() ──> back, the asker was never suspended
//                                 └── has to wait ──> resumed by the loop … found() ── transfer ──> the asker
//
// As async_generator, but who throws or whose asker has gone is begun anew by the next one, so the search must keep
// what it knows outside of its frame; and while nobody asks, it waits for nothing.

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

#include "../core/error.hpp"
#include "../coro/branch.hpp"

namespace coproc::detail {

class finder : branch_owner {
public:
    finder() noexcept = default;
    finder(const finder&) = delete;
    finder& operator=(const finder&) = delete;

    /// False if there is nothing to wait for; else `asker` is resumed.
    bool ask(std::coroutine_handle<> asker) {
        require_free();
        found_ = false;
        if (search_) {
            std::exchange(at_found_, nullptr).resume();
        } else {
            search_.emplace(search());
            search_->start(*this, 0);
        }
        if (!found_) asker_ = asker;
        return !found_;
    }
    /// Whoever asked has been destroyed.
    void forget_asker() noexcept {
        asker_ = nullptr;
        search_.reset();
    }
    /// Once it has been found: throws what the search has thrown instead.
    void require_found() {
        if (!std::exchange(ended_, false)) return;
        branch<void> over = std::move(*search_);
        search_.reset();
        over.take();
    }
    void require_free() const {
        if (asker_) throw usage_error("a second next() while the first one waits");
    }

protected:
    virtual ~finder() = default;

    virtual branch<void> search() = 0;

    /// `co_await found()` in the search goes on when somebody asks for the next one.
    class [[nodiscard]] found_awaiter {
    public:
        explicit found_awaiter(finder& f) noexcept : finder_(&f) {}
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> search) const noexcept {
            finder_->at_found_ = search;
            return finder_->tell();
        }
        void await_resume() const noexcept {}

    private:
        finder* finder_;
    };
    found_awaiter found() noexcept { return found_awaiter(*this); }

    /// Before what the search refers to goes.
    void end_search() noexcept { search_.reset(); }

private:
    // Nobody waits while the search is still inside the call that asked, and that sees for itself.
    std::coroutine_handle<> tell() noexcept {
        found_ = true;
        const std::coroutine_handle<> asker = std::exchange(asker_, nullptr);
        return asker ? asker : std::noop_coroutine();
    }
    std::coroutine_handle<> branch_ended(std::size_t) noexcept override {
        ended_ = true;
        return tell();
    }

    std::optional<branch<void>> search_;
    std::coroutine_handle<> at_found_; // where the search goes on
    std::coroutine_handle<> asker_;    // while somebody waits
    bool found_ = false;
    bool ended_ = false; // the search, by what it has thrown
};

/// What a `next()` is: `Finder` has `at_hand()`, true if it has it already, and `take()`.
template <class Finder>
class [[nodiscard]] found_next {
public:
    explicit found_next(Finder& f) noexcept : finder_(&f) {}
    found_next(found_next&& other) noexcept : finder_(other.finder_) {} // moved only before it is awaited
    found_next& operator=(found_next&&) = delete;
    ~found_next() {
        if (waiting_) finder_->forget_asker();
    }

    bool await_ready() { return finder_->at_hand(); }
    bool await_suspend(std::coroutine_handle<> handle) { return waiting_ = finder_->ask(handle); }
    auto await_resume() {
        waiting_ = false;
        return finder_->take();
    }

private:
    Finder* finder_;
    bool waiting_ = false;
};

} // namespace coproc::detail
