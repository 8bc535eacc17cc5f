// SPDX-License-Identifier: BSL-1.0
#include <coproc/io/stream_group.hpp>

#include <optional>

#include "support/catch.hpp"

using namespace coproc;

namespace {
struct counting final : stream_group::member {
    void collect() noexcept override { ++begun; }
    void stop_collecting() noexcept override { ++ended; }
    int begun = 0;
    int ended = 0;
};
} // namespace

TEST_CASE("a group collects from when the first begins to wait until the last has ended", "[io]") {
    stream_group group;
    counting one;
    counting other;
    group.add(one);
    group.add(other);
    {
        group_stay first;
        first.enter(&group);
        CHECK(one.begun == 1);
        CHECK(other.begun == 1);
        {
            group_stay second;
            second.enter(&group);
        }
        CHECK(one.begun == 1);
        CHECK(one.ended == 0);
    }
    CHECK(one.ended == 1);
    CHECK(other.ended == 1);
}

TEST_CASE("a stay ends once", "[io]") {
    stream_group group;
    counting one;
    group.add(one);
    {
        group_stay stay;
        stay.enter(&group);
        stay.leave();
        stay.leave();
    }
    CHECK(one.ended == 1);
}

TEST_CASE("a stay in no group is nothing", "[io]") {
    group_stay stay;
    stay.enter(nullptr);
    CHECK_NOTHROW(stay.leave());
}

TEST_CASE("a member that is gone has left its group", "[io]") {
    stream_group group;
    std::optional<counting> one(std::in_place);
    counting other;
    group.add(*one);
    group.add(other);
    one.reset();
    group_stay stay;
    stay.enter(&group);
    CHECK(other.begun == 1);
}
