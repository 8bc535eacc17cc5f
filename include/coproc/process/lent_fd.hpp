#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// lent_fd: a descriptor of the user's that a command gives to its children.

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "../core/concat.hpp"
#include "../core/unique_fd.hpp"

namespace coproc::detail {

/// Borrowed: it must be open when a child is started, and is never closed or changed by us. Owned: closed when the last
/// copy of the command is gone.
class lent_fd {
public:
    /// None.
    lent_fd() noexcept = default;
    explicit lent_fd(int borrowed) : number_(checked(borrowed)) {}
    explicit lent_fd(unique_fd owned)
        : number_(checked(owned.get())), owner_(std::make_shared<const unique_fd>(std::move(owned))) {}

    [[nodiscard]] int get() const noexcept { return number_; }

private:
    static int checked(int fd) {
        if (fd < 0) throw std::invalid_argument(concat({"there is no descriptor ", fd}));
        return fd;
    }

    int number_ = -1;
    std::shared_ptr<const unique_fd> owner_;
};

} // namespace coproc::detail
