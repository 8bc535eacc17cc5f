// SPDX-License-Identifier: BSL-1.0
#include <coproc/core/block_pool.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/core/line_buffer.hpp>

#include "support/catch.hpp"

using coproc::block_pool;
using coproc::line_buffer;
using coproc::shared_block_pool;

TEST_CASE("a block that was given back is the next one that is taken", "[core]") {
    block_pool pool;
    block_pool::block block = pool.take(8192);
    const char* const where = block.get();
    pool.give_back(std::move(block), 8192);
    CHECK(pool.kept() == 8192u);
    const block_pool::block other = pool.take(4096); // not one of another size
    CHECK(other.get() != where);
    const block_pool::block same = pool.take(8192);
    CHECK(same.get() == where);
    CHECK(pool.kept() == 0u);
}

TEST_CASE("blocks are of a power of two and not too small", "[core]") {
    CHECK(block_pool::size_for(0) == block_pool::smallest);
    CHECK(block_pool::size_for(4096) == 4096u);
    CHECK(block_pool::size_for(4097) == 8192u);
    CHECK(block_pool::size_for(block_pool::largest) == block_pool::largest);
    CHECK(block_pool::size_for(block_pool::largest + 1) == 2 * block_pool::largest);
}

TEST_CASE("a block for an object is of a power of two as well and is the next such object's", "[core]") {
    struct small {
        char bytes[100];
    };
    struct larger {
        char bytes[1025];
    };
    static_assert(block_pool::size_for_object<small>() == 1024u);
    static_assert(block_pool::size_for_object<larger>() == 2048u);
    block_pool pool;
    block_pool::block block = pool.take(block_pool::size_for_object<small>());
    const char* const where = block.get();
    pool.give_back(std::move(block), block_pool::size_for_object<small>());
    const block_pool::block other = pool.take(block_pool::size_for_object<larger>());
    CHECK(other.get() != where);
    const block_pool::block same = pool.take(block_pool::size_for_object<small>());
    CHECK(same.get() == where);
}

// Seen to fail: one limit for both.
TEST_CASE("however many objects come back there is room for blocks of bytes", "[core]") {
    struct object {
        char bytes[1000];
    };
    constexpr std::size_t size = block_pool::size_for_object<object>();
    block_pool pool;
    std::vector<block_pool::block> objects;
    for (int i = 0; i < 2000; ++i) objects.push_back(pool.take(size));
    for (block_pool::block& each : objects) pool.give_back(std::move(each), size);
    CHECK(pool.kept() == block_pool::most_kept_for_objects);
    block_pool::block bytes = pool.take(block_pool::largest);
    const char* const where = bytes.get();
    pool.give_back(std::move(bytes), block_pool::largest);
    const block_pool::block again = pool.take(block_pool::largest);
    CHECK(again.get() == where);
}

TEST_CASE("a pool keeps blocks of every size and no more than so much", "[core]") {
    block_pool pool;
    std::vector<std::pair<block_pool::block, std::size_t>> taken;
    for (std::size_t size = block_pool::smallest; size <= 4 * block_pool::largest; size *= 2) {
        for (int i = 0; i < 8; ++i) {
            taken.emplace_back(pool.take(size), size);
            taken.back().first[size - 1] = 'x'; // all of it is there
        }
    }
    for (auto& [block, size] : taken) pool.give_back(std::move(block), size);
    CHECK(pool.kept() > block_pool::most_kept / 2);
    CHECK(pool.kept() <= block_pool::most_kept);
    pool.give_back(nullptr, 0);
}

TEST_CASE("a buffer gives its block back when nothing is unread in it", "[core]") {
    const auto pool = shared_block_pool::make();
    line_buffer buffer(pool);
    buffer.append("text");
    CHECK(pool->kept() == 0u);
    buffer.consume(2);
    buffer.release_if_empty();
    CHECK(buffer.view() == "xt");
    buffer.consume(2);
    buffer.release_if_empty();
    CHECK(pool->kept() == block_pool::smallest);
    CHECK(buffer.capacity() == 0u);
    static_cast<void>(buffer.prepare(100)); // and then nothing came
    CHECK(pool->kept() == 0u);
    buffer.release_if_empty();
    CHECK(pool->kept() == block_pool::smallest);
    buffer.append("text"); // the block again
    CHECK(pool->kept() == 0u);
    CHECK(buffer.view() == "text");
}

TEST_CASE("a block that somebody looks at does not go back before it is unpinned", "[core]") {
    const auto pool = shared_block_pool::make();
    line_buffer buffer(pool);
    line_buffer another(pool);
    buffer.append("held\n");
    const std::string_view held = buffer.view().substr(0, 4);
    buffer.pin();
    buffer.consume(5);
    buffer.release_if_empty();
    another.append("overwritten?");
    CHECK(held == "held");
    const std::string more(2 * block_pool::smallest, 'm'); // goes into another block
    buffer.append(more);
    buffer.consume(more.size());
    buffer.release_if_empty(); // which nobody looks at
    const std::size_t moved_through = pool->kept();
    CHECK(moved_through >= more.size());
    CHECK(held == "held");
    buffer.unpin();
    CHECK(pool->kept() == moved_through + block_pool::smallest);
}

TEST_CASE("a buffer that is larger than a block of the pool moves through all sizes and brings them back", "[core]") {
    const auto pool = shared_block_pool::make();
    const std::size_t all = 3 * block_pool::largest;
    {
        line_buffer buffer(pool);
        std::string expected;
        for (int i = 0; buffer.size() < all; ++i) {
            const std::string bytes(1000, static_cast<char>('a' + i % 26));
            buffer.append(bytes);
            expected += bytes;
        }
        CHECK(buffer.view() == expected);
        CHECK(pool->kept() == 2 * block_pool::largest - block_pool::smallest); // one of each
    }
    CHECK(pool->kept() == 2 * block_pool::largest - block_pool::smallest); // the last one was too large
}

TEST_CASE("a buffer may outlive whoever made its pool", "[core]") {
    auto pool = shared_block_pool::make();
    line_buffer buffer(pool);
    buffer.append("text");
    pool = {};
    CHECK(buffer.view() == "text");
    buffer.clear();
}
