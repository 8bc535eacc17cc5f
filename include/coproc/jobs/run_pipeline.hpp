#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A pipeline in one call: execute, try_execute, output, lines.
//
//     pipeline_result r = co_await execute(command("tar", "c", ".") | command("gzip").out(stdio::file("x.tgz")));
//     auto words = lines(command("cat", log) | command("grep", "x"));
//     while (auto line = co_await words.next()) use(*line);

#include <coroutine>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/scope_guard.hpp"
#include "../coro/task.hpp"
#include "../io/stream_reader.hpp"
#include "../loop/task_group.hpp"
#include "execute.hpp"
#include "pipeline.hpp"
#include "pipeline_result.hpp"
#include "running_pipeline.hpp"

namespace coproc {
namespace detail {

// Every task has a name before it is awaited: GCC 12 destroys some temporaries of such an expression twice.

template <class Pipeline>
task<pipeline_result> run_to_its_end(std::unique_ptr<Pipeline> p) {
    co_await p->start();
    p->tend_all();
    task<pipeline_result> rest = p->finish();
    co_return co_await std::move(rest);
}

template <class Pipeline>
task<pipeline_result> execute_pipeline(std::unique_ptr<Pipeline> p) {
    task<pipeline_result> all = run_to_its_end(std::move(p));
    pipeline_result r = co_await std::move(all);
    co_return std::move(r).check();
}

template <class Pipeline>
task<pipeline_attempt> try_pipeline(std::unique_ptr<Pipeline> p) {
    pipeline_attempt a;
    static_cast<pipeline_result&>(a) = p->blank_result();
    task<pipeline_result> all = run_to_its_end(std::move(p));
    try {
        static_cast<pipeline_result&>(a) = co_await std::move(all);
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const spawn_error& e) {
        a.not_started = e;
    } catch (...) {
        a.failure = std::current_exception();
    }
    co_return a;
}

template <class Pipeline>
task<std::string> output_of_pipeline(std::unique_ptr<Pipeline> p) {
    task<pipeline_result> all = execute_pipeline(std::move(p));
    pipeline_result r = co_await std::move(all);
    std::string text = std::move(r.stages.back().out);
    strip_newlines(text);
    co_return text;
}

} // namespace detail

/// Runs all stages at once, the first of them fed with `input` (without any, and if its command says nothing of its
/// stdin, with the null device), to the end of every one. Each stderr is captured apart, as is the last stdout, within
/// the bounds of their commands; no order in which stages end, flood or do not read can block another one for ever.
///
/// Throws pipeline_error if a stage fails (`pipeline_result::failed`), with all results. A stage that passes a bound of
/// its command is stopped, and so are then all others; a stage that ends badly is not the end of the others: who reads
/// from it finds the end of its input. If a stage cannot be started, the others are stopped and reaped, and the
/// spawn_error says which one it was. Cancelled, it deals with every stage as its command's `on_destroy` says: by
/// default SIGKILL. Lazy: nothing runs before it is awaited.
///
/// Input for a first stage whose stdin comes from elsewhere is a usage_error.
template <class = void>
[[nodiscard]] task<pipeline_result> execute(const pipeline& what, std::string input = {}) {
    return detail::execute_pipeline(std::make_unique<detail::running_pipeline>(what, std::move(input)));
}

/// The same, but whatever comes of it is a value; only std::bad_alloc is thrown.
template <class = void>
[[nodiscard]] task<pipeline_attempt> try_execute(const pipeline& what, std::string input = {}) {
    return detail::try_pipeline(std::make_unique<detail::running_pipeline>(what, std::move(input)));
}

/// The same; what the last stage wrote to stdout, without its trailing newlines.
template <class = void>
[[nodiscard]] task<std::string> output(const pipeline& what, std::string input = {}) {
    return detail::output_of_pipeline(std::make_unique<detail::running_pipeline>(what, std::move(input)));
}

/// The lines that the last stage of a pipeline writes, as they come. Move-only; it owns every stage, and destroying it
/// deals with those that run as their commands' `on_destroy` says: by default SIGKILL. Whatever awaits something of it
/// must be gone before.
template <class>
class basic_pipeline_lines {
    struct state {
        state(const pipeline& what, std::string input) : all(what, std::move(input)) { all.keep_little_of_stderr(); }

