// SPDX-License-Identifier: BSL-1.0
//
// Commands side by side, each of which reads what the one before it writes.
#include <csignal>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <coproc.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/driven.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

/// One of our own programs as a stage.
template <class... Args>
command stage(const char* name, const Args&... args) {
    return command(child(name), args...);
}

pipeline_attempt attempt_of(const pipeline& p, std::string input = {}) {
    return run_in_time(try_execute(p, std::move(input)));
}

template <class Error>
std::optional<Error> thrown_by(const pipeline& p) {
    std::optional<Error> error;
    const auto run = [&]() -> task<> {
        try {
            const pipeline_result r = co_await execute(p);
        } catch (const Error& e) {
            error = e;
            CHECK(no_children()); // all are reaped before it is told
        }
    };
    run_in_time(run());
    return error;
}

bool contains(std::string_view text, std::string_view part) {
    INFO("\"" << text << "\" with \"" << part << "\" in it");
    const bool found = text.find(part) != std::string_view::npos;
    CHECK(found);
    return found;
}

std::vector<std::string> all_lines(const pipeline& p, std::string input = {}) {
    std::vector<std::string> found;
    const auto run = [&]() -> task<> {
        pipeline_lines each = lines(p, std::move(input));
        while (auto line = co_await each.next()) found.emplace_back(*line);
        const auto after = co_await each.next();
        CHECK(!after);
    };
    run_in_time(run());
    return found;
}

// Others end when the kernel has time for it.
task<> until_no_children() {
    while (!no_children()) co_await sleep_for(1ms);
}

using stage_numbers = std::vector<std::size_t>;

// The lines up to the end; what it throws is told.
task<> gather(pipeline_lines& from, std::vector<std::string>& found) {
    while (auto line = co_await from.next()) found.emplace_back(*line);
}
task<> gather_one(pipeline_lines& from, std::string& found) {
    const auto line = co_await from.next();
    found = line.value_or("none");
}

template <class Error>
task<bool> next_throws(pipeline_lines& from) {
    try {
        co_await from.next();
    } catch (const Error&) {
        co_return true;
    }
    co_return false;
}

// What becomes of two stages of which the first passes its bound, and the second needs long to be stopped for that.
pipeline slow_to_stop(command last) { return stage("hush").timeout(100ms) | last.grace(700ms); }

void only_the_first_is_blamed(const pipeline_result& r) {
    CHECK(r.failed == stage_numbers{0});
    CHECK(r.stages[0].timed_out);
    CHECK(r.last().stopped);
    CHECK(!r.last().timed_out);
}
task<> run_to_blame(pipeline p) {
    const pipeline_attempt r = co_await try_execute(p);
    only_the_first_is_blamed(r);
}
task<> read_to_blame(pipeline p) {
    pipeline_lines words = lines(p);
    std::vector<std::string> found;
    bool told = false;
    try {
        co_await gather(words, found);
    } catch (const pipeline_error& e) {
        told = true;
        only_the_first_is_blamed(e.whole());
    }
    CHECK(told);
}

} // namespace

// ---- the value ----

TEST_CASE("a pipeline is its commands in the order of the bars", "[pipeline]") {
    const pipeline ab = command("a", "x y") | command("b");
    const pipeline cd = command("c") | command("d");
    CHECK(ab.to_string() == "a 'x y' | b");
    CHECK((ab | command("e")).to_string() == "a 'x y' | b | e");
    CHECK((command("e") | ab).to_string() == "e | a 'x y' | b");
    CHECK((ab | cd).to_string() == "a 'x y' | b | c | d");
    CHECK(ab.stages().size() == 2); // none of that has changed it

    pipeline grown(command("a"));
    for (const char* name : {"b", "c"}) grown |= command(name);
    CHECK(grown.to_string() == "a | b | c");
}

TEST_CASE("a secret of a pipeline is not shown", "[pipeline]") {
    const pipeline p = command("curl", "-u", secret("me:word")) | command("jq", ".");
    CHECK(p.to_string() == "curl -u *** | jq .");
}

