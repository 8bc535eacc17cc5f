// SPDX-License-Identifier: BSL-1.0
//
// output_as: a command's output as a value, once it is known that the command has done its work.
#include <coproc.hpp>

#include <string>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

TEST_CASE("a command is run and its output is a value", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    CHECK(run_in_time(output_as<int>(command(child("cat")), "42\n")) == 42);
    CHECK(run_in_time(output_as<std::string>(command(child("cat")), "a\n\n")) == "a\n\n");
    CHECK(run_in_time(output_as<utf8_text>(command(child("shout")))).str() == "out\n");
    const auto talk = []() -> task<long> { // written naively, with words that need memory
        co_return co_await output_as<long>(command(child("answer")).arg(std::string(100, '0')), "7") +
            co_await output_as<long>(command(child("cat")).env("A", std::string(100, 'a')), std::string(100, '0'));
    };
    CHECK(run_in_time(talk()) == 7);
}

TEST_CASE("output that is no value names the command line", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    const std::string program = child("answer");
    std::string told;
    try {
        static_cast<void>(run_in_time(output_as<int>(command(program, "0"), "x\n")));
    } catch (const decode_error& e) {
        told = e.what();
        CHECK(e.subject() == program + " 0");
    }
    CHECK(told == "cannot decode integer of \"" + program +
                      " 0\": expected an integer at byte 0 (line 1, column 1) near \"x\\x0a\": malformed");
}

TEST_CASE("a command that has failed is told before what is wrong with its output",
          "[process][decoder][dies_before_exec]") {
    const nothing_leaks check;
    event_loop loop;
    CHECK_THROWS_AS(run_in_time(output_as<int>(command(child("answer"), "3"), "half")), exit_error);
    CHECK_THROWS_AS(run_in_time(output_as<int>(command(child("answer"), "3").ok_codes(3), "half")), decode_error);
    CHECK(run_in_time(output_as<int>(command(child("answer"), "3").unchecked(), "5")) == 5);
    CHECK_THROWS_AS(run_in_time(output_as<int>(command("/no/such/program"))), spawn_error);
}

TEST_CASE("the output of a pipeline is a value", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    CHECK(run_in_time(output_as<int>(command(child("cat")) | command(child("count")), "four")) == 4);
    std::string of;
    try {
        static_cast<void>(run_in_time(output_as<int>(command(child("shout")) | command(child("cat")))));
    } catch (const decode_error& e) {
        of = e.subject();
    }
    CHECK(of == child("shout") + " | " + child("cat"));
    CHECK_THROWS_AS(run_in_time(output_as<int>(command(child("answer"), "3") | command(child("cat")), "5")),
                    pipeline_error);
}

TEST_CASE("a value that nobody waits for any more leaves no child", "[process][decoder]") {
    const nothing_leaks check;
    event_loop loop;
    {
        const driven waits = drive(output_as<int>(command(child("hold")).in(stdio::pipe)));
        CHECK_FALSE(waits.done());
    }
}
