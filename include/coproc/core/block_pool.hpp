#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// block_pool: memory for bytes on their way, shared by streams that need it for a moment each, and for what comes and
// goes with each child. What comes back is kept for the next one, so that a steady flow allocates nothing; but only so
// much of it.

#include <array>
#include <bit>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace coproc {

/// Used by one thread at a time.
class block_pool {
public:
    static constexpr std::size_t smallest = 4096;
    static constexpr std::size_t largest = std::size_t{256} << 10;              // what is kept; a larger block is freed
    static constexpr std::size_t most_kept = std::size_t{1} << 20;              // in all
    static constexpr std::size_t most_kept_for_objects = std::size_t{64} << 10; // so that they keep no bytes out

    using block = std::unique_ptr<char[]>;

    /// What a block for `n` bytes has: a power of two.
    [[nodiscard]] static std::size_t size_for(std::size_t n) noexcept {
        return std::bit_ceil(n < smallest ? smallest : n);
    }
    /// What a block for an object has, to be made and destroyed in it.
    template <class T>
    [[nodiscard]] static constexpr std::size_t size_for_object() noexcept {
        static_assert(sizeof(T) <= largest && alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
        return std::bit_ceil(sizeof(T) < least ? least : sizeof(T));
    }

    block_pool() noexcept = default;
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;
    ~block_pool() {
        for (spare*& list : spares_) {
            while (list != nullptr) static_cast<void>(pop(list));
        }
    }

    /// `size` is one of `size_for`, or of `size_for_object`. Throws std::bad_alloc.
    [[nodiscard]] block take(std::size_t size) {
        if (size > largest || list_of(size) == nullptr)
            return block(new char[size]); // make_unique would clear it first
        kept_of(size) -= size;
        return pop(list_of(size));
    }

    /// A block of that size, with nothing in it that anybody needs.
    void give_back(block b, std::size_t size) noexcept {
        const std::size_t most = size < smallest ? most_kept_for_objects : most_kept;
        if (!b || size > largest || kept_of(size) + size > most) return;
        kept_of(size) += size;
        spare*& list = list_of(size);
        list = new (b.release()) spare{list};
    }

    /// How many bytes wait to be used again.
    [[nodiscard]] std::size_t kept() const noexcept { return kept_ + kept_for_objects_; }

private:
    struct spare { // at the beginning of a block that is nobody's
        spare* next;
    };
    static constexpr std::size_t least = 1024;
    static constexpr std::size_t sizes = std::bit_width(largest) - std::bit_width(least) + 1;

    [[nodiscard]] spare*& list_of(std::size_t size) noexcept {
        if (size <= least) return spares_.front(); // GCC 12 warns of an index for 0, which never comes
        return spares_[static_cast<std::size_t>(std::bit_width(size) - std::bit_width(least))];
    }
    [[nodiscard]] std::size_t& kept_of(std::size_t size) noexcept {
        return size < smallest ? kept_for_objects_ : kept_;
    }
    static block pop(spare*& list) noexcept {
        spare* const first = list;
        list = first->next;
        return block(reinterpret_cast<char*>(first));
    }

    friend class shared_block_pool;

    std::array<spare*, sizes> spares_{};
    std::size_t kept_ = 0; // for bytes
    std::size_t kept_for_objects_ = 0;
    std::size_t owners_ = 0; // of those that share it
};

/// One of the owners of a pool, which goes with the last of them. A std::shared_ptr would be used by one thread at a
/// time as well, but is twice as large and counts by atomic operations, and each stream has one.
class shared_block_pool {
public:
    /// None.
    shared_block_pool() noexcept = default;
    /// Throws std::bad_alloc.
    [[nodiscard]] static shared_block_pool make() { return shared_block_pool(*new block_pool); }

    shared_block_pool(const shared_block_pool& other) noexcept : pool_(other.pool_) {
        if (pool_ != nullptr) ++pool_->owners_;
    }
    shared_block_pool(shared_block_pool&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    shared_block_pool& operator=(shared_block_pool other) noexcept {
        std::swap(pool_, other.pool_);
        return *this;
    }
    ~shared_block_pool() {
        if (pool_ != nullptr && --pool_->owners_ == 0) delete_pool();
    }

    explicit operator bool() const noexcept { return pool_ != nullptr; }
    block_pool* operator->() const noexcept { return pool_; }

private:
    explicit shared_block_pool(block_pool& fresh) noexcept : pool_(&fresh) { ++fresh.owners_; }
    [[gnu::cold, gnu::noinline]] void delete_pool() noexcept { delete pool_; }

    block_pool* pool_ = nullptr;
};

} // namespace coproc
