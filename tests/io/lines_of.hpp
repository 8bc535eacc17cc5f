#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// All that read_line says.

#include <optional>
#include <string>
#include <vector>

#include <coproc/coro/task.hpp>
#include <coproc/io/stream_reader.hpp>

/// Stands for a line that was refused.
const inline std::string too_long = "<too long>";

/// Each line until the end.
inline coproc::task<std::vector<std::string>> lines_of(coproc::stream_reader& reader) {
    std::vector<std::string> seen;
    for (;;) {
        std::optional<std::string> line;
        try {
            line = co_await reader.read_line();
        } catch (const coproc::line_too_long&) {
            line = too_long;
        }
        if (!line) co_return seen;
        seen.push_back(*line);
    }
}
