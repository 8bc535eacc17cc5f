#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// execute, try_execute, output: a command from its start to its result, in one call.
//
//     result r = co_await execute(command("make", "-j4").timeout(90s));             // captured, timed, checked
//     std::string head = co_await output(command("git", "rev-parse", "HEAD"));      // what $(...) gives
//     if (attempt a = co_await try_execute(command("gti")); !a) log(a.why());       // nothing is thrown

#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../coro/task.hpp"
#include "../io/capture.hpp"
#include "../process/async_process.hpp"
#include "../process/child_terminal.hpp"
#include "../process/command.hpp"
#include "../process/process_error.hpp"
#include "../process/result.hpp"
#include "../process/start.hpp"
#include "../process/stdio.hpp"

namespace coproc {

/// What came of a command that was only tried.
struct attempt : result {
    std::optional<spawn_error> not_started; ///< why no program has run, if that is so
    /// What else `execute` would have thrown but for its status: timeout_error, output_limit_error, stream_error, what
    /// a sink has thrown.
    std::exception_ptr failure;

    /// It was started, kept its bounds and ended as the command accepts.
    [[nodiscard]] explicit operator bool() const noexcept {
        return !not_started && failure == nullptr && accepted.accepts(status);
    }
    /// Throws what `execute` would have thrown.
    void check() const {
        if (not_started) throw spawn_error(*not_started);
        if (failure != nullptr) std::rethrow_exception(failure);
        result::check();
    }
    /// In words; empty if all is well.
    [[nodiscard]] std::string why() const {
        return detail::what_is_thrown_by([this] { check(); });
    }
};

namespace detail {

/// Who is given no input and told nothing else reads the null device; on a terminal of its own it could be typed to.
/// Throws usage_error where there is input that could not reach the child.
inline void decide_stdin(command& c, std::string_view input) {
    const std::optional<stdio>& said = c.stdio_of(0);
    if (!said && input.empty() && !is_terminal(c, 0)) c.in(stdio::null);
    if (said && !input.empty() && !said->is_stream()) {
        throw usage_error(concat({"input for ", c.program(), ", whose stdin the command has from elsewhere"}));
    }
}

/// As much of stderr as one may want to see of a program that may run for ever, where the command says nothing of it.
inline void keep_little_of_stderr(command& c) {
    const capture& err = c.rules().err;
    if (!err.is_limit() || err.head_bytes() != capture::default_limit) return;
    c.capture_err(capture::head_tail(std::size_t{16} << 10, std::size_t{48} << 10));
}

/// The result as it is, so long as the run has kept its bounds. What the command owns, such as descriptors, goes with
/// the run.
///
/// Its end tells whether there was a program, so nobody has to wait for that before, which is a tenth of the time of a
/// small child. With input the start is awaited: it may have to be made again, and the input be there then.
template <class Command>
task<result> run_to_result(Command c, std::string input) {
    decide_stdin(c, input);
    if (input.empty()) {
        async_process p = start(c).unproven();
        close_numbered_inputs(p);
        result r;
        std::exception_ptr failure;
        try {
            r = co_await p.communicate();
        } catch (...) {
            failure = std::current_exception();
        }
        if (starting::has_run(p, c)) {
            if (failure) std::rethrow_exception(failure);
            co_return r;
        }
    }
    async_process p = co_await start(c);
    close_numbered_inputs(p);
    co_return co_await p.communicate(std::move(input));
}

template <class Command>
task<result> execute(Command c, std::string input) {
    result r = co_await run_to_result(std::move(c), std::move(input));
    r.check();
    co_return r;
}

template <class Command>
task<attempt> try_execute(Command c, std::string input) {
    attempt a;
    a.command_line = c.to_string();
    a.accepted = c.rules().accepted;
    try {
        static_cast<result&>(a) = co_await run_to_result(std::move(c), std::move(input));
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const spawn_error& e) {
        a.not_started = e;
    } catch (const process_error& e) {
        static_cast<result&>(a) = e.result();
        a.failure = std::current_exception();
    } catch (...) {
        a.failure = std::current_exception();
    }
    co_return a;
}

/// Takes off all `\n` and `\r\n` at the end.
inline void strip_newlines(std::string& text) noexcept {
    while (text.ends_with('\n')) {
        text.pop_back();
        if (text.ends_with('\r')) text.pop_back();
    }
}

template <class Command>
task<std::string> output(Command c, std::string input) {
    result r = co_await execute(std::move(c), std::move(input));
    strip_newlines(r.out);
    co_return std::move(r.out);
}

} // namespace detail

// NOLINTBEGIN(performance-unnecessary-value-param): they go on into the coroutine

/// Starts the command (as `start` does), feeds it `input`, reads what it writes, waits for it, and judges how it ended.
/// Throws spawn_error, and then no program has run; exit_error for a status that the command does not accept;
/// timeout_error and output_limit_error past one of its bounds (as `async_process::communicate`), the child stopped and
/// reaped by then.
///
/// Where the command says nothing of them, stdout and stderr are captured, and stdin is `input`, or the null device if
/// that is empty. Input for a command whose stdin comes from elsewhere is a usage_error.
///
/// Lazy: nothing runs before it is awaited. Cancelling it, at any moment, deals with the child as the command's
/// `on_destroy` says: by default it is killed, and the loop reaps it.
template <class = void>
[[nodiscard]] task<result> execute(command c, std::string input = {}) {
    return detail::execute(std::move(c), std::move(input));
}

/// The same, but whatever comes of it is a value; only std::bad_alloc is thrown.
template <class = void>
[[nodiscard]] task<attempt> try_execute(command c, std::string input = {}) {
    return detail::try_execute(std::move(c), std::move(input));
}

/// What it writes to stdout, without the newlines at its end (`\n` or `\r\n`, all of them). Throws as `execute` does.
template <class = void>
[[nodiscard]] task<std::string> output(command c, std::string input = {}) {
    return detail::output(std::move(c), std::move(input));
}

// NOLINTEND(performance-unnecessary-value-param)

} // namespace coproc
