// SPDX-License-Identifier: BSL-1.0
//
// Bytes of every kind and number through a child and back: what comes out is what went in.
#include <cstddef>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

namespace {
task<std::string> through_cat(std::string bytes) {
    async_process p(child("cat"));
    const result r = co_await p.communicate(std::move(bytes));
    CHECK(r.status.success());
    co_return r.out;
}
} // namespace

TEST_CASE("every value of a byte passes through a child unchanged", "[process]") {
    const nothing_leaks check;
    std::string all;
    for (int round = 0; round < 3; ++round) {
        for (int value = 0; value < 256; ++value) all += static_cast<char>(value);
    }
    CHECK(run_in_time(through_cat(all)) == all);
}

TEST_CASE("sizes around those of buffers pass through a child exactly", "[process]") {
    const nothing_leaks check;
    for (const std::size_t size :
         {1U, 4095U, 4096U, 4097U, 8192U, 8193U, 65535U, 65536U, 65537U, 219263U, 219264U, 1000000U}) {
        CAPTURE(size);
        const std::string bytes = alphabet(size);
        CHECK((run_in_time(through_cat(bytes)) == bytes));
    }
}

TEST_CASE("two thousand bytes that a child writes one by one come together", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("sip"), "2048"); // a write(2) for each byte
        const std::string bytes = alphabet(2048);
        co_await p.write_stdin(bytes);
        const std::string out = co_await p.read_stdout();
        CHECK(out == bytes);
    };
    run_in_time(talk());
}

TEST_CASE("lines that are longer than buffers and hold any bytes come back one by one", "[process]") {
    const nothing_leaks check;
    std::mt19937 random(3);
    std::vector<std::string> lines;
    std::string all;
    for (int i = 0; i < 60; ++i) {
        std::string line;
        const std::size_t size = 4097 + random() % 20000;
        while (line.size() < size) { // characters of one to four bytes, some of which a buffer's end will cut
            for (const char* c : {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa7"}) {
                if (random() % 3 == 0) line += c;
            }
        }
        all += line + "\n";
        lines.push_back(std::move(line));
        if (i % 5 == 0) { // and blank ones between
            all += "\n";
            lines.emplace_back();
        }
    }
    const auto write = [](async_process& p, const std::string& bytes) -> task<> {
        for (std::size_t at = 0; at < bytes.size(); at += 1021) {
            const std::string piece = bytes.substr(at, 1021);
            co_await p.write_stdin(piece);
            if (at % 7 == 0) co_await yield();
        }
        p.close_stdin();
    };
    const auto read = [](async_process& p) -> task<std::vector<std::string>> {
        std::vector<std::string> seen;
        while (auto line = co_await p.read_line()) seen.push_back(std::move(*line));
        co_return seen;
    };
    const auto talk = [&]() -> task<> {
        async_process p(child("cat"));
        auto both = co_await when_all(read(p), write(p, all));
        CHECK((std::get<0>(both) == lines));
    };
    run_in_time(talk());
}

TEST_CASE("questions and answers of a million bytes follow each other", "[process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(child("cat"));
        for (int round = 0; round < 3; ++round) {
            std::string question = alphabet(999998);
            question += '\n';
            co_await p.write_stdin(question); // which nobody reads meanwhile
            const std::string answer = co_await p.out().read_exactly(question.size());
            CHECK((answer == question));
        }
        p.close_stdin();
        const exit_status s = co_await p.wait();
        CHECK(s.success());
    };
    run_in_time(talk());
}

TEST_CASE("a consumer that throws or stops in the middle of a flood holds up nobody", "[process]") {
    const nothing_leaks check;
    const auto throws = []() -> task<> {
        co_await with_process(command(child("endless")), [](async_process& p) -> task<> {
            co_await p.read_line();
            throw std::runtime_error("enough");
        });
    };
    CHECK_THROWS_AS(run_in_time(throws()), std::runtime_error);
    CHECK(no_children());
    const auto stops = []() -> task<> {
        async_process p(child("endless"));
        for (int i = 0; i < 10; ++i) co_await p.read_line();
    };
    run_in_time(stops());
    CHECK(no_children());
}

TEST_CASE("ten children that are fed and read at once are never mixed", "[process]") {
    const nothing_leaks check;
    std::vector<task<std::string>> all;
    std::vector<std::string> expected;
    for (int i = 0; i < 10; ++i) {
        expected.emplace_back(200000, static_cast<char>('a' + i));
        all.push_back(through_cat(expected.back()));
    }
    CHECK((run_in_time(when_all(std::move(all))) == expected));
}
