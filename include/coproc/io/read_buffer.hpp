#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What a read asks for, and how the bytes that have come answer it. Knows of no kernel and of no coroutine: a
// stream_reader puts bytes in at the back and has its reads taken out at the front.
//
// No answer depends on how the bytes were cut into chunks: each is given only when no byte that may follow could
// change it.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../core/error.hpp"
#include "../core/line_buffer.hpp"
#include "capture.hpp"
#include "stream_name.hpp"

namespace coproc {

/// What a reader does with a line of more than its limit of n bytes.
enum class long_line {
    fail,     ///< the read throws line_too_long, and the next one begins at the line after it
    split,    ///< it comes in pieces of n bytes, the last one shorter but never empty
    truncate, ///< its first n bytes come, and the rest is passed over
    skip,     ///< it is passed over as if it were not there
};

namespace detail {

class read_buffer;

/// Looks for something of which a read_buffer knows nothing (`expect`). By a pointer, since of a virtual function with
/// one override GCC puts that into every program that reads.
class text_search {
public:
    /// Whether what has come is enough to tell. Asked whenever more has come.
    [[nodiscard]] bool is_answered_by(const read_buffer& come) noexcept { return look_(*this, come); }

protected:
    using look_function = bool (*)(text_search& self, const read_buffer& come) noexcept;
    explicit text_search(look_function look) noexcept : look_(look) {}

private:
    look_function look_;
};

/// What a read waits for. The end of the stream, or an error, satisfies everything. `arrival` is for whoever takes the
/// bytes himself, from here or from the kernel; `end` is for whoever keeps of them what his rule says.
struct demand {
    enum class kind { some, exactly, delimiter, line, all, arrival, end, search };
    kind what;
    std::size_t count = 0;  // how many bytes: at most for `some`, in all for `exactly`
    char* into = nullptr;   // where `read_some` wants them
    std::size_t filled = 0; // how many are there already, of those for `into`
    std::span<const std::string_view> delimiters = {};
    std::size_t searched = 0; // bytes known to hold no end of a delimiter
    text_search* search = nullptr;
};

class read_buffer {
public:
    static constexpr std::size_t default_line_limit = std::size_t{16} << 20;

    explicit read_buffer(shared_block_pool pool) noexcept : bytes_(std::move(pool)) {}

    // ---- bytes come in ----

    /// As of line_buffer.
    [[nodiscard]] std::span<char> prepare(std::size_t n) { return bytes_.prepare(n); }
    void commit(std::size_t n) noexcept {
        bytes_.commit(n);
        if (passing_over_) pass_over_rest();
    }
    void append(std::string_view bytes) {
        bytes_.append(bytes);
        if (passing_over_) pass_over_rest();
    }

    /// No more bytes will come.
    void end() noexcept { eof_ = true; }
    /// No more will come of it, and this is why. What has come can be read before it is told, unless it is told `at
    /// once`.
    void fail(std::error_code error, bool at_once = false) noexcept {
        error_ = error;
        error_at_once_ = at_once;
        throws_at_once_ = throws_at_once_ || at_once;
    }
    /// The next read is to throw, whatever has come: what, its reader knows, who tells when it has.
    void interrupt() noexcept { throws_at_once_ = true; }
    void interruption_told() noexcept { throws_at_once_ = error_at_once_; }
    /// The bytes of another source will follow those that are there.
    void begin_again() noexcept {
        eof_ = passing_over_ = error_at_once_ = throws_at_once_ = false;
        error_ = {};
    }

    // ---- facts and rules ----

    [[nodiscard]] std::string_view view() const noexcept { return bytes_.view(); }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    [[nodiscard]] bool eof() const noexcept { return eof_; }
    [[nodiscard]] bool ended() const noexcept { return eof_ || error_; }
    /// What comes next is the rest of a long line, so it has to come here, and no other way.
    [[nodiscard]] bool is_passing_over() const noexcept { return passing_over_; }
    [[nodiscard]] std::size_t dropped() const noexcept { return dropped_; }
    [[nodiscard]] std::string name() const { return name_.to_string(); }
    [[nodiscard]] std::size_t line_limit() const noexcept { return limit_; }

    void name(stream_name name) noexcept { name_ = name; }
    void line_limit(std::size_t bytes, long_line policy) noexcept {
        limit_ = std::min(bytes, std::numeric_limits<std::size_t>::max() - 2);
        policy_ = policy;
    }

    // ---- bytes go out ----

    /// True if a read that asks for this would not have to wait.
    [[nodiscard]] bool answers(demand& d) noexcept {
        if (ended()) return true;
        return d.what == demand::kind::line ? has_line() : has_other(d);
    }