TEST_CASE("what lies between two stages is a pipe and nothing else", "[pipeline]") {
    const command plain("b");
    for (const stdio& what : {stdio(stdio::null), stdio(stdio::inherit), stdio::file("f"), stdio::fd(1),
                              stdio(stdio::to_err), stdio::sink([](std::string_view) {})}) {
        const command first = command("a").out(what);
        CHECK_THROWS_AS(first | plain, usage_error);
        CHECK_THROWS_AS((plain | first) | plain, usage_error);
        CHECK_NOTHROW(plain | first); // the last one
    }
    for (const stdio& what : {stdio(stdio::null), stdio(stdio::inherit), stdio::file("f"), stdio::text("t")}) {
        const command second = command("a").in(what);
        CHECK_THROWS_AS(plain | second, usage_error);
        CHECK_THROWS_AS((plain | plain) | second, usage_error);
        CHECK_NOTHROW(second | plain); // the first one
    }
    CHECK_NOTHROW(command("a").out(stdio::pipe) | command("b").in(stdio::pipe));
    try {
        static_cast<void>(command("tar", "c").out(stdio::null) | plain);
        FAIL("it was accepted");
    } catch (const usage_error& e) {
        contains(e.what(), "stdout of tar c");
    }
}

TEST_CASE("the timeout of a pipeline is positive", "[pipeline]") {
    pipeline p = command("a") | command("b");
    CHECK_THROWS_AS(p.timeout(0s), std::invalid_argument);
    CHECK_THROWS_AS(p.timeout(-1s), std::invalid_argument);
    CHECK(!p.timeout());
    CHECK((p.timeout(1s).timeout() == platform::clock::duration(1s)));
    CHECK(((p | command("c")).timeout() == platform::clock::duration(1s)));
    CHECK(((command("c") | p).timeout() == platform::clock::duration(1s)));
}

TEST_CASE("of two pipelines that become one the shorter timeout holds", "[pipeline]") {
    pipeline shorter = command("a") | command("b");
    shorter.timeout(1s);
    pipeline longer = command("c") | command("d");
    longer.timeout(2s);
    CHECK(((shorter | longer).timeout() == platform::clock::duration(1s)));
    CHECK(((longer | shorter).timeout() == platform::clock::duration(1s)));
}

// ---- data ----

TEST_CASE("megabytes pass through three stages unchanged", "[pipeline][process]") {
    const nothing_leaks check;
    const std::string all = alphabet(several_mib);
    const pipeline_attempt r = attempt_of(stage("cat") | stage("cat") | stage("cat"), all);
    CHECK(r);
    CHECK((r.out() == all));
    CHECK(r.last().out_bytes == several_mib);
    REQUIRE(r.stages.size() == 3);
    for (const std::size_t number : {0U, 1U}) { // what passes between them does not pass us
        CHECK(r.stages[number].out.empty());
        CHECK(r.stages[number].out_bytes == 0);
    }
}

TEST_CASE("a pipeline without input begins with the null device", "[pipeline][process]") {
    const nothing_leaks check;
    CHECK(run_in_time(output(stage("count") | stage("cat"))) == "0");
}

TEST_CASE("a pipeline can be run again and again", "[pipeline][process]") {
    const nothing_leaks check;
    const pipeline p = stage("lines", "1000") | stage("cat") | stage("count");
    for (int i = 0; i < 3; ++i) CHECK(run_in_time(output(p)) == "8890");
}

TEST_CASE("the first stage reads and the last one writes what its command says", "[pipeline][process]") {
    const nothing_leaks check;
    const auto counted = [](const pipeline& p) { return run_in_time(output(p)); };
    CHECK(counted(stage("cat").in(stdio::text("12345")) | stage("count")) == "5");
    std::string seen;
    const auto keep = [&](std::string_view bytes) { seen += bytes; };
    CHECK(counted(stage("cat").in(stdio::text("12345")) | stage("cat").out(stdio::sink(keep))) == "12345");
    CHECK(seen == "12345");
    CHECK(counted(stage("lines", "1") | stage("cat").out(stdio::null)).empty());
}

TEST_CASE("input for a first stage that takes none is refused before anything starts", "[pipeline]") {
    const nothing_leaks check;
    const pipeline p = command("/no/such/program").in(stdio::null) | command("b");
    CHECK_THROWS_AS(run(execute(p, "input")), usage_error);
    const pipeline_attempt r = attempt_of(p, "input");
    CHECK(!r);
    CHECK(!r.not_started);
    CHECK_THROWS_AS(r.check(), usage_error);
    contains(r.why(), "whose stdin the command has from elsewhere");
}

TEST_CASE("the first stage need not read its input", "[pipeline][process]") {
    const nothing_leaks check;
    const pipeline_attempt r = attempt_of(stage("exit_with", "0") | stage("count"), alphabet(several_mib));
    CHECK(r);
    CHECK(r.out() == "0\n");
}

