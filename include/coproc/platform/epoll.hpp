#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The event backend of Linux: epoll, an eventfd for wake-ups, a timerfd for the alarm.
//
// A child that is all there is to wait for is not registered: one poll(2) on its pidfd and on the queue sleeps until
// either has news. That saves two calls and what they set up, 1.5 us of a start, 4 where another processor runs the
// child.

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include "../core/unique_fd.hpp"
#include "child_linux.hpp"
#include "contract.hpp"
#include "pipe.hpp"

namespace coproc::platform {

class epoll_backend {
public:
    /// Throws std::system_error: EMFILE, ENFILE, ENOMEM.
    epoll_backend()
        : queue_(own(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
          bell_(own(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
          alarm_(own(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create")) {
        // Edge-triggered, so neither needs to be read: each ring and each expiry is an edge of its own.
        if (const auto error = add(bell_.get(), EPOLLIN, bell_tag)) throw std::system_error(error, "epoll_ctl");
        if (const auto error = add(alarm_.get(), EPOLLIN, alarm_tag)) throw std::system_error(error, "epoll_ctl");
        registered_ = 0;
    }
    epoll_backend(const epoll_backend&) = delete;
    epoll_backend& operator=(const epoll_backend&) = delete;

    [[nodiscard]] std::error_code watch(int fd, interest what, std::uint64_t tag) noexcept {
        return add(fd, what == interest::read ? EPOLLIN | EPOLLRDHUP : EPOLLOUT, tag);
    }
    void unwatch(int fd, interest) noexcept {
        if (::epoll_ctl(queue_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0) --registered_;
    }

    [[nodiscard]] std::error_code watch_exit(const child& process, std::uint64_t tag) noexcept {
        const int fd = process.exit_fd();
        if (fd < 0) return std::make_error_code(std::errc::operation_not_supported);
        if (registered_ != 0 || only_.fd >= 0) return add(fd, EPOLLIN, tag);
        only_ = {fd, tag};
        return {};
    }
    void unwatch_exit(const child& process) noexcept {
        if (process.exit_fd() == only_.fd) only_ = {};
        else unwatch(process.exit_fd(), interest::read);
    }

    /// Exact to the timerfd's granularity: unlike the timeout of epoll_wait it has no timer slack (50 us).
    void arm(clock::time_point when) noexcept {
        using namespace std::chrono;
        // All zeroes would disarm it (timerfd_create(2)).
        const auto since_boot = std::max(when.time_since_epoch(), clock::duration(1));
        const auto whole = duration_cast<seconds>(since_boot);
        itimerspec spec{};
        spec.it_value.tv_sec = static_cast<time_t>(whole.count());
        spec.it_value.tv_nsec = static_cast<long>(duration_cast<nanoseconds>(since_boot - whole).count());
        ::timerfd_settime(alarm_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
    }
    void disarm() noexcept {
        const itimerspec never{};
        ::timerfd_settime(alarm_.get(), 0, &never, nullptr);
    }

    void wake() noexcept {
        // Fails only when the counter is at its end, and then the bell has rung.
        [[maybe_unused]] const int rung = ::eventfd_write(bell_.get(), 1);
    }

    template <class OnEvent>
    bool wait(bool may_block, OnEvent&& on_event) {
        if (only_.fd >= 0) {
            if (may_block && registered_ == 0 && !only_.had_its_turn) {
                if (!sleep_on_only(on_event)) return false;
                may_block = false;
            } else if (const std::uint64_t refused = settle()) {
                on_event(refused, readiness{});
                may_block = false;
            }
        }
        epoll_event events[64];
        const int count = ::epoll_wait(queue_.get(), events, 64, may_block ? -1 : 0);
        if (count < 0 && errno != EINTR) throw std::system_error(last_error(), "epoll_wait");
        bool alarm_rang = false;
        for (int i = 0; i < count; ++i) {
            const std::uint64_t tag = events[i].data.u64;
            if (tag == alarm_tag) alarm_rang = true;
            else if (tag != bell_tag) on_event(tag, translate(events[i].events));
        }
        return alarm_rang;
    }

    /// Registers the exit that is not, for whoever hears of the queue alone. Its tag where that was refused.
    [[nodiscard, gnu::noinline]] std::uint64_t settle() noexcept {
        const unregistered_exit exit = std::exchange(only_, {});
        return exit.fd >= 0 && add(exit.fd, EPOLLIN, exit.tag) ? exit.tag : 0;
    }

    [[nodiscard]] int native_handle() const noexcept { return queue_.get(); }

private:
    struct unregistered_exit {
        int fd = -1;
        std::uint64_t tag = 0;
        bool had_its_turn = false; // to wait for it once more is to wait for long, or for something else
    };

    // True if there is anything in the queue. Whoever is told of the exit unwatches it, or it is registered after all.
    template <class OnEvent>
    bool sleep_on_only(OnEvent&& on_event) noexcept {
        only_.had_its_turn = true;
        pollfd both[] = {{queue_.get(), POLLIN, 0}, {only_.fd, POLLIN, 0}};
        if (::poll(both, 2, -1) < 0) return errno != EINTR;
        if (both[1].revents != 0) on_event(only_.tag, readiness{.read = true});
        return both[0].revents != 0;
    }

    static constexpr std::uint64_t bell_tag = ~std::uint64_t{0};
    static constexpr std::uint64_t alarm_tag = bell_tag - 1;

    static unique_fd own(int fd, const char* what) {
        unique_fd owner = above_stdio(unique_fd(fd));
        if (!owner) throw std::system_error(last_error(), what);
        return owner;
    }

    std::error_code add(int fd, std::uint32_t events, std::uint64_t tag) noexcept {
        epoll_event event{};
        event.events = events | EPOLLET;
        event.data.u64 = tag;
        if (::epoll_ctl(queue_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return last_error();
        ++registered_;
        return {};
    }

    static readiness translate(std::uint32_t events) noexcept {
        // An error or a hang-up comes alone on a full pipe that has lost its reader, and must wake the writer, who
        // learns the reason from write(2).
        const bool gone = (events & (EPOLLERR | EPOLLHUP)) != 0;
        return {.read = gone || (events & (EPOLLIN | EPOLLRDHUP)) != 0,
                .write = gone || (events & EPOLLOUT) != 0,
                .hangup = gone || (events & EPOLLRDHUP) != 0};
    }

    unique_fd queue_, bell_, alarm_;
    std::size_t registered_ = 0; // besides the bell and the alarm
    unregistered_exit only_;     // of the only child
};

static_assert(event_backend<epoll_backend, child>);

} // namespace coproc::platform
