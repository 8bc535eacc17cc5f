// SPDX-License-Identifier: BSL-1.0
//
// What a child writes as text and as values: read_text, read_as and stream_as.
#include <coproc.hpp>

#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/failing_allocations.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

struct version {
    int major = 0, minor = 0;
    static version parse(std::string_view text) {
        const std::size_t dot = text.find('.');
        if (dot == std::string_view::npos) throw std::invalid_argument("a version has a dot");
        return {decode<int>(text.substr(0, dot)), decode<int>(text.substr(dot + 1))};
    }
};

// What the bytes become on their way through a child.
template <class Read>
auto through_cat(std::string bytes, Read read) {
    const nothing_leaks check;
    event_loop loop;
    const auto talk = [](std::string what, Read r) -> task<decltype(r(std::declval<async_process&>()).await_resume())> {
        async_process p(child("cat"));
        co_await p.write_stdin(what);
        p.close_stdin();
        co_return co_await r(p);
    };
    return run_in_time(talk(std::move(bytes), read));
}

template <class Read>
std::optional<decode_error> refused_through_cat(std::string bytes, Read read) {
    try {
        static_cast<void>(through_cat(std::move(bytes), read));
    } catch (const decode_error& e) {
        return e;
    }
    return std::nullopt;
}

// All values of a stream, and for each line that is none what was told of it.
template <class T>
task<std::vector<std::string>> story_of(async_process& p) {
    std::vector<std::string> told;
    decoded_stream<T> values = p.stream_as<T>();
    for (bool more = true; more;) {
        try {
            const std::optional<T> value = co_await values.next();
            more = value.has_value();
            if (more) told.push_back(std::to_string(*value));
        } catch (const decode_error& e) {
            CHECK(e.subject() == p.command_line());
            CHECK(e.line() == values.line());
            told.push_back(detail::concat({"line ", e.line(), " byte ", e.offset(), " ", e.excerpt()}));
        } catch (const line_too_long&) {
            told.push_back(detail::concat({"line ", values.line(), " too long"}));
        }
    }
    const std::optional<T> after_the_end = co_await values.next();
    CHECK_FALSE(after_the_end);
    co_return told;
}

} // namespace

TEST_CASE("all that a child writes is read as a value", "[process][decoder]") {
    CHECK(through_cat(" 42\n", [](async_process& p) { return p.read_as<int>(); }) == 42);
    CHECK(through_cat("2.5\n", [](async_process& p) { return p.read_as<double>(); }) == 2.5);
    CHECK(through_cat("true\n", [](async_process& p) { return p.read_as<bool>(); }));
    const std::string bytes("\xFF\0\n", 3);
    CHECK(through_cat(bytes, [](async_process& p) { return p.read_as<std::string>(); }) == bytes);
    CHECK(through_cat("1.12\n", [](async_process& p) { return p.read_as<version>(); }).minor == 12);
}

TEST_CASE("what is no value is told with the command line and the place", "[process][decoder]") {
    const auto e = refused_through_cat("1\n2 x\n", [](async_process& p) { return p.read_as<int>(); });
    REQUIRE(e);
    CHECK(e->subject() == child("cat"));
    CHECK(e->offset() == 1);
    CHECK(e->line() == 1);
    CHECK(e->excerpt() == "1\n2 x\n");
    CHECK(e->problem() == "expected an integer");

    const auto of_nothing = refused_through_cat("", [](async_process& p) { return p.read_as<int>(); });
    REQUIRE(of_nothing);
    CHECK(of_nothing->subject() == child("cat"));
    CHECK(of_nothing->offset() == 0);
}

TEST_CASE("what the parse of a type throws is nested in what is told of the child", "[process][decoder]") {
    std::string cause;
    try {
        static_cast<void>(through_cat("1-12", [](async_process& p) { return p.read_as<version>(); }));
    } catch (const decode_error& e) {
        CHECK(e.subject() == child("cat"));
        CHECK(e.problem() == "a version has a dot");
        try {
            std::rethrow_if_nested(e);
        } catch (const std::invalid_argument& inner) {
            cause = inner.what();
        }
    }
    CHECK(cause == "a version has a dot");
}

TEST_CASE("text of a child is checked or mended", "[process][text]") {
    const std::string good = "caf\xC3\xA9\n";
    CHECK(through_cat(good, [](async_process& p) { return p.read_text(); }) == good);
    const std::string bad = "line\ncaf\xC3\n";
    CHECK(through_cat(bad, [](async_process& p) { return p.read_text(utf8::replace); }) == "line\ncaf\xEF\xBF\xBD\n");
    const auto e = refused_through_cat(bad, [](async_process& p) { return p.read_text(utf8::strict); });
    REQUIRE(e);
    CHECK(e->subject() == child("cat"));
    CHECK(e->offset() == 8);
    CHECK(e->line() == 2);
    CHECK(e->column() == 4);
}