TEST_CASE("every stage has its stderr apart and within its bounds", "[pipeline][process]") {
    const nothing_leaks check;
    const command loud = stage("flood", "2:300000");
    command bounded = loud;
    bounded.capture_err(capture::head(10));
    const pipeline_attempt r = attempt_of(loud | bounded | loud);
    CHECK(r);
    REQUIRE(r.stages.size() == 3);
    CHECK((r.stages[0].err == alphabet(300000)));
    CHECK((r.stages[1].err == alphabet(10)));
    CHECK(r.stages[1].err_truncated);
    CHECK(r.stages[1].err_bytes == 300000);
    CHECK((r.stages[2].err == alphabet(300000)));
}

TEST_CASE("stderr that is merged goes down the same pipe", "[pipeline][process]") {
    const nothing_leaks check;
    CHECK(run_in_time(output(stage("flood", "1:5", "2:10").err(stdio::to_out) | stage("count"))) == "15");
}

TEST_CASE("a pipeline may have one stage", "[pipeline][process]") {
    const nothing_leaks check;
    const pipeline_attempt r = attempt_of(pipeline(stage("cat")), "input");
    CHECK(r);
    CHECK(r.out() == "input");
    CHECK(all_lines(pipeline(stage("cat")), "a\nb") == std::vector<std::string>{"a", "b"});
}

// ---- who ends first ----

TEST_CASE("a last stage that has had enough ends the others and that is a success", "[pipeline][process]") {
    const nothing_leaks check;
    const pipeline_attempt r = attempt_of(stage("endless") | stage("cat") | stage("sip", "3").ok_codes(3));
    CHECK(r);
    CHECK(r.why().empty());
    CHECK(r.out() == "y\ny");
    REQUIRE(r.stages.size() == 3);
    CHECK(r.stages[0].status.signal() == SIGPIPE); // each is told as it was
    CHECK(!r.stages[0].stopped);
}

TEST_CASE("a stage that says which codes are right may not die by SIGPIPE", "[pipeline][process]") {
    const nothing_leaks check;
    const pipeline_attempt r = attempt_of(stage("endless").ok_codes(0) | stage("sip", "3").ok_codes(3));
    CHECK(!r);
    CHECK(r.failed == stage_numbers{0});
}

TEST_CASE("a last stage that dies by SIGPIPE has failed", "[pipeline][process]") {
    const nothing_leaks check;
    const pipeline_attempt r = attempt_of(stage("cat") | stage("kill_self", std::to_string(SIGPIPE)));
    CHECK(r.failed == stage_numbers{1});
    contains(r.why(), "stage 2, ");
}

TEST_CASE("a middle stage that dies lets both sides end", "[pipeline][process]") {
    const nothing_leaks check;
    const std::string number = std::to_string(SIGKILL);
    const pipeline_attempt r = attempt_of(stage("endless") | stage("kill_self", number) | stage("count"));
    CHECK(r.failed == stage_numbers{1});
    CHECK(r.out() == "0\n");
    CHECK(!r.stages[1].stopped); // by itself
}

TEST_CASE("a stage that fails makes the pipeline fail and the others go on to their ends", "[pipeline][process]") {
    const nothing_leaks check;
    const pipeline_attempt first = attempt_of(stage("exit_with", "4") | stage("count"));
    CHECK(first.failed == stage_numbers{0});
    CHECK(first.out() == "0\n");
    const pipeline_attempt middle = attempt_of(stage("lines", "3") | stage("sip", "4") | stage("count"));
    CHECK(middle.failed == stage_numbers{1});
    CHECK(middle.out() == "4\n");
    const pipeline_attempt last = attempt_of(stage("lines", "3") | stage("sip", "4"));
    CHECK(last.failed == stage_numbers{1});
    CHECK(last.out() == "line");
    CHECK(last.last().status.code() == 3);
    CHECK(run_in_time(output((stage("lines", "3") | stage("sip", "4")).unchecked())) == "line");
}

TEST_CASE("the error of a pipeline tells of every stage that has failed", "[pipeline][process]") {
    const nothing_leaks check;
    const command complains = stage("exit_with", "4");
    const auto e = thrown_by<pipeline_error>(complains | stage("cat") | stage("sip", "1"));
    REQUIRE(e);
    CHECK(e->stage() == 2); // as a shell says
    CHECK(e->result().status.code() == 3);
    CHECK(e->whole().failed == stage_numbers{0, 2});
    CHECK(e->whole().stages.size() == 3);
    CHECK(e->code() == errc::unsuccessful);
    CHECK(e->subject() == child("exit_with") + " 4 | " + child("cat") + " | " + child("sip") + " 1");
    contains(e->what(), "stage 1, \"" + child("exit_with") + " 4\", exited with code 4; stage 3, ");
    contains(e->what(), "exited with code 3: not a success");
}

