#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// expect: a dialogue with a program, led by what it says.
//
//     expectation found = co_await expect(proc.out(), 5s, "login: ", "denied", eof);
//     if (found.index == 0) co_await proc.write_stdin("me\n");    // found.before is what came before "login: "
//
// What comes is looked at as if it came byte by byte: as soon as one of the patterns is there, that is it; of several,
// the one given first. So what is found does not depend on how the bytes were cut into chunks.

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../loop/event_loop.hpp"
#include "read_buffer.hpp"
#include "stream_reader.hpp"

namespace coproc {

/// What was found. Both texts are taken from the stream, and nothing behind them.
struct expectation {
    std::size_t index = 0; ///< which of the patterns, counted from 0
    std::string before;    ///< all that came before the match
    std::string match;     ///< the text that matches; empty for `eof`
    std::vector<std::string>
        groups; ///< of a regex: what its groups match, the first one at 0; empty if it took no part
};

/// The end of the stream as a pattern: `before` is then all the rest.
struct eof_pattern {};
inline constexpr eof_pattern eof{};

/// Where a pattern is found in a text.
struct text_match {
    text_match(std::size_t b, std::size_t e) noexcept : text_match(b, e, e) {}
    text_match(std::size_t b, std::size_t e, std::size_t n) noexcept : begin(b), end(e), needed(n) {}

    std::size_t begin, end;
    std::size_t needed; ///< the length of the shortest beginning of the text that tells; `end`, unless it looks ahead
    std::vector<std::string> groups;
};

/// Specialised for each type that can be a pattern: made from one, it finds what that stands for. `searched` bytes are
/// known to hold no match: another one may begin among them, but ends behind them. With
/// `std::optional<text_match> find_at_end(std::string_view) const`, which may be left out, it finds what only the end
/// of the stream makes a match. A pattern that can match the empty text is refused when it is made, by
/// std::invalid_argument.
template <class T>
struct matcher;

template <>
struct matcher<std::string_view> {
    explicit matcher(std::string_view t) : text(t) {
        if (text.empty()) throw std::invalid_argument("expect(): a pattern is empty");
    }
    /// The match in the shortest beginning of `seen` that has one.
    [[nodiscard]] std::optional<text_match> find(std::string_view seen, std::size_t searched) const noexcept {
        const std::size_t overlap = text.size() - 1;
        const std::size_t begin = seen.find(text, searched > overlap ? searched - overlap : 0);
        if (begin == std::string_view::npos) return std::nullopt;
        return text_match(begin, begin + text.size());
    }
    /// For the message of an error.
    [[nodiscard]] std::string to_string() const { return in_quotes(text); }

    std::string text;
};

template <>
struct matcher<eof_pattern> {
    explicit matcher(eof_pattern) noexcept {}
    [[nodiscard]] std::optional<text_match> find(std::string_view, std::size_t) const noexcept { return std::nullopt; }
    [[nodiscard]] std::optional<text_match> find_at_end(std::string_view seen) const noexcept {
        return text_match(seen.size(), seen.size());
    }
    [[nodiscard]] std::string to_string() const { return "the end"; }
};

namespace detail {

template <class T>
struct pattern_kind {
    using type = T;
};
template <std::convertible_to<std::string_view> T>
struct pattern_kind<T> {
    using type = std::string_view;
};
template <class T>
using matcher_of = matcher<typename pattern_kind<T>::type>;

} // namespace detail

/// Anything that is a string, `eof`, or of a type with a `matcher`.
template <class T>
concept expectable = requires(const T& what, const detail::matcher_of<T>& m, std::string_view text, std::size_t n) {
    detail::matcher_of<T>(what); // not std::constructible_from, which must not be asked where there is no matcher
    { m.find(text, n) } -> std::same_as<std::optional<text_match>>;
    { m.to_string() } -> std::convertible_to<std::string>;
};

/// Any of those, as a value that can be kept and used again: `std::vector<pattern>` is a list known at run time.
/// Copies its text. Throws std::invalid_argument for one that is empty.
class pattern {
public:
    template <expectable T>
    pattern(const T& what) // NOLINT(google-explicit-constructor)
        : model_(std::make_shared<const holder<detail::matcher_of<T>>>(what)) {}

