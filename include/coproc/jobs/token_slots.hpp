#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The slots of GNU make's job server: a pipe with a byte for each job that may run besides the first of each process,
// which its parent has accounted for. ("POSIX Jobserver Interaction" in make's manual.)

#include <array>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

#include "../core/unique_fd.hpp"
#include "../loop/event_loop.hpp"
#include "../platform/fork_count.hpp"
#include "../platform/patient_write.hpp"
#include "../platform/platform.hpp"
#include "../platform/shared_pipe.hpp"
#include "job_slots.hpp"

namespace coproc::detail {

/// While one slot is out, that is the first job, which needs no byte; for each other one a byte is held. A slot that
/// comes back gives a byte back as long as any is held: which job was the first does not matter.
class token_slots : public job_slots, event_target {
public:
    /// How many bytes of the pipe are held.
    [[nodiscard]] std::size_t held() const noexcept { return held_; }

protected:
    token_slots() noexcept = default;
    ~token_slots() = default;

    /// What `read` has a byte for can be had from now on; bytes go back to `write`.
    void share(platform::shared_pipe read, unique_fd write) noexcept {
        read_ = std::move(read);
        write_ = std::move(write);
    }
    void set_unlimited() noexcept { unlimited_ = true; }

    [[nodiscard]] bool is_unlimited() const noexcept { return unlimited_; }
    [[nodiscard]] bool is_shared() const noexcept { return read_.get() >= 0; }
    [[nodiscard]] int read_end() const noexcept { return read_.get(); }
    [[nodiscard]] int write_end() const noexcept { return write_.get(); }
    [[nodiscard]] platform::shared_pipe& tokens() noexcept { return read_; }

    /// 0, or the errno.
    int write_token(char token) noexcept {
        return platform::write_patiently(write_.get(), std::string_view(&token, 1));
    }

private:
    bool take_now() noexcept final {
        if (out_ != 0 && !unlimited_ && !take_token()) return false;
        ++out_;
        return true;
    }
    void put_back() noexcept final {
        --out_;
        if (held_ != 0) return give_token_back(); // whoever waits for it hears of it as all others do
        if (out_ == 0) hand_out();
    }

    [[nodiscard]] bool take_token() noexcept {
        if (!is_shared() || in_a_fork()) return false;
        const int token = read_.take();
        if (token < 0) return false;
        ++of_each_[static_cast<std::size_t>(token)];
        ++held_;
        return true;
    }
    // The very byte that was read: make may mean something by it.
    void give_token_back() noexcept {
        std::size_t token = 0;
        while (of_each_[token] == 0) ++token;
        --of_each_[token];
        --held_;
        // A fork of the host that lets go of what it inherited must not give back what is held here.
        if (!in_a_fork()) write_token(static_cast<char>(token));
    }
    [[nodiscard]] bool in_a_fork() const noexcept { return platform::fork_count() != made_after_forks_; }

    void begin_to_watch(event_loop& loop) final {
        if (!is_shared()) return;
        if (const std::error_code error = loop.watch(read_.get(), platform::interest::read, *this, watched_))
            throw std::system_error(error, "cannot wait for a slot of make's job server");
        loop_ = &loop;
    }
    void end_to_watch() noexcept final {
        if (watched_ != 0) loop_->unwatch(read_.get(), platform::interest::read, watched_);
    }
    void on_event(platform::readiness) noexcept final { hand_out(); }

    platform::shared_pipe read_;
    unique_fd write_;
    std::array<std::size_t, 256> of_each_{}; // the bytes that are held
    std::size_t held_ = 0;
    std::size_t out_ = 0; // slots
    bool unlimited_ = false;
    event_loop* loop_ = nullptr;
    event_loop::registration watched_ = 0;
    unsigned made_after_forks_ = platform::fork_count();
};

} // namespace coproc::detail
