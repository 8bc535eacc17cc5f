#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The bytes between the pipe and the reader: filled at the back, taken from the front.
//
//     storage  [ taken | unread: scanned, new | free tail ]
//                      ^ head_                ^ tail_
//
// A byte is copied once, by read(2) into the free tail. A search for a newline looks at each byte once, however
// the bytes were cut into chunks: where it stopped is remembered.
//
// The memory comes from a pool, if there is one, and goes back to it when nothing is unread and nobody looks.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "block_pool.hpp"

namespace coproc {

class line_buffer {
public:
    line_buffer() noexcept = default;
    explicit line_buffer(shared_block_pool pool) noexcept : pool_(std::move(pool)) {}
    line_buffer(const line_buffer&) = delete;
    line_buffer& operator=(const line_buffer&) = delete;
    ~line_buffer() {
        unpin();
        clear();
    }

    /// The unread bytes. Invalidated by `prepare` and `append` unless pinned, and by `clear`.
    [[nodiscard]] std::string_view view() const noexcept { return {storage_.get() + head_, size()}; }
    [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }
    [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

    /// A free tail of at least `n` bytes to read into; `commit` says how many came. Throws std::bad_alloc.
    [[nodiscard]] std::span<char> prepare(std::size_t n) {
        if (empty() && !is_seen()) start_at_front();
        if (capacity_ - tail_ < n) make_room(n);
        return {storage_.get() + tail_, capacity_ - tail_};
    }
    void commit(std::size_t n) noexcept { tail_ += n; }

    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
        commit(bytes.size());
    }

    /// Takes `n` bytes off the front. Their storage stays as it is until the next `prepare` or `release_if_empty`.
    void consume(std::size_t n) noexcept {
        head_ += n;
        if (head_ > searched_) [[unlikely]]
            searched_ = head_;
    }

    /// Takes `n` bytes out from behind the first `at`. What comes after them moves up.
    void erase(std::size_t at, std::size_t n) noexcept {
        char* const gap = storage_.get() + head_ + at;
        std::memmove(gap, gap + n, size() - at - n);
        tail_ -= n;
        searched_ = std::min(searched_, head_ + at);
    }

    /// Where the first newline is, counted from the front of `view()`; `npos` if there is none. (A std::optional is put
    /// together and taken apart through memory by GCC 12, which costs more than the search for a short line.)
    [[nodiscard, gnu::always_inline]] std::size_t find_newline() noexcept {
        const std::size_t known = known_newline();
        return known != npos || !search() ? known : newline_ - head_;
    }
    /// The same, if it was found before and not taken.
    [[nodiscard]] std::size_t known_newline() const noexcept {
        return newline_ - head_ < searched_ - head_ ? newline_ - head_ : npos;
    }
    static constexpr std::size_t npos = std::string_view::npos;

    /// What was handed out stays where it is, whatever comes in behind it, until `unpin`.
    void pin() noexcept { pinned_ = true; }
    void unpin() noexcept {
        pinned_ = false;
        if (retired_) give_back(std::move(retired_), retired_capacity_);
    }

    /// What was handed out is in a block that is not in use any more, and waits for `unpin`.
    [[nodiscard]] bool has_retired() const noexcept { return retired_ != nullptr; }

    /// Gives the memory back if nothing is unread, unless it is pinned.
    [[gnu::noinline]] void release_if_empty() noexcept {
        if (empty() && !is_seen()) clear();
    }
    /// Forgets the unread bytes and gives the memory back.
    [[gnu::noinline]] void clear() noexcept {
        dispose_of_storage();
        capacity_ = 0;
        start_at_front();
    }

private:
    // Somebody may be looking at the block that is in use. Once it is retired, the one in its place is ours to change.
    [[nodiscard]] bool is_seen() const noexcept { return pinned_ && !retired_; }

    void start_at_front() noexcept {
        head_ = tail_ = searched_ = 0;
        newline_ = npos;
    }

    // The next search depends on this one by one number only, so that it need not wait for whoever takes the line.
    [[gnu::always_inline]] bool search() noexcept {
        const std::size_t from = std::exchange(searched_, tail_);
        const void* const at = from != tail_ ? std::memchr(storage_.get() + from, '\n', tail_ - from) : nullptr;
        if (at == nullptr) return false;
        newline_ = static_cast<std::size_t>(static_cast<const char*>(at) - storage_.get());
        searched_ = newline_ + 1;
        return true;
    }

    void make_room(std::size_t n) {
        // Moving at most half of it, and only when it is full, keeps the cost per byte constant.
        const bool large_enough = capacity_ - size() >= n && size() <= capacity_ / 2;
        if (!large_enough) move_to(block_pool::size_for(std::max(2 * capacity_, size() + n)));
        else if (is_seen()) move_to(capacity_);
        else if (!empty()) std::memmove(storage_.get(), storage_.get() + head_, size());
        searched_ -= head_;
        newline_ -= head_; // perhaps beyond zero: only differences count
        tail_ = size();
        head_ = 0;
    }

    void move_to(std::size_t capacity) {
        block_pool::block larger = pool_ ? pool_->take(capacity) : block_pool::block(new char[capacity]);
        if (!empty()) std::memcpy(larger.get(), storage_.get() + head_, size());
        dispose_of_storage();
        storage_ = std::move(larger);
        capacity_ = capacity;
    }

    void dispose_of_storage() noexcept {
        if (!is_seen()) return give_back(std::move(storage_), capacity_);
        retired_ = std::move(storage_);
        retired_capacity_ = capacity_;
    }
    void give_back(block_pool::block b, std::size_t size) noexcept {
        if (pool_) pool_->give_back(std::move(b), size);
    }

    shared_block_pool pool_; // outlives its loop if need be
    block_pool::block storage_;
    block_pool::block retired_;
    std::size_t capacity_ = 0;
    std::size_t retired_capacity_ = 0;
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
    std::size_t searched_ = 0;   // up to here there is no newline but
    std::size_t newline_ = npos; // this one, if it is not taken
    bool pinned_ = false;
};

} // namespace coproc
