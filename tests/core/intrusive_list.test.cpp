// SPDX-License-Identifier: BSL-1.0
#include <coproc/core/intrusive_list.hpp>

#include <algorithm>
#include <list>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace {

struct item : coproc::list_node {
    explicit item(int n) : number(n) {}
    int number;
};
using item_list = coproc::intrusive_list<item>;

std::vector<int> numbers(item_list& list) {
    std::vector<int> found;
    list.for_each([&](item& each) { found.push_back(each.number); });
    return found;
}
using order = std::vector<int>;

} // namespace

TEST_CASE("a list is first in first out", "[core]") {
    item a(1), b(2), c(3);
    item_list list;
    CHECK(list.empty());
    list.push_back(a);
    list.push_back(b);
    list.push_back(c);
    CHECK(numbers(list) == order{1, 2, 3});
    CHECK(&list.pop_front() == &a);
    CHECK_FALSE(a.linked());
    CHECK(&list.pop_front() == &b);
    list.push_back(a);
    CHECK(numbers(list) == order{3, 1});
}

TEST_CASE("a node can be put before all others", "[core]") {
    item a(1), b(2), c(3);
    item_list list;
    list.push_front(a);
    list.push_front(b);
    list.push_back(c);
    CHECK(numbers(list) == order{2, 1, 3});
    CHECK(&list.pop_front() == &b);
    list.push_front(b);
    CHECK(numbers(list) == order{2, 1, 3});
}

TEST_CASE("a node leaves from wherever it stands", "[core]") {
    item a(1), b(2), c(3);
    item_list list;
    for (item* each : {&a, &b, &c}) list.push_back(*each);
    b.unlink();
    CHECK(numbers(list) == order{1, 3});
    a.unlink();
    c.unlink();
    CHECK(list.empty());
    c.unlink(); // twice is harmless
    CHECK(list.empty());
}

TEST_CASE("a node that is destroyed has left its list", "[core]") {
    item_list list;
    item a(1);
    list.push_back(a);
    {
        item b(2);
        list.push_back(b);
        CHECK(numbers(list) == order{1, 2});
    }
    CHECK(numbers(list) == order{1});
}

TEST_CASE("a list that is destroyed leaves its nodes in none", "[core]") {
    item a(1), b(2);
    {
        item_list list;
        list.push_back(a);
        list.push_back(b);
    }
    CHECK_FALSE(a.linked());
    CHECK_FALSE(b.linked());
    item_list other;
    other.push_back(b);
    CHECK(numbers(other) == order{2});
}

TEST_CASE("a node that is in no list can be moved", "[core]") {
    item a(1);
    item moved(std::move(a));
    CHECK(moved.number == 1);
    CHECK_FALSE(moved.linked());
    item_list list;
    list.push_back(moved);
    CHECK(numbers(list) == order{1});
}

TEST_CASE("what is taken from another list comes behind", "[core]") {
    item a(1), b(2), c(3), d(4);
    item_list here, there;
    here.push_back(a);
    there.push_back(b);
    there.push_back(c);
    here.take(there);
    CHECK(there.empty());
    CHECK(numbers(here) == order{1, 2, 3});
    here.take(there); // of nothing
    CHECK(numbers(here) == order{1, 2, 3});

    there.push_back(d); // the emptied list goes on working
    there.take(here);
    CHECK(here.empty());
    CHECK(numbers(there) == order{4, 1, 2, 3});
    here.take(there); // into an empty one
    CHECK(numbers(here) == order{4, 1, 2, 3});
    c.unlink();
    CHECK(numbers(here) == order{4, 1, 2});
}

TEST_CASE("nodes that come and go at random stay in the order in which they came", "[core]") {
    std::mt19937 random(1);
    const auto pick = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };

    std::vector<std::unique_ptr<item>> items;
    item_list list;
    std::list<int> model;
    for (int n = 0; n < 5000; ++n) {
        if (items.empty() || pick(5) < 3) {
            items.push_back(std::make_unique<item>(n));
            list.push_back(*items.back());
            model.push_back(n);
        } else if (pick(4) == 0) {
            const int first = list.pop_front().number;
            REQUIRE(first == model.front());
            model.pop_front();
            items.erase(std::find_if(items.begin(), items.end(), [&](auto& i) { return i->number == first; }));
        } else {
            const auto gone = items.begin() + static_cast<std::ptrdiff_t>(pick(items.size()));
            model.remove((*gone)->number);
            items.erase(gone);
        }
        REQUIRE(list.empty() == model.empty());
    }
    CHECK(numbers(list) == order(model.begin(), model.end()));
}
