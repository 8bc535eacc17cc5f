#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A process that somebody else has started, as a child without streams.

#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/platform.hpp"
#include "command.hpp"
#include "destroy.hpp"
#include "process_state.hpp"
#include "streams.hpp"

namespace coproc::detail {

template <class = void>
[[nodiscard]] process_owner adopt_process(int pid, destroy on_destroy, event_loop& loop) {
    if (pid <= 0 || pid == ::getpid()) {
        throw std::invalid_argument(concat({pid, " is no number of another process"}));
    }
    const std::string number = to_text(pid);
    const command name = command("process", number).on_destroy(on_destroy);
    process_owner made(new process_state(name, streams(), loop));
    platform::child running = platform::running_process(pid);
    if (running.pid() < 0) {
        throw error("adopt", concat({"process ", number}), "", {errno, std::system_category()});
    }
    made->start(std::move(running));
    return made;
}

} // namespace coproc::detail
