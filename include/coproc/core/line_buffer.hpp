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

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>

namespace coproc {

class line_buffer {
public:
    /// The unread bytes. Invalidated by `prepare` and `append` unless pinned, and by `clear`.
    [[nodiscard]] std::string_view view() const noexcept { return {storage_.get() + head_, size()}; }
    [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }
    [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

    /// A free tail of at least `n` bytes to read into; `commit` says how many came. Throws std::bad_alloc.
    [[nodiscard]] std::span<char> prepare(std::size_t n) {
        if (empty() && !is_seen()) head_ = tail_ = scanned_ = 0;
        if (capacity_ - tail_ < n) make_room(n);
        return {storage_.get() + tail_, capacity_ - tail_};
    }
    void commit(std::size_t n) noexcept { tail_ += n; }

    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
        commit(bytes.size());
    }

    /// Takes `n` bytes off the front. Their storage stays as it is until the next `prepare`.
    void consume(std::size_t n) noexcept {
        head_ += n;
        scanned_ = scanned_ > n ? scanned_ - n : 0;
    }

    /// Where the first newline is, counted from the front of `view()`; `npos` if there is none. (A std::optional is put
    /// together and taken apart through memory by GCC 12, which costs more than the search for a short line.)
    [[nodiscard]] std::size_t find_newline() noexcept {
        if (scanned_ < size() && storage_[head_ + scanned_] == '\n') return scanned_; // found before, and still there
        const std::size_t at = view().find('\n', scanned_);
        scanned_ = std::min(at, size());
        return at;
    }
    static constexpr std::size_t npos = std::string_view::npos;

    /// What was handed out stays where it is, whatever comes in behind it, until `unpin`.
    void pin() noexcept { pinned_ = true; }
    void unpin() noexcept {
        pinned_ = false;
        retired_.reset();
    }

    /// Forgets the unread bytes and gives the memory back.
    void clear() noexcept {
        if (is_seen()) retired_ = std::move(storage_);
        storage_.reset();
        head_ = tail_ = scanned_ = capacity_ = 0;
    }

private:
    static constexpr std::size_t smallest = 4096;

    // Somebody may be looking at the block that is in use. Once it is retired, the one in its place is ours to change.
    [[nodiscard]] bool is_seen() const noexcept { return pinned_ && !retired_; }

    void make_room(std::size_t n) {
        // Moving at most half of it, and only when it is full, keeps the cost per byte constant.
        const bool large_enough = capacity_ - size() >= n && size() <= capacity_ / 2;
        if (!large_enough) move_to(std::max({smallest, 2 * capacity_, size() + n}));
        else if (is_seen()) move_to(capacity_);
        else if (!empty()) std::memmove(storage_.get(), storage_.get() + head_, size());
        tail_ = size();
        head_ = 0;
    }

    void move_to(std::size_t capacity) {
        std::unique_ptr<char[]> larger(new char[capacity]); // not make_unique: that would clear it first
        if (!empty()) std::memcpy(larger.get(), storage_.get() + head_, size());
        if (is_seen()) retired_ = std::move(storage_);
        storage_ = std::move(larger);
        capacity_ = capacity;
    }

    std::unique_ptr<char[]> storage_;
    std::unique_ptr<char[]> retired_;
    std::size_t capacity_ = 0;
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
    std::size_t scanned_ = 0; // bytes from the front that are known to hold no newline
    bool pinned_ = false;
};

} // namespace coproc
