// SPDX-License-Identifier: BSL-1.0
#include <coproc/core/scope_guard.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/catch.hpp"

using coproc::scope_exit;
using coproc::scope_fail;
using coproc::scope_success;

namespace {

// Which guards act when a scope is left by `leave`.
template <class Leave>
std::string acting(Leave leave) {
    std::string acted;
    try {
        scope_exit always([&] { acted += "exit "; });
        scope_fail by_exception([&] { acted += "fail "; });
        scope_success normally([&] { acted += "success "; });
        leave();
    } catch (const std::runtime_error&) {
    }
    return acted;
}

} // namespace

TEST_CASE("leaving a scope normally runs exit and success", "[core]") {
    CHECK(acting([] {}) == "success exit "); // in reverse, as all destructors
}

TEST_CASE("leaving a scope by an exception runs exit and fail", "[core]") {
    CHECK(acting([] { throw std::runtime_error("out"); }) == "fail exit ");
}

TEST_CASE("an exception that is caught inside the scope is no failure of it", "[core]") {
    const auto caught_inside = [] {
        try {
            throw std::runtime_error("in");
        } catch (const std::runtime_error&) {
        }
    };
    CHECK(acting(caught_inside) == "success exit ");
}

TEST_CASE("a released guard does nothing", "[core]") {
    bool acted = false;
    {
        scope_exit guard([&] { acted = true; });
        guard.release();
    }
    CHECK_FALSE(acted);
    {
        scope_success guard([&] { acted = true; });
        guard.release();
    }
    CHECK_FALSE(acted);
}

TEST_CASE("a scope that is entered while an exception flies can be left normally", "[core]") {
    struct cleaner {
        std::string& acted;
        ~cleaner() {
            acted = acting([] {});
        }
    };
    std::string acted;
    try {
        const cleaner runs_during_unwinding{acted};
        throw std::runtime_error("flies");
    } catch (const std::runtime_error&) {
    }
    CHECK(acted == "success exit ");
}

TEST_CASE("a scope that fails while another exception flies has failed", "[core]") {
    struct cleaner {
        std::string& acted;
        ~cleaner() {
            acted = acting([] { throw std::runtime_error("inner"); });
        }
    };
    std::string acted;
    try {
        const cleaner runs_during_unwinding{acted};
        throw std::runtime_error("outer");
    } catch (const std::runtime_error&) {
    }
    CHECK(acted == "fail exit ");
}

TEST_CASE("a guard owns what its action owns", "[core]") {
    int seen = 0;
    {
        scope_exit guard([&seen, n = std::make_unique<int>(7)] { seen = *n; });
        CHECK(seen == 0);
    }
    CHECK(seen == 7);
}
