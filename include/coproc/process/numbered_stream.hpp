#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// numbered_streams: what stands behind the piped descriptors of a child from 3 on.

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "../io/stream_group.hpp"
#include "../io/stream_reader.hpp"
#include "../io/stream_writer.hpp"
#include "../loop/event_loop.hpp"
#include "child_fds.hpp"
#include "command.hpp"

namespace coproc::detail {

/// One of a list, which most children do not have, and so most programs: what is only in its virtual functions is no
/// part of those. Made before the child is, since afterwards nothing may fail; stays where it is, since coroutines park
/// on streams.
struct numbered_stream {
    numbered_stream(int n, std::unique_ptr<numbered_stream> others) : number(n), next(std::move(others)) {
        const std::string name = concat({"descriptor ", number});
        std::copy_n(name.c_str(), std::min(name.size() + 1, role.size()), role.begin());
    }
    numbered_stream(const numbered_stream&) = delete;
    numbered_stream& operator=(const numbered_stream&) = delete;
    virtual ~numbered_stream() = default;

    /// The program runs, and this is our end of its pipe.
    virtual void connect(child_fds& fds, stream_group& group, const char* program) noexcept = 0;

    int number;
    std::array<char, 32> role{};  // in errors
    stream_writer* in = nullptr;  // either what the child reads
    stream_reader* out = nullptr; // or what it writes
    bool readable = true;         // by the user: a tee need not have a pipe
    std::unique_ptr<numbered_stream> next;
};

struct numbered_writer final : numbered_stream {
    numbered_writer(int n, event_loop& loop, std::unique_ptr<numbered_stream> others)
        : numbered_stream(n, std::move(others)), stream(loop) {
        in = &stream;
    }
    void connect(child_fds& fds, stream_group& group, const char* program) noexcept override {
        stream.open(fds.take_ours_of(number));
        stream.join(group, {role.data(), program});
    }
    stream_writer stream;
};

struct numbered_reader final : numbered_stream {
    numbered_reader(int n, event_loop& loop, std::unique_ptr<numbered_stream> others)
        : numbered_stream(n, std::move(others)), stream(loop) {
        out = &stream;
    }
    void connect(child_fds& fds, stream_group& group, const char* program) noexcept override {
        stream.open(fds.take_ours_of(number));
        stream.join(group, {role.data(), program});
        stream.tap(fds.take_tap_of(number));
    }
    stream_reader stream;
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
            if (said.child_reads) first_ = std::make_unique<numbered_writer>(number, loop, std::move(first_));
            else first_ = std::make_unique<numbered_reader>(number, loop, std::move(first_));
            first_->readable = said.what.is_stream();
        }
    }

    std::unique_ptr<numbered_stream> first_;
};

[[nodiscard]] inline const numbered_verbs& numbered_descriptors() noexcept {
    static constexpr numbered_verbs verbs{
        &require_numbered_open,
        [](passed_fds& all, const command& c, const stdio_setup& streams) { all.gather(c, streams); },
        [](numbered_streams& all, const command& c, event_loop& loop) { all.make(c, loop); }};
    return verbs;
}

} // namespace coproc::detail