    /// A line has come, of nearly every kind, and nothing else is to be seen to before it is taken.
    [[nodiscard, gnu::always_inline]] bool line_is_here() noexcept {
        return !throws_at_once_ && !bytes_.has_retired() && ordinary_line() != none;
    }

    // What each verb does when its demand is satisfied.

    [[gnu::always_inline]] std::optional<std::string_view> take_line_view() {
        const std::size_t newline = bytes_.known_newline();
        if (newline > limit_) return take_other_line_view();
        return hand_out(without_carriage_return(newline), newline + 1);
    }
    std::optional<std::string> take_line() {
        std::optional<std::string> copy;
        if (const std::optional<std::string_view> line = take_line_view()) copy.emplace(*line);
        unpin();
        return copy;
    }
    std::size_t take_into(demand& d) {
        if (d.filled != 0) return d.filled;
        const std::size_t n = std::min(d.count, size());
        if (n == 0 && d.count != 0) throw_error();
        if (n != 0) std::memcpy(d.into, view().data(), n);
        consume(n);
        return n;
    }
    std::string take_some(demand& d) {
        if (empty() && d.count != 0) throw_error();
        return take(d.count);
    }
    std::string take_exactly(demand& d) {
        if (size() >= d.count) return take(d.count);
        throw_error();
        throw incomplete_read(name(), take(size()), d.count);
    }
    std::string take_until(demand& d) {
        const std::optional<match> found = find(d);
        if (found && found->begin <= limit_) return take(found->end);
        if (found || is_beyond_limit(d)) throw line_too_long(name(), limit_);
        throw_error();
        throw incomplete_read(name(), take(size()), 0);
    }
    std::string take_all(demand&) {
        throw_error();
        return take(size());
    }
    void take_nothing(demand&) { throw_error(); }
    void leave_it(demand&) noexcept {}
    /// For whoever has searched it, and takes what he has found.
    read_buffer& hand_over(demand&) noexcept { return *this; }

    void throw_error() const {
        if (error_) throw stream_error("read", name(), error_);
    }
    /// An error does not wait until what has come was read.
    [[nodiscard]] bool throws_at_once() const noexcept { return throws_at_once_; }

    void consume(std::size_t n) noexcept {
        bytes_.consume(n);
        bytes_.release_if_empty();
    }
    /// As of line_buffer.
    void unpin() noexcept {
        bytes_.unpin();
        bytes_.release_if_empty();
    }
    /// As of line_buffer: what was prepared is not needed now.
    void release_if_empty() noexcept { bytes_.release_if_empty(); }
    /// Keeps of what nobody has read as much as the rule says, but perhaps up to a tail more, unless `exactly`: what
    /// comes behind a gap has to be moved, and is moved once that way.
    void keep(const capture& rule, bool exactly = false) noexcept {
        const std::size_t above = size() - std::min(size(), rule.head_bytes());
        if (above <= rule.tail_bytes()) return;
        const std::size_t excess = above - rule.tail_bytes();
        if (rule.head_bytes() == 0) return drop(excess);
        if (!exactly && excess <= rule.tail_bytes()) return;
        bytes_.erase(rule.head_bytes(), excess);
        dropped_ += excess;
    }
    /// As of line_buffer.
    void clear() noexcept { bytes_.clear(); }

private:
    // As long as no more than the limit has come, a line has a newline; or it is the last, and `answers` sees the end.
    [[nodiscard]] bool has_line() noexcept {
        return ordinary_line() != none || (size() > limit_ && line_to_read().has_value());
    }
    // What is not the way of nearly every line is kept out of it by gnu::noinline: a compiler that takes it in leaves
    // the way itself out of line, which costs a short line a sixth of its time.
    [[nodiscard, gnu::noinline]] bool has_other(demand& d) noexcept {
        switch (d.what) {
        case demand::kind::some: return !empty() || d.count == 0;
        case demand::kind::arrival: return !empty();
        case demand::kind::exactly: return size() >= d.count;
        case demand::kind::delimiter: return find(d) || is_beyond_limit(d);
        case demand::kind::search: return d.search->is_answered_by(*this);
        case demand::kind::line: // has_line
        case demand::kind::all:
        case demand::kind::end: break;
        }
        return false;
    }

    [[nodiscard]] std::string take(std::size_t n) {
        std::string bytes(view().substr(0, n));
        consume(bytes.size());
        return bytes;
    }
    void drop(std::size_t n) noexcept {
        consume(n);
        dropped_ += n;
    }