TEST_CASE("the error of a pipeline quotes what the stage wrote to stderr", "[pipeline][process]") {
    const nothing_leaks check;
    const std::string number = std::to_string(SIGKILL);
    const auto e = thrown_by<pipeline_error>(stage("flood", "2:5", "1:100000") | stage("kill_self", number));
    REQUIRE(e);
    CHECK(e->stage() == 1);
    contains(e->what(), "killed by SIGKILL");
    const auto f = thrown_by<process_error>(stage("flood", "2:5", "1:9000000").ok_codes(9) | stage("cat"));
    REQUIRE(f);
    contains(f->what(), "exited with code 0, stderr \"abcde\"");
}

// ---- starts that fail ----

TEST_CASE("a program that is missing is told with its place and the others are gone", "[pipeline][process]") {
    const nothing_leaks check;
    for (const std::size_t missing : {0U, 1U, 2U}) {
        std::vector<command> all(3, stage("cat"));
        all[missing] = command("/no/such/program");
        const pipeline p = all[0] | all[1] | all[2];
        const auto e = thrown_by<spawn_error>(p);
        REQUIRE(e);
        CHECK(e->stage() == spawn_stage::exec);
        CHECK(e->code() == std::errc::no_such_file_or_directory);
        CHECK(e->subject() == "/no/such/program");
        contains(e->what(), "stage " + std::to_string(missing + 1) + " of \"" + p.to_string() + "\": exec failed");

        const pipeline_attempt r = attempt_of(p);
        CHECK(!r);
        REQUIRE(r.not_started);
        CHECK(r.why() == e->what());
        CHECK(r.stages.size() == 3);
        CHECK(r.out().empty());
        CHECK(r.command_line == p.to_string());
    }
}

TEST_CASE("those that were started are stopped when one cannot be", "[pipeline][process]") {
    const nothing_leaks check;
    CHECK(thrown_by<spawn_error>(stage("hush") | stage("hush") | command("/no/such/program")));
    CHECK(thrown_by<spawn_error>(command("/no/such/program") | stage("hush") | stage("hush")));
    const command misused = stage("cat").reach(reach::group); // without a group: found when it is to be started
    CHECK(thrown_by<usage_error>(stage("hush") | misused | stage("hush")));
}

TEST_CASE("wherever descriptors run out nothing of a pipeline is left", "[pipeline][process][own_descriptors]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        const pipeline p = stage("cat") | stage("cat") | stage("count");
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        std::size_t failed = 0;
        bool worked = false;
        for (rlim_t room = 3; !worked && room < before.rlim_cur;) {
            const std::set<int> open = open_descriptors();
            rlimit few = before;
            few.rlim_cur = ++room;
            ::setrlimit(RLIMIT_NOFILE, &few);
            const pipeline_attempt r = co_await try_execute(p, "four");
            ::setrlimit(RLIMIT_NOFILE, &before);
            worked = static_cast<bool>(r);
            if (worked) CHECK(r.out() == "4\n");
            else CHECK(r.not_started);
            if (!worked) ++failed;
            CHECK(no_children());
            CHECK(open_descriptors() == open);
        }
        CHECK(worked);
        CHECK(failed > 5);
    };
    run_in_time(run());
}

// ---- time ----

TEST_CASE("a pipeline past its time is stopped in all its stages", "[pipeline][process]") {
    const nothing_leaks check;
    // The first one is held up by the last one, who never reads.
    const pipeline p = (stage("endless") | stage("cat") | stage("hush")).timeout(100ms);
    const auto e = thrown_by<pipeline_error>(p);
    REQUIRE(e);
    CHECK(e->code() == std::errc::timed_out);
    CHECK(e->whole().timed_out);
    CHECK(e->whole().failed == stage_numbers{0, 1, 2});
    for (const result& r : e->whole().stages) {
        CHECK(r.stopped);
        CHECK(r.timed_out);
    }
    CHECK(e->whole().out() == "last words\n");
    contains(e->what(), "not done after 100 ms, killed by SIGTERM");
}

TEST_CASE("a stage past its own time takes the others with it", "[pipeline][process]") {
    const nothing_leaks check;
    const auto e = thrown_by<pipeline_error>(stage("hush").timeout(50ms) | stage("cat") | stage("hush"));
    REQUIRE(e);
    CHECK(e->code() == std::errc::timed_out);
    CHECK(e->stage() == 0);
    CHECK(e->whole().failed == stage_numbers{0});
    CHECK(e->whole().last().stopped);
    CHECK(!e->whole().last().timed_out);
    contains(e->what(), "not done after 50 ms");
}

