#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What the tests of command_queue have in common.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <coproc/jobs/command_queue.hpp>
#include <coproc/loop/sleep.hpp>

#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

namespace queues {

/// Ends with that code at once.
inline coproc::command ends_with(int code) { return coproc::command(child("exit_with"), std::to_string(code)); }
/// Stays until it gets a signal, such as SIGTERM, and exits with its number.
inline coproc::command stays() { return coproc::command(child("wait_for_signal")); }

inline std::vector<std::string> names(const std::vector<coproc::job_result>& all) {
    std::vector<std::string> found;
    for (const coproc::job_result& each : all) found.push_back(each.name);
    return found;
}
inline std::vector<coproc::job_state> states(const std::vector<coproc::job_result>& all) {
    std::vector<coproc::job_state> found;
    for (const coproc::job_result& each : all) found.push_back(each.state);
    return found;
}

inline coproc::task<coproc::job_results> run_all(coproc::command_queue& q) { co_return co_await q.execute_all(); }

/// All of them, as they finish.
inline coproc::task<std::vector<coproc::job_result>> rest_of(coproc::command_queue& q) {
    std::vector<coproc::job_result> all;
    while (auto done = co_await q.next()) all.push_back(std::move(*done));
    co_return all;
}

/// Turns of the loop, until it is so.
template <class Condition>
coproc::task<> until(Condition is_so) {
    while (!is_so()) co_await coproc::sleep_for(std::chrono::microseconds(200));
}

/// `stays()`, which says "ready" to whoever asks here.
class ready_counter {
public:
    [[nodiscard]] coproc::command stays(const char* program = "wait_for_signal") {
        return coproc::command(child(program)).out(coproc::stdio::sink([this](std::string_view said) {
            if (!said.empty()) ++ready_;
        }));
    }
    [[nodiscard]] coproc::task<> all(int wanted) {
        return until([this, wanted] { return ready_ >= wanted; });
    }

private:
    int ready_ = 0;
};

} // namespace queues
