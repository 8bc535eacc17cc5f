// SPDX-License-Identifier: BSL-1.0
//
// A vector that is filled in a loop with a co_await, and returned.
//
// What was seen: the caller got the vector as it had been one turn of the loop before, with memory that was free by
// then
// ("double free detected"). GCC 12.2 at -O2: its vectorizer joins the two words where the vector begins and ends to one
// load, and takes it before the last turn. Not ours, but users would meet it here first, so our targets compile without
// that (-fno-tree-slp-vectorize).
#include <cstddef>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

task<std::vector<int>> numbers_from(async_process& p, std::size_t count) {
    std::vector<int> numbers;
    while (numbers.size() < count) {
        const auto line = co_await p.read_line();
        numbers.push_back(std::stoi(*line));
    }
    co_return numbers;
}

} // namespace

TEST_CASE("what is gathered across suspensions arrives whole", "[coro][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        co_await p.write_stdin("1\n2\n3\n");
        const std::vector<int> all = co_await numbers_from(p, 3);
        CHECK(all == std::vector<int>({1, 2, 3}));
        p.close_stdin();
        co_await p.wait();
    };
    run_in_time(talk());
}