TEST_CASE("a last stage that writes too much takes the others with it", "[pipeline][process]") {
    const nothing_leaks check;
    const auto e = thrown_by<pipeline_error>(stage("endless") | stage("cat").capture_out(capture::all(1000)));
    REQUIRE(e);
    CHECK(e->code() == errc::output_limit);
    CHECK(e->stage() == 1);
    CHECK(e->result().out.size() == 1000);
}

TEST_CASE("a stage that will not end is killed after its grace", "[pipeline][process]") {
    const nothing_leaks check;
    const pipeline_attempt r =
        attempt_of((stage("ignore_term").grace(20ms) | stage("cat") | stage("hush")).timeout(300ms));
    CHECK(!r);
    CHECK(r.stages[0].killed);
    CHECK(!r.stages[2].killed);
}

TEST_CASE("what a sink throws the pipeline throws when all have ended", "[pipeline][process]") {
    const nothing_leaks check;
    const auto refuse = [](std::string_view) { throw std::runtime_error("full"); };
    CHECK(thrown_by<std::runtime_error>(stage("lines", "3") | stage("cat").out(stdio::sink(refuse))));
}

TEST_CASE("a bound that passes while a stage is being stopped for another is not its failure", "[pipeline][process]") {
    const nothing_leaks check;
    const command stays = stage("ignore_term");
    std::vector<task<>> all;
    command late = stays;
    command silent = stays;
    all.push_back(run_to_blame(slow_to_stop(stays).timeout(500ms)));
    all.push_back(run_to_blame(slow_to_stop(late.timeout(500ms))));
    all.push_back(read_to_blame(slow_to_stop(stays).timeout(500ms)));
    all.push_back(read_to_blame(slow_to_stop(late)));
    all.push_back(read_to_blame(slow_to_stop(silent.idle_timeout(500ms))));
    run_in_time(when_all(std::move(all)));
}

TEST_CASE("a stage that is ending past its time has failed though another is late meanwhile", "[pipeline][process]") {
    const nothing_leaks check;
    const command stays = stage("ignore_term").timeout(300ms).grace(400ms);
    const pipeline_attempt r = attempt_of(stage("hush").timeout(400ms) | stays);
    CHECK(r.failed == stage_numbers{0, 1});
    CHECK(r.stages[0].timed_out);
    CHECK(r.stages[1].timed_out);
    contains(r.complaint, "not done after 300 ms, killed by SIGKILL");
}

// ---- cancelling ----

TEST_CASE("a pipeline that is cancelled leaves nobody", "[pipeline][process][dies_before_exec]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        const pipeline p = stage("endless") | stage("cat") | stage("hush");
        for (const auto time : {0ms, 1ms, 20ms}) {
            const auto done = co_await with_timeout(execute(p, "input nobody reads"), time);
            CHECK(!done);
            co_await until_no_children();
        }
    };
    run_in_time(run());
}

// ---- ends of pipes ----

TEST_CASE("the host holds no end of what lies between two stages", "[pipeline][process]") {
    const nothing_leaks check;
    platform::pipe_ends held = platform::make_pipe(); // until it is closed, the first one stays
    const pipeline p = stage("hold").in(stdio::fd(held.read.get())) | stage("cat") | stage("deaf");
    const auto run = [&]() -> task<> {
        const std::size_t before = open_pipes();
        pipeline_lines words = lines(p);
        const auto ready = co_await words.next();
        CHECK(ready == "ready");
        CHECK(open_pipes() == before + 4); // three times stderr, and the last stdout
    };
    run_in_time(run());
}

TEST_CASE("many pipelines at once all see the end of their input", "[pipeline][process]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        std::vector<task<std::string>> all;
        for (int i = 0; i < 25; ++i) {
            all.push_back(output(stage("cat") | stage("cat") | stage("count"), std::string(std::size_t(i), 'x')));
        }
        const std::vector<std::string> counts = co_await when_all(std::move(all));
        for (std::size_t i = 0; i < counts.size(); ++i) CHECK(counts[i] == std::to_string(i));
    };
    run_in_time(run());
}

TEST_CASE("a pipeline of many stages is as good as one of two", "[pipeline][process]") {
    const nothing_leaks check;
    pipeline p(stage("cat"));
    for (int i = 0; i < 30; ++i) p |= stage("cat");
    CHECK(run_in_time(output(p, "from hand to hand\n")) == "from hand to hand");
}

// ---- lines ----