    // ---- lines ----

    static constexpr std::size_t none = line_buffer::npos; // no newline

    struct front_line {
        std::size_t length; // without its terminator; more than the limit if that is all that is known
        std::size_t whole;  // with it, as far as it has come
        bool terminated;
    };

    [[nodiscard]] std::optional<front_line> look_at_front() noexcept {
        const std::size_t newline = bytes_.find_newline();
        if (newline != none) return front_line{without_carriage_return(newline), newline + 1, true};
        // With the byte behind the limit and one more for the `\r` of a `\r\n`, no newline can save it.
        const bool long_already = size() >= limit_ + 2;
        const bool last = eof_ && !error_ && !empty();
        if (long_already || last) return front_line{size(), size(), false};
        return std::nullopt;
    }

    // The place of the newline, if it is not too far for any policy: nearly every line, and found at no cost but the
    // search.
    [[nodiscard, gnu::always_inline]] std::size_t ordinary_line() noexcept {
        const std::size_t newline = bytes_.find_newline();
        return newline <= limit_ ? newline : none;
    }
    [[nodiscard]] std::size_t without_carriage_return(std::size_t length) const noexcept {
        return length != 0 && view()[length - 1] == '\r' ? length - 1 : length;
    }

    // What the next read of a line will find.
    [[nodiscard, gnu::noinline]] std::optional<front_line> line_to_read() noexcept {
        std::optional<front_line> line = look_at_front();
        while (line && line->length > limit_ && policy_ == long_line::skip) {
            pass_over(line->whole, line->terminated);
            line = look_at_front();
        }
        return line;
    }

    [[gnu::noinline]] std::optional<std::string_view> take_other_line_view() {
        const std::optional<front_line> line = line_to_read();
        if (!line) {
            throw_error();
            return std::nullopt;
        }
        if (line->length <= limit_) return hand_out(line->length, line->whole);
        if (policy_ == long_line::split) return hand_out(limit_, limit_); // the rest, never empty, is a line
        if (policy_ == long_line::truncate) {
            const std::string_view head = hand_out(limit_, limit_);
            pass_over(line->whole - limit_, line->terminated);
            return head;
        }
        pass_over(line->whole, line->terminated);
        throw line_too_long(name(), limit_);
    }

    std::string_view hand_out(std::size_t length, std::size_t whole) noexcept {
        const std::string_view line(view().data(), length);
        bytes_.pin();
        bytes_.consume(whole);
        return line;
    }

    // The rest of a line, whose end has come or has not; it does not have to be kept until then.
    void pass_over(std::size_t n, bool terminated) noexcept {
        drop(n);
        passing_over_ = !terminated && !ended();
    }
    void pass_over_rest() noexcept {
        const std::size_t newline = bytes_.find_newline();
        pass_over(newline != none ? newline + 1 : size(), newline != none);
    }

    // ---- delimiters ----

    struct match {
        std::size_t begin, end;
    };

    // The match that ends first; of those that end there, the longest. What was searched before is not searched again,
    // but for what may be the beginning of a delimiter.
    [[nodiscard]] std::optional<match> find(demand& d) const noexcept {
        std::string_view searched = view();
        std::optional<match> first;
        for (const std::string_view delimiter : d.delimiters) {
            const std::size_t overlap = delimiter.size() - 1;
            const std::size_t begin = searched.find(delimiter, d.searched > overlap ? d.searched - overlap : 0);
            if (begin == std::string_view::npos) continue;
            const std::size_t end = begin + delimiter.size();
            if (!first || end < first->end || begin < first->begin) first = match{begin, end};
            searched = searched.substr(0, end); // what ends behind it is not the first
        }
        if (!first) d.searched = size();
        return first;
    }

    // There is no delimiter in what has come, and none that may follow can begin within the limit.
    [[nodiscard]] bool is_beyond_limit(const demand& d) const noexcept {
        if (size() <= limit_) return false;
        std::size_t longest = 1;
        for (const std::string_view delimiter : d.delimiters) longest = std::max(longest, delimiter.size());
        return size() - limit_ >= longest || eof_;
    }

    line_buffer bytes_;
    stream_name name_;
    std::error_code error_;
    std::size_t limit_ = default_line_limit;
    std::size_t dropped_ = 0;
    long_line policy_ = long_line::fail;
    bool eof_ = false;
    bool error_at_once_ = false;
    bool throws_at_once_ = false; // that or an interruption
    bool passing_over_ = false;   // the end of a long line has not come yet
};

} // namespace detail
} // namespace coproc
