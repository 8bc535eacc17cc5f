#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What the floors above ask of an operating system, as concepts that each implementation asserts where it ends.
//
//     event_backend   one kernel queue: descriptors, child exits, one alarm, a wake-up from any thread
//     child_process   one child: its pid, a signal to it, its status without blocking
//
// The enumerators are our own: the constants of epoll and kqueue stay behind this border.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <system_error>

#include "../core/exit_status.hpp"
#include "../core/resource_usage.hpp"

namespace coproc::platform {

/// Monotonic; deadlines are points of it.
using clock = std::chrono::steady_clock;

/// What a descriptor is watched for.
enum class interest : unsigned char { read, write };

/// What became possible on a watched descriptor.
struct readiness {
    bool read = false;   ///< a read would not block: data, end of stream or an error
    bool write = false;  ///< a write would not block, if only because it fails
    bool hangup = false; ///< the other side is gone: after the last byte there is the end, and no further event
};

/// What the kernel tells when it gives up a child.
struct reaped {
    exit_status status;
    resource_usage usage;
};

// clang-format off: version 14 takes a concept apart

/// A child of this process that nobody else reaps, or any process (`running_process`), which is as good as reaped when
/// it has ended, nobody knows how. Destroying it does nothing to the process.
template <class C>
concept child_process = std::movable<C> && requires(C child, const C watched, int signal) {
    { watched.pid() }
    noexcept->std::same_as<int>;
    /// False if it is gone and reaped. A signal to a child that has exited but is not reaped has no effect.
    { watched.send_signal(signal) }
    noexcept->std::same_as<bool>;
    /// Reaps if it has ended; never blocks. One that was never started has ended, nobody knows how.
    { child.try_reap() }
    noexcept->std::same_as<std::optional<reaped>>;
    /// Blocks until it has ended. For a child that has been killed.
    { child.reap() }
    noexcept->std::same_as<reaped>;
};

/// One kernel event queue, used by one thread, but for `wake`.
///
/// A tag, which is not 0, comes back with each event of what it was registered with. Registrations are edge-triggered:
/// after an event the next one comes when something new happens, so what is ready has to be taken until it would block.
template <class B, class C>
concept event_backend = child_process<C> && std::default_initializable<B> && !std::movable<B> &&
                        requires(B backend, const C& child, int fd, interest what, std::uint64_t tag,
                                 clock::time_point when, void (*on_event)(std::uint64_t, readiness)) {
    /// Reports what is ready already, too. One registration for each descriptor: who reads and writes the same
    /// thing duplicates it. An error leaves nothing registered: EPERM for what never blocks (a file, /dev/null), EPIPE
    /// on BSD for a pipe that nobody will read.
    { backend.watch(fd, what, tag) }
    noexcept->std::same_as<std::error_code>;
    /// Before the descriptor is closed: a closed one goes on reporting while a child holds a copy (epoll(7)).
    { backend.unwatch(fd, what) }
    noexcept;
    /// An event when the child has ended, or a little earlier; from the next `wait` or `settle` on. An error, or an
    /// event of nothing, if only the poor man's way is left: to try `try_reap` now and then.
    { backend.watch_exit(child, tag) }
    noexcept->std::same_as<std::error_code>;
    { backend.unwatch_exit(child) }
    noexcept;
    /// `wait` returns at `when` at the latest; the last call counts.
    { backend.arm(when) }
    noexcept;
    { backend.disarm() }
    noexcept;
    /// Makes `wait` return, now or the next time. From any thread.
    { backend.wake() }
    noexcept;
    /// Calls `on_event(tag, readiness)` for what has happened; blocks only if asked to and only until something
    /// has. Signals end it early. True if the alarm has rung, perhaps a little early; it rings once.
    { backend.wait(true, on_event) } -> std::same_as<bool>;
    /// Before anybody else polls the handle: from now on it tells of all that is watched, but for the exit whose tag is
    /// the answer (0: none), as after an error of `watch_exit`.
    { backend.settle() }
    noexcept->std::same_as<std::uint64_t>;
    /// Polls readable when `wait` would not block.
    { backend.native_handle() }
    noexcept->std::same_as<int>;
};

// clang-format on

} // namespace coproc::platform