TEST_CASE("the lines of a pipeline are those of its last stage", "[pipeline][process]") {
    const nothing_leaks check;
    const std::vector<std::string> found = all_lines(stage("lines", "20000") | stage("cat"));
    REQUIRE(found.size() == 20000);
    CHECK(found.front() == "line 0");
    CHECK(found.back() == "line 19999");
    CHECK(all_lines(stage("cat") | stage("cat"), "a\nb\nc") == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("stages that flood stderr do not hold up the lines", "[pipeline][process]") {
    const nothing_leaks check;
    const command loud = stage("flood", "2:1000000", "1:3");
    CHECK(all_lines(loud | stage("cat")) == std::vector<std::string>{"abc"});
    CHECK(all_lines(loud | loud) == std::vector<std::string>{"abc"});
}

TEST_CASE("of the stderr of what may run for ever little is kept", "[pipeline][process]") {
    const nothing_leaks check;
    std::optional<pipeline_error> error;
    const auto run = [&]() -> task<> {
        pipeline_lines words = lines(stage("flood", "2:1000000").ok_codes(9) | stage("flood", "2:1000000").ok_codes(9));
        try {
            co_await words.next();
        } catch (const pipeline_error& e) {
            error = e;
        }
    };
    run_in_time(run());
    REQUIRE(error);
    CHECK(error->whole().failed == stage_numbers{0, 1});
    for (const result& r : error->whole().stages) {
        CHECK(r.err.size() == 65536);
        CHECK(r.err_bytes == 1000000);
        CHECK(r.err_truncated);
    }
}

TEST_CASE("lines of a pipeline that are left early leave nobody", "[pipeline][process]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        {
            pipeline_lines words = lines(stage("endless") | stage("cat"));
            const auto line = co_await words.next();
            CHECK(line == "y");
        }
        co_await until_no_children();
        const pipeline_lines never_asked = lines(stage("endless") | stage("cat"));
        CHECK(no_children());
    };
    run_in_time(run());
}

TEST_CASE("a stage that fails throws where the lines end and once", "[pipeline][process]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        pipeline_lines words = lines(stage("exit_with", "4") | stage("flood", "1:3"));
        const auto line = co_await words.next();
        CHECK(line == "abc");
        std::optional<std::size_t> failed;
        try {
            co_await words.next();
        } catch (const pipeline_error& e) {
            failed = e.stage();
        }
        CHECK(failed == std::size_t{0});
        CHECK(no_children());
        const auto after = co_await words.next();
        CHECK(!after);
    };
    run_in_time(run());
}

TEST_CASE("lines of what cannot be started throw at the first one", "[pipeline][process]") {
    const nothing_leaks check;
    const auto run = []() -> task<> {
        pipeline_lines words = lines(stage("hush") | command("/no/such/program"));
        bool told = false;
        try {
            co_await words.next();
        } catch (const spawn_error&) {
            told = true;
        }
        CHECK(told);
        const auto after = co_await words.next();
        CHECK(!after);
    };
    run_in_time(run());
    CHECK_THROWS_AS(all_lines(stage("cat") | stage("cat").out(stdio::null)), usage_error);
}

TEST_CASE("a wait for a line of a pipeline that is cancelled loses none", "[pipeline][process]") {
    const nothing_leaks check;
    platform::pipe_ends held = platform::make_pipe();
    const auto run = [&]() -> task<> {
        pipeline_lines words = lines(stage("cat").in(stdio::fd(held.read.get())) | stage("cat"));
        for (const auto time : {0ms, 5ms}) {
            const auto none = co_await with_timeout(words.next(), time);
            CHECK(!none);
        }
        CHECK(::write(held.write.get(), "a\nb", 3) == 3);
        held.write.reset();
        const auto first = co_await words.next();
        CHECK(first == "a");
        const auto second = co_await words.next();
        CHECK(second == "b");
        const auto none = co_await words.next();
        CHECK(!none);
    };
    run_in_time(run());
}

TEST_CASE("lines are bound by every timeout of their pipeline", "[pipeline][process]") {
    const nothing_leaks check;
    const auto late = [](const pipeline& p) {
        std::optional<pipeline_error> error;
        const auto run = [&]() -> task<> {
            pipeline_lines words = lines(p);
            const auto line = co_await words.next();
            CHECK(line == "last words");
            try {
                const auto more = co_await words.next();
                CHECK(!more);
            } catch (const pipeline_error& e) {
                error = e;
            }
            CHECK(no_children());
        };
        run_in_time(run());
        REQUIRE(error);
        CHECK(error->code() == std::errc::timed_out);
        return *error;
    };
    const command words = stage("hush").err(stdio::to_out); // closes one of them only
    const command endless = stage("endless");
    const pipeline_error all = late((endless | words).timeout(200ms));
    CHECK(all.whole().failed == stage_numbers{0, 1});
    command first = endless;
    const pipeline_error one = late(first.timeout(200ms) | words);
    CHECK(one.whole().failed == stage_numbers{0});
    command last = words;
    const pipeline_error other = late(endless | last.timeout(200ms));
    CHECK(other.whole().failed == stage_numbers{1});
    contains(other.what(), "not done after 200 ms, killed by SIGTERM");
    command quiet = words;
    const pipeline_error silent = late(endless | quiet.idle_timeout(200ms));
    CHECK(silent.whole().failed == stage_numbers{1});
    contains(silent.what(), "no output for 200 ms, killed by SIGTERM");
}