TEST_CASE("each line of a child is a value and a bad one is told and passed", "[process][decoder]") {
    const auto read = [](async_process& p) { return story_of<int>(p).operator co_await(); };
    using words = std::vector<std::string>;
    CHECK(through_cat("1\n2\r\nx3\n\n4 y\n5", read) ==
          words{"1", "2", "line 3 byte 0 x3", "line 4 byte 0 ", "line 5 byte 1 4 y", "5"});
    CHECK(through_cat("", read).empty());
    CHECK(through_cat("7", read) == words{"7"});
    CHECK(through_cat("1\n-", read) == words{"1", "line 2 byte 0 -"});
    const auto with_limit = [](async_process& p) {
        p.out().line_limit(4);
        return story_of<int>(p).operator co_await();
    };
    CHECK(through_cat("1\n23456\n7\nx\n", with_limit) == words{"1", "line 2 too long", "7", "line 4 byte 0 x"});
}

TEST_CASE("values come as their lines do", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        decoded_stream<int> values = p.stream_as<int>();
        for (int i = 0; i < 100; ++i) {
            const std::string line = std::to_string(i) + "\n";
            co_await p.write_stdin(line);
            const std::optional<int> back = co_await values.next();
            CHECK(back == i);
        }
        p.close_stdin();
        const std::optional<int> end = co_await values.next();
        CHECK_FALSE(end);
        CHECK(values.line() == 100);
    };
    run_in_time(talk());
}

TEST_CASE("a value that was not waited for is still there", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        decoded_stream<int> values = p.stream_as<int>();
        {
            const driven waits = drive(values.next());
            const driven waits_not = drive(p.write_stdin("1\n"));
            CHECK_FALSE(waits.done());
        }
        {
            const driven waits = drive(p.read_as<int>());
            CHECK_FALSE(waits.done());
        }
        const auto first = co_await values.next();
        CHECK(first == 1);
        co_await p.write_stdin("2\n");
        p.close_stdin();
        const int rest = co_await p.read_as<int>();
        CHECK(rest == 2);
    };
    run_in_time(talk());
}

TEST_CASE("a flood of values is counted right", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    const auto talk = []() -> task<> {
        async_process p(child("endless"));
        decoded_stream<std::string> values = p.stream_as<std::string>();
        for (int i = 0; i < 100'000; ++i) {
            const std::optional<std::string> y = co_await values.next();
            if (y != "y") FAIL("no y");
        }
        CHECK(values.line() == 100'000);
        decoded_stream<int> numbers = p.stream_as<int>();
        for (std::size_t i = 1; i <= 1000; ++i) {
            std::size_t told = 0;
            try {
                static_cast<void>(co_await numbers.next());
            } catch (const decode_error& e) {
                told = e.line();
            }
            if (told != i) FAIL("line " << told);
        }
    };
    run_in_time(talk());
}

TEST_CASE("a stream that is not piped has no values", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    async_process p(command(child("cat")).in(stdio::null).out(stdio::null));
    CHECK_THROWS_AS(p.read_as<int>(), usage_error);
    CHECK_THROWS_AS(p.read_text(), usage_error);
    CHECK_THROWS_AS(p.stream_as<int>(), usage_error);
    run_in_time(p.wait());
}

#if defined(COPROC_TEST_HAS_OWN_NEW)

TEST_CASE("values of lines ask for no memory of their own", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        decoded_stream<int> values = p.stream_as<int>();
        co_await p.write_stdin("1\n2\n3\n4\n5\n6\n7\n8\n9\n");
        const auto first = co_await values.next();
        CHECK(first == 1);
        const long before = failing_allocations::made;
        int sum = 0;
        for (int i = 0; i < 8; ++i) sum += (co_await values.next()).value_or(0);
        CHECK(failing_allocations::made == before);
        CHECK(sum == 44);
    };
    run_in_time(talk());
}

// Not one of them may be lost on the way: the error is the decoder's, or memory's.
TEST_CASE("where there is no memory for an error that is told instead", "[process][decoder]") {
    const std::string text = "a text that is no number and too long to be anywhere but in memory of its own";
    int failures = 0;
    for (long nth = 0;; ++nth) {
        bool told = false;
        bool out_of_memory = false;
        failing_allocations::fail_from(nth, true);
        try {
            static_cast<void>(decode<version>(text));
        } catch (const decode_error&) {
            told = true;
        } catch (const std::bad_alloc&) {
            out_of_memory = true;
        }
        const bool failed = failing_allocations::fail_no_more();
        CHECK((told || out_of_memory));
        if (!failed) {
            CHECK(told);
            break;
        }
        ++failures;
    }
    CHECK(failures > 2);
}

#endif