    // As of a matcher.
    [[nodiscard]] std::optional<text_match> find(std::string_view seen, std::size_t searched) const {
        return model_->find(seen, searched);
    }
    [[nodiscard]] std::optional<text_match> find_at_end(std::string_view seen) const {
        return model_->find_at_end(seen);
    }
    [[nodiscard]] std::string to_string() const { return model_->to_string(); }

private:
    struct model {
        virtual ~model() = default;
        [[nodiscard]] virtual std::optional<text_match> find(std::string_view seen, std::size_t searched) const = 0;
        [[nodiscard]] virtual std::optional<text_match> find_at_end(std::string_view seen) const = 0;
        [[nodiscard]] virtual std::string to_string() const = 0;
    };
    template <class Matcher>
    struct holder final : model {
        template <class T>
        explicit holder(const T& what) : kept(what) {}
        [[nodiscard]] std::optional<text_match> find(std::string_view seen, std::size_t searched) const override {
            return kept.find(seen, searched);
        }
        [[nodiscard]] std::optional<text_match> find_at_end(std::string_view seen) const override {
            if constexpr (requires { kept.find_at_end(seen); }) return kept.find_at_end(seen);
            else return std::nullopt;
        }
        [[nodiscard]] std::string to_string() const override { return kept.to_string(); }
        Matcher kept;
    };

    std::shared_ptr<const model> model_;
};

/// Nothing that was expected has come in time. Nothing was taken: what has come is there for the next read.
class expect_timeout : public error {
public:
    expect_timeout(std::string stream, std::string_view detail)
        : error("read", std::move(stream), detail, errc::timed_out) {}
};

namespace detail {

/// The patterns of one `expect`, and how far they have been looked for.
class expected final : public text_search {
public:
    expected() noexcept : text_search(&look) {}
    void add(pattern p) { patterns_.push_back(std::move(p)); }
    void reserve(std::size_t count) { patterns_.reserve(count); }
    [[nodiscard]] bool empty() const noexcept { return patterns_.empty(); }

    // Takes what was found. Else says why it was not, which at the end of the stream takes all there is, as other
    // reads do.
    expectation take_from(read_buffer& come) {
        if (!is_answered_by(come) || !found_) throw_why_not(come);
        const std::string_view text = come.view();
        expectation taken;
        taken.index = index_;
        taken.before = text.substr(0, found_->begin);
        taken.match = text.substr(found_->begin, found_->end - found_->begin);
        taken.groups = std::move(found_->groups);
        come.consume(found_->end);
        return taken;
    }

private:
    static bool look(text_search& self, const read_buffer& come) noexcept {
        auto& all = static_cast<expected&>(self);
        if (!all.found_ && !all.failure_) all.search(come);
        return all.found_ || all.failure_ || is_beyond_limit(come);
    }

    static bool is_beyond_limit(const read_buffer& come) noexcept { return come.size() > come.line_limit(); }

    void search(const read_buffer& come) noexcept try {
        const std::string_view seen = come.view().substr(0, come.line_limit());
        find_first(seen);
        if (!found_ && come.eof() && !is_beyond_limit(come)) find_at_end(seen);
    } catch (...) {
        failure_ = std::current_exception(); // of a regex, or no memory for what its groups match
    }
    void find_first(std::string_view seen) {
        std::string_view shorter = seen; // what is found no sooner is too late
        for (std::size_t i = 0; i < patterns_.size(); ++i) {
            std::optional<text_match> match = patterns_[i].find(shorter, searched_);
            if (!match) continue;
            shorter = seen.substr(0, match->needed - 1);
            found(i, *std::move(match));
        }
        if (!found_) searched_ = seen.size();
    }
    void find_at_end(std::string_view seen) {
        for (std::size_t i = 0; i < patterns_.size() && !found_; ++i) {
            if (std::optional<text_match> match = patterns_[i].find_at_end(seen)) found(i, *std::move(match));
        }
    }
    void found(std::size_t index, text_match match) noexcept {
        index_ = index;
        found_ = std::move(match);
    }

