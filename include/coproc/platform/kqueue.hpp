#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The event backend of macOS and the BSDs: kqueue. It also runs on Linux, on libkqueue.

#include <sys/types.h>

#include <sys/event.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>

#include "../core/unique_fd.hpp"
#include "contract.hpp"
#include "pipe.hpp"

#if defined(__linux__)
#include "child_linux.hpp"
#else
#include "child_bsd.hpp"
#endif

namespace coproc::platform {

class kqueue_backend {
public:
    /// Throws std::system_error: EMFILE, ENFILE, ENOMEM.
    kqueue_backend() : queue_(queue_above_stdio()) {
        if (!queue_) throw std::system_error(last_error(), "kqueue");
        // A kqueue is never inherited by a forked child (kqueue(2)), only the number of its descriptor would be.
        ::fcntl(queue_.get(), F_SETFD, FD_CLOEXEC);
        if (const auto error = change(bell, EVFILT_USER, EV_ADD | EV_CLEAR)) throw std::system_error(error, "kevent");
    }
    kqueue_backend(const kqueue_backend&) = delete;
    kqueue_backend& operator=(const kqueue_backend&) = delete;

    [[nodiscard]] std::error_code watch(int fd, interest what, std::uint64_t tag) noexcept {
        // A file would be taken, but told of only while its offset is not at the end (kqueue(2)): nobody would ever
        // hear of the end. Few of the devices are taken; those that are not, such as /dev/null, do not block either.
        const auto never_blocks = std::make_error_code(std::errc::operation_not_permitted);
        struct stat about {};
        if (::fstat(fd, &about) == 0 && (S_ISREG(about.st_mode) || S_ISBLK(about.st_mode))) return never_blocks;
        const std::error_code error = change(ident(fd), filter_of(what), EV_ADD | EV_CLEAR, 0, 0, tag);
        return error && S_ISCHR(about.st_mode) && ::isatty(fd) == 0 ? never_blocks : error;
    }
    void unwatch(int fd, interest what) noexcept { static_cast<void>(change(ident(fd), filter_of(what), EV_DELETE)); }

    /// ESRCH if the child has ended before we could look (macOS, FreeBSD).
    [[nodiscard]] std::error_code watch_exit(const child& process, std::uint64_t tag) noexcept {
        return change(ident(process.pid()), EVFILT_PROC, EV_ADD | EV_ONESHOT, exit_note, 0, tag);
    }
    void unwatch_exit(const child& process) noexcept {
        static_cast<void>(change(ident(process.pid()), EVFILT_PROC, EV_DELETE)); // ENOENT after its one event
    }

    void arm(clock::time_point when) noexcept {
        using namespace std::chrono;
        const auto left = std::max<std::int64_t>(1, duration_cast<nanoseconds>(when - clock::now()).count());
        static_cast<void>(change(alarm, EVFILT_TIMER, EV_ADD | EV_ONESHOT, nanosecond_note, left));
    }
    void disarm() noexcept { static_cast<void>(change(alarm, EVFILT_TIMER, EV_DELETE)); }

    void wake() noexcept { static_cast<void>(change(bell, EVFILT_USER, 0, NOTE_TRIGGER)); }

    template <class OnEvent>
    bool wait(bool may_block, OnEvent&& on_event) {
        struct kevent events[64];
        const timespec at_once{};
        const int count = ::kevent(queue_.get(), nullptr, 0, events, 64, may_block ? nullptr : &at_once);
        if (count < 0 && errno != EINTR) throw std::system_error(last_error(), "kevent");
        bool alarm_rang = false;
        for (int i = 0; i < count; ++i) {
            const auto filter = events[i].filter;
            if (filter == EVFILT_TIMER) alarm_rang = true;
            else if (filter != EVFILT_USER) on_event(tag_of(events[i]), translate(events[i]));
        }
        return alarm_rang;
    }

    [[nodiscard]] std::uint64_t settle() noexcept { return 0; }

    [[nodiscard]] int native_handle() const noexcept { return queue_.get(); }

private:
    static constexpr std::uintptr_t bell = 1, alarm = 1; // of different filters, so they may share a number
    static constexpr unsigned exit_note = static_cast<unsigned>(NOTE_EXIT);
#if defined(NOTE_CRITICAL)
    static constexpr unsigned nanosecond_note = NOTE_NSECONDS | NOTE_CRITICAL; // no coalescing of timers on macOS
#else
    static constexpr unsigned nanosecond_note = NOTE_NSECONDS;
#endif

    // Where a host has closed its own streams, their numbers are not for us; and a kqueue cannot be moved to another
    // number on every system.
    static unique_fd queue_above_stdio() noexcept {
        unique_fd queue(::kqueue());
        if (!queue || queue.get() > STDERR_FILENO) return queue;
        return queue_above_stdio(); // while this one keeps the place
    }

    static std::uintptr_t ident(int number) noexcept { return static_cast<std::uintptr_t>(number); }
    static int filter_of(interest what) noexcept { return what == interest::read ? EVFILT_READ : EVFILT_WRITE; }

    // The members have other types on each system, so each is converted to what it is here.
    std::error_code change(std::uintptr_t id, int filter, unsigned flags, unsigned notes = 0, std::int64_t data = 0,
                           std::uint64_t tag = 0) noexcept {
        struct kevent event {};
        event.ident = id;
        event.filter = static_cast<decltype(event.filter)>(filter);
        event.flags = static_cast<decltype(event.flags)>(flags);
        event.fflags = static_cast<decltype(event.fflags)>(notes);
        event.data = static_cast<decltype(event.data)>(data);
        event.udata = reinterpret_cast<decltype(event.udata)>(static_cast<std::uintptr_t>(tag)); // NOLINT
        if (::kevent(queue_.get(), &event, 1, nullptr, 0, nullptr) < 0) return last_error();
        return {};
    }

    static std::uint64_t tag_of(const struct kevent& event) noexcept {
        return reinterpret_cast<std::uintptr_t>(event.udata); // NOLINT
    }

    static readiness translate(const struct kevent& event) noexcept {
        const bool gone = (event.flags & EV_EOF) != 0;
        return {.read = event.filter != EVFILT_WRITE, .write = event.filter == EVFILT_WRITE, .hangup = gone};
    }

    static_assert(sizeof(std::uintptr_t) == sizeof(std::uint64_t), "a tag travels as a pointer");

    unique_fd queue_;
};

static_assert(event_backend<kqueue_backend, child>);

} // namespace coproc::platform