TEST_CASE("a single stage gets all its input though its lines end before it has read it", "[pipeline][process]") {
    const nothing_leaks check;
    std::string counted;
    const auto run = [&]() -> task<> {
        platform::pipe_ends told = platform::make_pipe();
        // Closes its stdout before it reads, and says what it has read to where we look later.
        const command c = stage("read_mutely").err(stdio::fd(told.write.get()));
        pipeline_lines none = lines(pipeline(c), alphabet(several_mib));
        const auto line = co_await none.next();
        CHECK(!line);
        told.write.reset();
        stream_reader from(std::move(told.read));
        counted = co_await from.read_all();
    };
    run_in_time(run());
    CHECK(counted == std::to_string(several_mib));
}

TEST_CASE("a single stage need not read the input of its lines", "[pipeline][process]") {
    const nothing_leaks check;
    CHECK(all_lines(pipeline(stage("exit_with", "0")), alphabet(several_mib)).empty());
    CHECK(all_lines(pipeline(stage("lines", "2")), alphabet(several_mib)) ==
          std::vector<std::string>{"line 0", "line 1"});
}

TEST_CASE("an heir that holds the last stdout does not hold up the lines of a pipeline for ever",
          "[pipeline][process]") {
    const nothing_leaks check;
    platform::pipe_ends held = platform::make_pipe(); // until it is closed, the heirs stay
    const stdio in = stdio::fd(held.read.get());
    const command heir = stage("leave_heir").in(in).drain(50ms);
    command approved = heir;
    CHECK(all_lines(pipeline(approved.ok_codes(5))) == std::vector<std::string>{"early"});
    CHECK(all_lines(pipeline(stage("brood", "(e)hx").in(in).drain(50ms))) == std::vector<std::string>{"half"});
    const auto run = [&]() -> task<> {
        const std::size_t before = open_pipes();
        command silent = heir;
        pipeline_lines words = lines(pipeline(silent.err(stdio::null)));
        std::vector<std::string> found;
        bool told = false;
        try {
            co_await gather(words, found);
        } catch (const pipeline_error& e) {
            told = true;
            CHECK(e.result().status.code() == 5);
            CHECK(e.result().pipes_abandoned);
            CHECK(open_pipes() == before); // who writes now is told
        }
        CHECK(told);
        CHECK(found == std::vector<std::string>{"early"});
    };
    run_in_time(run());
}

TEST_CASE("what an heir of the last stage says within the drain is among the lines", "[pipeline][process]") {
    const nothing_leaks check;
    const command heir = stage("leave_heir").drain(20s).ok_codes(5);
    CHECK(all_lines(stage("exit_with", "0") | heir) == std::vector<std::string>{"early", "late"});
}

TEST_CASE("an heir does not hold up the lines of a pipeline that is out of time", "[pipeline][process]") {
    const nothing_leaks check;
    platform::pipe_ends held = platform::make_pipe();
    const command parent = stage("brood", "(e)r").in(stdio::fd(held.read.get())).drain(50ms);
    const auto run = [&]() -> task<> {
        pipeline_lines words = lines(pipeline(parent).timeout(300ms));
        std::vector<std::string> found;
        bool told = false;
        try {
            co_await gather(words, found);
        } catch (const pipeline_error& e) {
            told = e.code() == std::errc::timed_out;
        }
        CHECK(told);
    };
    run_in_time(run());
}

TEST_CASE("a wait for the first line that is given up at any moment starts nothing twice", "[pipeline][process]") {
    const nothing_leaks check;
    for (int turns = 0; turns < 6; ++turns) {
        INFO(turns);
        platform::pipe_ends told = platform::make_pipe();
        std::vector<std::string> found;
        const auto run = [&]() -> task<> {
            // Whoever is let go of tells of itself all the same.
            const command counted =
                stage("flood", "2:1", "1:3").err(stdio::fd(told.write.get())).on_destroy(destroy::detach);
            pipeline_lines words = lines(counted | stage("cat"));
            for (int i = 0; i < 3; ++i) {
                const driven given_up = drive(gather(words, found));
                for (int turn = 0; turn < turns && found.empty(); ++turn) co_await yield();
            }
            co_await gather(words, found);
            co_await until_no_children();
        };
        run_in_time(run());
        told.write.reset();
        CHECK(found == std::vector<std::string>{"abc"});
        char starts[16];
        CHECK(::read(told.read.get(), starts, sizeof starts) == 1);
    }
}