    [[noreturn, gnu::cold]] void throw_why_not(read_buffer& come) const {
        if (failure_) std::rethrow_exception(failure_);
        if (is_beyond_limit(come)) throw line_too_long(come.name(), come.line_limit());
        come.throw_error();
        const std::string detail = describe(come.view());
        if (!come.eof()) throw expect_timeout(come.name(), detail);
        std::string partial(come.view());
        come.consume(partial.size());
        throw incomplete_read(come.name(), std::move(partial), detail);
    }
    // `no "login: " or "denied" in "Connecting"`
    [[nodiscard, gnu::cold]] std::string describe(std::string_view seen) const {
        constexpr std::size_t most = 200;
        std::string text;
        for (const pattern& p : patterns_) text.append(text.empty() ? "no " : " or ").append(p.to_string());
        if (seen.empty()) return text.append(", and nothing came");
        text.append(" in ");
        if (seen.size() <= most) return text.append(in_quotes(seen));
        text.append(detail::to_text(seen.size())).append(" bytes that end with ");
        return text.append(in_quotes(seen.substr(seen.size() - most)));
    }

    std::vector<pattern> patterns_;
    std::size_t searched_ = 0; // bytes known to hold no match
    std::optional<text_match> found_;
    std::size_t index_ = 0;
    std::exception_ptr failure_;
};

template <class T>
concept some_patterns = std::convertible_to<const T&, pattern> || requires(const T& all) {
    { *std::begin(all) } -> std::convertible_to<pattern>;
};

template <some_patterns T>
void add_patterns(expected& all, const T& what) {
    if constexpr (std::convertible_to<const T&, pattern>) {
        all.add(what);
    } else {
        for (const auto& one : what) all.add(one);
    }
}

} // namespace detail

class [[nodiscard]] expect_awaiter final : stream_reader::read_awaiter<detail::read_buffer&>, timer {
    using read = stream_reader::read_awaiter<detail::read_buffer&>;

public:
    expect_awaiter(stream_reader& reader, platform::clock::duration timeout, detail::expected wanted)
        : read(reader), wanted_(std::move(wanted)), timeout_(timeout), loop_(&reader.loop()) {
        if (wanted_.empty()) throw std::invalid_argument("expect(): no pattern");
    }
    expect_awaiter(expect_awaiter&&) noexcept = default; // moved only before it is awaited
    ~expect_awaiter() { stop_timer(); }

    bool await_ready() {
        look_for(wanted_);
        return read::await_ready() || timeout_ <= platform::clock::duration::zero();
    }
    void await_suspend(std::coroutine_handle<> handle) {
        if (timeout_ != platform::clock::duration::max()) loop_->add(*this, deadline_after(timeout_));
        read::await_suspend(handle);
    }
    expectation await_resume() {
        stop_timer();
        return wanted_.take_from(read::await_resume());
    }

private:
    void on_timer() noexcept override { give_up(); }
    void stop_timer() noexcept {
        if (pending()) loop_->remove(*this);
    }

    detail::expected wanted_;
    platform::clock::duration timeout_;
    event_loop* loop_;
};

/// Completes as soon as one of the patterns has come: texts, `eof`, a std::regex (with expect_regex.hpp), or a range of
/// them. Takes the match and what came before it, and nothing else.
///
/// Throws expect_timeout when `timeout` has passed since it was awaited, and has taken nothing then; zero or less looks
/// only at what is there, huge is for ever. Throws incomplete_read, with what there was, at the end of the stream if
/// `eof` is not among the patterns; line_too_long if none is found in as many bytes as the line limit, whatever its
/// policy, and takes nothing then; stream_error; std::invalid_argument for a pattern that is empty, or for none at all.
template <class Rep, class Period, class... Patterns>
requires(sizeof...(Patterns) > 0) [[nodiscard]] expect_awaiter
    expect(stream_reader& from, std::chrono::duration<Rep, Period> timeout, const Patterns&... patterns) {
    detail::expected all;
    all.reserve(sizeof...(patterns));
    (detail::add_patterns(all, patterns), ...);
    return expect_awaiter(from, to_clock_duration(timeout), std::move(all));
}
/// The same without a timeout.
template <detail::some_patterns First, detail::some_patterns... More>
[[nodiscard]] expect_awaiter expect(stream_reader& from, const First& first, const More&... more) {
    return expect(from, platform::clock::duration::max(), first, more...);
}

} // namespace coproc
