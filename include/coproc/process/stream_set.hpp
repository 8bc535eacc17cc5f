#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// stream_set: the three streams of a child that is talked to.

#include <memory>
#include <new>
#include <utility>

#include "../core/block_pool.hpp"
#include "../io/stream_reader.hpp"
#include "../io/stream_writer.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/address_sanitizer.hpp"
#include "streams.hpp"

namespace coproc::detail {

struct stream_set {
    stream_set(const streams& given, event_loop& loop) noexcept
        : own_in(loop), own_out(loop), own_err(loop), in(given.in() != nullptr ? *given.in() : own_in),
          out(given.out() != nullptr ? *given.out() : own_out), err(given.err() != nullptr ? *given.err() : own_err),
          pool(loop.blocks()) {}

    stream_writer own_in; // in use where the user gave none
    stream_reader own_out, own_err;
    stream_writer& in;
    stream_reader &out, &err;
    shared_block_pool pool; // which it is made of
};

struct give_back_stream_set {
    void operator()(stream_set* set) const noexcept {
        const shared_block_pool pool = set->pool;
        std::destroy_at(set);
        block_pool::block place(reinterpret_cast<char*>(set));
        if (platform::under_address_sanitizer) return;
        pool->give_back(std::move(place), block_pool::size_for_object<stream_set>());
    }
};
using stream_set_owner = std::unique_ptr<stream_set, give_back_stream_set>;

/// In memory of the loop's, so that children who come and go ask for it once. Throws std::bad_alloc.
[[nodiscard, gnu::noinline]] inline stream_set_owner make_stream_set(const streams& given, event_loop& loop) {
    block_pool::block place = loop.blocks()->take(block_pool::size_for_object<stream_set>());
    return stream_set_owner(new (place.release()) stream_set(given, loop));
}

} // namespace coproc::detail
