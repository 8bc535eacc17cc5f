// SPDX-License-Identifier: BSL-1.0
#include <coproc/core/unique_fd.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <type_traits>
#include <utility>

#include "support/catch.hpp"
#include "support/resources.hpp"

using coproc::unique_fd;

namespace {

int some_fd() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

} // namespace

TEST_CASE("a descriptor is closed with its owner", "[core]") {
    const nothing_leaks check;
    const int fd = some_fd();
    {
        const unique_fd owner(fd);
        CHECK(owner);
        CHECK(owner.get() == fd);
        CHECK(is_open(fd));
    }
    CHECK_FALSE(is_open(fd));
}

TEST_CASE("an empty owner holds -1 and closes nothing", "[core]") {
    unique_fd owner;
    CHECK_FALSE(owner);
    CHECK(owner.get() == -1);
    owner.reset();
    CHECK(owner.release() == -1);
}

TEST_CASE("descriptor 0 is a descriptor", "[core]") {
    unique_fd stdin_owner(0);
    CHECK(stdin_owner);
    CHECK(stdin_owner.release() == 0); // not ours to close
}

TEST_CASE("moving an owner empties it", "[core]") {
    const nothing_leaks check;
    unique_fd first(some_fd());
    const int fd = first.get();
    const unique_fd second(std::move(first));
    CHECK(first.get() == -1); // NOLINT(bugprone-use-after-move)
    CHECK(second.get() == fd);
    CHECK(is_open(fd));
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<unique_fd>);
    STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<unique_fd>);
}

TEST_CASE("assigning to an owner closes what it held", "[core]") {
    const nothing_leaks check;
    unique_fd owner(some_fd());
    const int old = owner.get();
    unique_fd other(some_fd());
    const int young = other.get();
    owner = std::move(other);
    CHECK_FALSE(is_open(old));
    CHECK(owner.get() == young);
    owner = unique_fd();
    CHECK_FALSE(is_open(young));
}

TEST_CASE("an owner survives being assigned to itself", "[core]") {
    const nothing_leaks check;
    unique_fd owner(some_fd());
    const int fd = owner.get();
    unique_fd& alias = owner;
    owner = std::move(alias);
    CHECK(owner.get() == fd);
    CHECK(is_open(fd));
}

TEST_CASE("a released descriptor belongs to the caller", "[core]") {
    const nothing_leaks check;
    int fd = -1;
    {
        unique_fd owner(some_fd());
        fd = owner.release();
        CHECK_FALSE(owner);
    }
    CHECK(is_open(fd));
    ::close(fd);
}

TEST_CASE("resetting twice closes once", "[core]") {
    const nothing_leaks check;
    unique_fd owner(some_fd());
    const int fd = owner.get();
    owner.reset();
    CHECK_FALSE(is_open(fd));
    const unique_fd reused(some_fd()); // most likely gets the same number, which is not the first owner's any more
    owner.reset();
    CHECK(is_open(reused.get()));
}
