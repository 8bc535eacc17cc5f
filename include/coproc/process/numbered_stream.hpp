#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// numbered_streams: what stands behind the piped descriptors of a child from 3 on.

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "../io/stream_reader.hpp"
#include "../io/stream_writer.hpp"
#include "child_fds.hpp"
#include "command.hpp"

namespace coproc::detail {

/// One of a list, which most children do not have. Made before the child is, since afterwards nothing may fail; stays
/// where it is, since coroutines park on streams.
struct numbered_stream {
    numbered_stream(int n, bool child_reads, event_loop& loop, std::unique_ptr<numbered_stream> others)
        : number(n), next(std::move(others)) {
        const std::string name = concat({"descriptor ", number});
        std::copy_n(name.c_str(), std::min(name.size() + 1, role.size()), role.begin());
        if (child_reads) in.emplace(loop);
        else out.emplace(loop);
    }

    int number;
    bool readable = true;             // by the user: a tee need not have a pipe
    std::array<char, 32> role{};      // in errors
    std::optional<stream_writer> in;  // either what the child reads
    std::optional<stream_reader> out; // or what it writes
    std::unique_ptr<numbered_stream> next;
};

/// All of a child's, the last one made first. None costs a pointer.
class numbered_streams {
public:
    class iterator {
    public:
        explicit iterator(numbered_stream* at) noexcept : at_(at) {}
        numbered_stream& operator*() const noexcept { return *at_; }
        iterator& operator++() noexcept {
            at_ = at_->next.get();
            return *this;
        }
        bool operator==(const iterator&) const noexcept = default;

    private:
        numbered_stream* at_;
    };

    /// Those that the command wants.
    numbered_streams(const command& c, event_loop& loop) {
        if (c.numbered() != nullptr) c.numbered()->make_streams(*this, c, loop);
    }

    [[nodiscard]] iterator begin() const noexcept { return iterator(first_.get()); }
    [[nodiscard]] iterator end() const noexcept { return iterator(nullptr); }

private:
    friend const numbered_verbs& numbered_descriptors() noexcept;

    [[gnu::cold]] void make(const command& c, event_loop& loop) {
        for (const auto& [number, said] : c.more_stdio()) {
            if (!said.what.passes_us()) continue;
            first_ = std::make_unique<numbered_stream>(number, said.child_reads, loop, std::move(first_));
            first_->readable = said.what.is_stream();
        }
    }

    std::unique_ptr<numbered_stream> first_;
};

[[nodiscard]] inline const numbered_verbs& numbered_descriptors() noexcept {
    static constexpr numbered_verbs verbs{
        [](passed_fds& all, const command& c, const stdio_setup& streams) { all.gather(c, streams); },
        [](numbered_streams& all, const command& c, event_loop& loop) { all.make(c, loop); }};
    return verbs;
}

} // namespace coproc::detail