TEST_CASE("a second wait for a line of a pipeline is refused and hides nothing", "[pipeline][process]") {
    const nothing_leaks check;
    platform::pipe_ends held = platform::make_pipe();
    const auto run = [&]() -> task<> {
        pipeline_lines words = lines(stage("cat").in(stdio::fd(held.read.get())) | stage("sip", "4"));
        std::string first;
        std::string second;
        {
            task_group starting;
            starting.start(gather_one(words, first));
            bool refused = co_await next_throws<usage_error>(words);
            CHECK(refused);
            CHECK(::write(held.write.get(), "a\n", 2) == 2);
            co_await starting.join();
            CHECK(first == "a");
        }
        {
            task_group reading;
            reading.start(gather_one(words, second));
            bool refused = co_await next_throws<usage_error>(words);
            CHECK(refused);
            CHECK(::write(held.write.get(), "b\n", 2) == 2);
            co_await reading.join();
            CHECK(second == "b");
        }
        const driven ending = drive(gather_one(words, first)); // the first stage goes on
        co_await yield();
        bool refused = co_await next_throws<usage_error>(words);
        CHECK(refused);
    };
    run_in_time(run());
}

TEST_CASE("a second wait does not hide that a stage of a pipeline has failed", "[pipeline][process]") {
    const nothing_leaks check;
    platform::pipe_ends held = platform::make_pipe();
    const auto run = [&]() -> task<> {
        pipeline_lines words = lines(stage("cat").in(stdio::fd(held.read.get())) | stage("sip", "4"));
        {
            std::string none;
            const driven first = drive(gather_one(words, none));
            bool refused = co_await next_throws<usage_error>(words);
            CHECK(refused);
        }
        held.write.reset();
        bool told = co_await next_throws<pipeline_error>(words);
        CHECK(told);
        const auto after = co_await words.next();
        CHECK(!after);
    };
    run_in_time(run());
}

// Seen to fail: the time kept on after the last stage had ended; the first one was stopped, and nothing was told.
TEST_CASE("the time of a last stage is over for the others when it has ended", "[pipeline][process]") {
    const nothing_leaks check;
    platform::pipe_ends held = platform::make_pipe();
    const auto run = [&](command last) -> task<> {
        held = platform::make_pipe();
        pipeline_lines words = lines(stage("end_by", "code", "3").in(stdio::fd(held.read.get())) | last);
        const auto line = co_await words.next();
        CHECK(line == "line 0");
        task_group later;
        const auto let_go = [&]() -> task<> {
            co_await sleep_for(200ms);
            held.write.reset();
        };
        later.start(let_go());
        std::optional<pipeline_error> error;
        try {
            co_await words.next();
        } catch (const pipeline_error& e) {
            error = e;
        }
        REQUIRE(error);
        CHECK(error->whole().stages[0].status == exit_status::exited(3));
        CHECK(!error->whole().stages[0].stopped);
        co_await later.join();
    };
    run_in_time(run(stage("lines", "1").timeout(50ms)));
    run_in_time(run(stage("lines", "1").idle_timeout(50ms)));
}

// Seen to fail: a time for each line in place of one for the silence; killed by SIGTERM.
TEST_CASE("a last stage whose lines are read is silent only if it writes nothing at all", "[pipeline][process]") {
    const nothing_leaks check;
    CHECK(all_lines(stage("exit_with", "0") | stage("dribble", "25").idle_timeout(2s)) ==
          std::vector<std::string>{"............ done"});
}

// Seen to fail: nobody looking at it before the lines had ended; nothing was thrown.
TEST_CASE("a last stage whose lines are read keeps the limit of its stderr", "[pipeline][process]") {
    const nothing_leaks check;
    const command limited = stage("flood", "2:100000", "1:3", "1:=").capture_err(capture::all(1000));
    std::optional<pipeline_error> error;
    try {
        all_lines(stage("exit_with", "0") | limited);
    } catch (const pipeline_error& e) {
        error = e;
    }
    REQUIRE(error);
    CHECK(error->stage() == 1);
    CHECK(error->result().err.size() == 1000);
    contains(error->what(), "stderr");
}

// Seen to fail: the pipe left open; "hangs".
TEST_CASE("what a stage reads from 3 on has an end", "[pipeline][process]") {
    const nothing_leaks check;
    CHECK(run_in_time(output(stage("exit_with", "0") | stage("relay_fds", "3").in(3, stdio::pipe))) == "3 ");
}
