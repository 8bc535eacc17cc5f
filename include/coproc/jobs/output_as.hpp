#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// output_as<T>: what a command writes, as a value, in one call.
//
//     int processors = co_await output_as<int>(command("nproc"));
//     auto disks = co_await output_as<nlohmann::json>(command("lsblk", "-J"));

#include <string>
#include <utility>

#include "../coro/task.hpp"
#include "../data/decoder.hpp"
#include "../process/result.hpp"
#include "execute.hpp"

namespace coproc {
namespace detail {

[[nodiscard]] inline std::string& captured_output(result& r) noexcept { return r.out; }
/// Of several in a row.
template <class All>
[[nodiscard]] std::string& captured_output(All& r) noexcept {
    return r.stages.back().out;
}

template <class Result>
struct line_of {
    const Result& of;
    [[nodiscard]] const std::string& command_line() const noexcept { return of.command_line; }
};

template <class T, class Result>
task<T> output_as(task<Result> run) {
    Result r = co_await std::move(run);
    std::string bytes = std::move(captured_output(r));
    line_of<Result> whose{r};
    co_return detail::decode_for<T>(std::move(bytes), bytes_of(whose));
}

} // namespace detail

/// Runs the command, or the pipeline, as `execute` does, and yields all that it has written to stdout as a T, by
/// `decoder<T>`; a std::string is all of it, byte for byte (`output` leaves out the newlines at its end). Throws what
/// `execute` throws, so a command that has failed is told as such, whatever it has written; decode_error, which names
/// the command line.
template <class T, class Command>
[[nodiscard]] auto output_as(Command what, std::string input = {}) {
    return detail::output_as<T>(execute(std::move(what), std::move(input)));
}

} // namespace coproc