        detail::running_pipeline all;
        task_group start; // goes on if whoever waits for it goes away: no program is to be started twice
        bool begun = false;
        bool asked = false;   // somebody waits in next()
        bool reading = false; // the programs run, and there may be a line
        bool ending = false;  // there is none any more
        bool over = false;
    };

public:
    basic_pipeline_lines(const pipeline& what, std::string input)
        : state_(std::make_unique<state>(what, std::move(input))) {}

    class [[nodiscard]] next_awaiter {
    public:
        explicit next_awaiter(state& s) noexcept : state_(&s) {}

        // A line that is there takes no coroutine.
        bool await_ready() {
            if (state_->asked)
                throw usage_error("a second next() of the lines of a pipeline while the first one waits");
            if (!state_->reading) return false;
            auto line = state_->all.last_out().next_line();
            if (!line.await_ready()) return false;
            line_ = line.await_resume();
            return line_.has_value();
        }
        bool await_suspend(std::coroutine_handle<> handle) {
            task<line_view> rest = wait_for_line(*state_);
            waiting_.emplace(std::move(rest).operator co_await());
            return waiting_->await_suspend(handle);
        }
        std::optional<std::string_view> await_resume() { return waiting_ ? waiting_->await_resume() : line_; }

    private:
        state* state_;
        std::optional<std::string_view> line_;
        std::optional<task<std::optional<std::string_view>>::awaiter> waiting_;
    };

    /// The next line without its `\n` or `\r\n`, valid until the next `next()`. The first one starts the programs; when
    /// the lines end, this waits for every stage, and is nullopt for ever, or throws, once, as `execute` does. Lines of
    /// others who hold the last stdout when the last stage has ended still come for its command's `drain`. Cancelling
    /// it loses nothing: the next one goes on. A second one while the first waits is a usage_error.
    [[nodiscard]] next_awaiter next() {
        if (!state_) throw usage_error("next() on the lines of a pipeline that were moved from");
        return next_awaiter(*state_);
    }

private:
    using line_view = std::optional<std::string_view>;

    static task<line_view> wait_for_line(state& s) {
        if (s.over) co_return std::nullopt;
        s.asked = true;
        const scope_exit answered([&s] { s.asked = false; });
        task<line_view> step = find_line(s);
        try {
            co_return co_await std::move(step);
        } catch (const line_too_long&) { // not the end
            throw;
        } catch (...) {
            s.over = true;
            throw;
        }
    }
    static task<> begin(state& s) {
        s.all.require_readable();
        co_await s.all.start();
        s.all.tend_all_but_last();
        s.reading = true;
    }
    static task<line_view> find_line(state& s) {
        if (!s.reading && !s.ending) {
            if (!std::exchange(s.begun, true)) s.start.start(begin(s));
            co_await s.start.join();
        }
        if (s.reading) {
            task<line_view> read = s.all.read_line();
            const line_view line = co_await std::move(read);
            if (line) co_return line;
            s.reading = false;
            s.ending = true;
            s.all.tend_last();
        }
        task<pipeline_result> to_the_end = s.all.finish();
        const pipeline_result r = co_await std::move(to_the_end);
        s.over = true;
        r.check();
        co_return std::nullopt;
    }

    std::unique_ptr<state> state_;
};
using pipeline_lines = basic_pipeline_lines<void>;

/// Starts nothing before the first `next()`. The stages before the last are looked after whether or not somebody is in
/// `next()`; the last one is held up, as by any pipe, while nobody is. Its `idle_timeout` counts within `next()` alone.
/// Of each stderr the first 16 KiB and the last 48 KiB are kept where its command says nothing else.
/// A last stdout that cannot be read here is a usage_error.
template <class = void>
[[nodiscard]] pipeline_lines lines(const pipeline& what, std::string input = {}) {
    return {what, std::move(input)};
}

} // namespace coproc
