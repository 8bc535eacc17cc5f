// SPDX-License-Identifier: BSL-1.0
//
// What a child writes as JSON comes as values; what is none is told with the place and the command line.
#include <coproc/jobs/read_json.hpp>

#include <coproc.hpp>

#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {

// Whether it is thrown, and what.
template <class T>
task<std::optional<decode_error>> refusal(task<T> what) {
    try {
        static_cast<void>(co_await std::move(what));
    } catch (const decode_error& e) {
        co_return e;
    }
    co_return std::nullopt;
}

// A child that writes what it is given.
task<> feed_json(async_process& cat, std::string text) {
    co_await cat.write_stdin(text);
    cat.close_stdin();
}

} // namespace

TEST_CASE("the json that a child writes is one value", "[jobs][json][process]") {
    const nothing_leaks check;
    const auto story = []() -> task<json> {
        async_process cat(child("cat"));
        std::string text = "[";
        for (int i = 0; i < 100'000; ++i) text += "{\"number\": 1},\n";
        text += "null]\n";
        auto both = co_await when_all(feed_json(cat, text), read_json(cat));
        const exit_status status = co_await cat.wait();
        CHECK(status.success());
        co_return std::get<1>(std::move(both));
    };
    const json value = run_in_time(story());
    CHECK(value.size() == 100'001);
    CHECK(value.get<int>(99'999, "number") == 1);
    CHECK(value[100'000].is_null());
}

TEST_CASE("bad json from a child is refused with the place and the command line", "[jobs][json][process]") {
    const nothing_leaks check;
    const auto story = [](std::string& command_line) -> task<std::optional<decode_error>> {
        async_process cat(child("cat"));
        command_line = cat.command_line();
        co_await feed_json(cat, "{\"fine\": 1,\n \"bad\": tru}\n");
        const std::optional<decode_error> e = co_await refusal(read_json(cat));
        const exit_status status = co_await cat.wait();
        CHECK(status.success());
        co_return e;
    };
    std::string command_line;
    const std::optional<decode_error> e = run_in_time(story(command_line));
    REQUIRE(e);
    CHECK(e->subject() == command_line);
    CHECK(e->offset() == 20);
    CHECK(e->line() == 2);
    CHECK(e->column() == 9);
    CHECK(e->excerpt() == "{\"fine\": 1,\n \"bad\": tru}\n");
    CHECK(e->what() == "cannot decode JSON of " + in_quotes(command_line) +
                           ": expected a value at byte 20 (line 2, column 9) near " + in_quotes(e->excerpt()) +
                           ": malformed");
}

TEST_CASE("a child that writes nothing has written no json", "[jobs][json][process]") {
    const nothing_leaks check;
    const auto story = []() -> task<std::optional<decode_error>> {
        async_process mute(command(child("exit_with")).arg("0").in(stdio::null));
        const std::optional<decode_error> e = co_await refusal(read_json(mute));
        co_return e;
    };
    const std::optional<decode_error> e = run_in_time(story());
    REQUIRE(e);
    CHECK(e->problem() == "expected a value");
    CHECK(e->offset() == 0);
    CHECK(e->excerpt().empty());
}

TEST_CASE("a child whose stdout is not piped is no source of json", "[jobs][json][process]") {
    const nothing_leaks check;
    const auto story = []() -> task<> {
        async_process quiet(command(child("exit_with")).arg("0").out(stdio::null));
        CHECK_THROWS_AS(read_json(quiet), usage_error);
        CHECK_THROWS_AS(stream_json(quiet), usage_error);
        const exit_status status = co_await quiet.wait();
        CHECK(status.success());
    };
    run_in_time(story());
}

TEST_CASE("values come line by line while the child goes on", "[jobs][json][process]") {
    const nothing_leaks check;
    const auto story = []() -> task<> {
        async_process cat(child("cat"));
        json_stream values = stream_json(cat);
        for (int i = 0; i < 3; ++i) {
            json said;
            said["turn"] = i;
            const std::string line = said.dump() + "\n";
            co_await cat.write_stdin(line);
            const std::optional<json> value = co_await values.next(); // before the child has said all
            REQUIRE(value);
            CHECK(value->get<int>("turn") == i);
        }
        cat.close_stdin();
        const std::optional<json> end = co_await values.next();
        CHECK_FALSE(end);
        const std::optional<json> again = co_await values.next();
        CHECK_FALSE(again);
    };
    run_in_time(story());
}

TEST_CASE("a stream of json passes over blank lines and tells the number of a bad one and goes on",
          "[jobs][json][process]") {
    const nothing_leaks check;
    const auto story = []() -> task<> {
        async_process cat(child("cat"));
        co_await feed_json(cat, "1\n\n \t\r\n\"two\"\r\n[1, 2\n{\"four\": 4}\n5");
        json_stream values = stream_json(cat);
        std::vector<std::string> seen;
        for (;;) {
            bool at_end = false;
            try {
                const std::optional<json> value = co_await values.next();
                if (value) seen.push_back(value->dump());
                at_end = !value;
            } catch (const decode_error& e) {
                seen.push_back(std::to_string(e.line()) + ":" + std::to_string(e.offset()) + " " + e.problem());
                CHECK(e.subject() == cat.command_line());
                CHECK(e.excerpt() == "[1, 2");
                CHECK(std::string(e.what()).find("at byte 5 of line 5 near") != std::string::npos);
            }
            if (at_end) break;
        }
        CHECK(seen == std::vector<std::string>{"1", "\"two\"", "5:5 expected ',' or ']'", "{\"four\":4}", "5"});
        CHECK(values.line() == 7);
    };
    run_in_time(story());
}

TEST_CASE("a line too long for its reader counts as one in a stream of json", "[jobs][json]") {
    const auto story = []() -> task<> {
        stream_reader reader;
        reader.line_limit(10);
        reader.feed("1\n\"far too long a string\"\n]\n2\n");
        reader.feed_eof();
        json_stream values = stream_json(reader);
        std::string seen;
        for (int i = 0; i < 4; ++i) {
            try {
                const std::optional<json> value = co_await values.next();
                REQUIRE(value);
                seen += value->dump() + " ";
            } catch (const line_too_long&) {
                seen += "long ";
            } catch (const decode_error& e) {
                CHECK(e.line() == 3);
                CHECK(e.subject() == "JSON"); // no child's
                seen += "bad ";
            }
        }
        CHECK(seen == "1 long bad 2 ");
    };
    run_in_time(story());
}

TEST_CASE("a cancelled read of json loses nothing", "[jobs][json]") {
    const auto story = []() -> task<> {
        stream_reader reader;
        json_stream values = stream_json(reader);
        reader.feed("[1,");
        const auto none = co_await with_timeout(values.next(), std::chrono::milliseconds(1));
        CHECK_FALSE(none);
        reader.feed("2]\n{\"whole\":");
        const std::optional<json> first = co_await values.next();
        REQUIRE(first);
        CHECK(first->dump() == "[1,2]");
        CHECK(values.line() == 1);
        const auto unread = co_await with_timeout(read_json(reader), std::chrono::milliseconds(1));
        CHECK_FALSE(unread);
        reader.feed("true}");
        reader.feed_eof();
        const json rest = co_await read_json(reader);
        CHECK(rest.dump() == "{\"whole\":true}");
    };
    run_in_time(story());
}

TEST_CASE("json needs nothing to be read as any other type", "[jobs][json][process]") {
    const nothing_leaks check;
    const auto story = []() -> task<> {
        async_process cat(child("cat"));
        co_await feed_json(cat, "{\"a\": [1, 2]}\n");
        const json value = co_await cat.read_as<json>();
        CHECK(value.get<int>("a", 1) == 2);
        async_process bad(child("cat"));
        co_await feed_json(bad, "1\n[2\n");
        auto values = bad.stream_as<json>();
        const std::optional<json> first = co_await values.next();
        CHECK(first == json(1));
        try {
            static_cast<void>(co_await values.next());
            FAIL("taken");
        } catch (const decode_error& e) {
            CHECK(e.line() == 2);
            CHECK(e.problem() == "expected ',' or ']'");
            CHECK(e.subject() == bad.command_line());
        }
    };
    run_in_time(story());
}
