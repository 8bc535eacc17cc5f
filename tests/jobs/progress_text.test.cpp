// SPDX-License-Identifier: BSL-1.0
//
// How progress is worded: lines that fit, names that command no terminal, times and rates that mean something.
#include <coproc/jobs/progress_text.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coproc/data/utf8.hpp>

#include "support/catch.hpp"

using namespace coproc;
using namespace std::chrono_literals;

namespace {

std::string cut_to(std::size_t columns, std::string_view text) { return detail::screen_row(columns).add(text).text(); }

queue_progress counts(std::size_t total, std::size_t done, std::size_t running,
                      platform::clock::duration elapsed = {}) {
    queue_progress now;
    now.total = total;
    now.done = done;
    now.running = running;
    now.waiting = total - done - running;
    now.elapsed = elapsed;
    return now;
}

job_ending ending(std::string_view name, exit_status status, bool succeeded) {
    job_ending job;
    job.name = name;
    job.status = status;
    job.succeeded = succeeded;
    job.elapsed = 1250ms;
    return job;
}

} // namespace

TEST_CASE("a row is cut between characters and ends in dots then", "[jobs]") {
    CHECK(cut_to(5, "hello") == "hello");
    CHECK(cut_to(5, "hello!") == "he...");
    CHECK(cut_to(3, "hello") == "...");
    CHECK(cut_to(2, "hello") == "he");
    CHECK(cut_to(0, "hello").empty());
    CHECK(cut_to(0, "").empty());
    CHECK(cut_to(6, "gr\xC3\xBC\xC3\x9F"
                    "e!") == "gr\xC3\xBC\xC3\x9F"
                             "e!");
    CHECK(cut_to(6, "gr\xC3\xBC\xC3\x9F"
                    "e!!") == "gr\xC3\xBC...");
}

TEST_CASE("what is wide counts twice and is never halved", "[jobs]") {
    const std::string wide = "\xE6\xBC\xA2\xE5\xAD\x97\xE4\xBB\xAE"; // three of China
    CHECK(cut_to(6, wide) == wide);
    CHECK(cut_to(5, wide) == "\xE6\xBC\xA2...");
    CHECK(cut_to(4, wide) == "...");
    CHECK(cut_to(1, wide).empty());
    const std::string rocket = "\xF0\x9F\x9A\x80";
    CHECK(cut_to(2, rocket) == rocket);
    CHECK(cut_to(1, rocket).empty());
}

TEST_CASE("what commands a terminal or is no character is shown as a question mark", "[jobs]") {
    CHECK(cut_to(99, "a\x1b[31mb\a\b\r\n\tc\x7f") == "a?[31mb?????c?");
    CHECK(cut_to(99, std::string_view("a\0b", 3)) == "a?b");
    CHECK(cut_to(99, "a\xC2\x9B"
                     "31mb") == "a?31mb"); // the CSI of eight bits
    CHECK(cut_to(99, "a\x9b"
                     "31mb\xff") == "a?31mb?");
    CHECK(cut_to(99, "exe.\xE2\x80\xAEtxt") == "exe.?txt"); // turns the direction
    CHECK(cut_to(99, "a\xD8\x9C"
                     "b") == "a?b"); // so does the mark of Arabic letters
    CHECK(cut_to(99, "half \xE6\xBC") == "half ?");
    CHECK(cut_to(99, "\xED\xA0\x80") == "???"); // a surrogate
}

TEST_CASE("a row of any width and of any bytes is well formed", "[jobs]") {
    std::string all;
    for (int i = 0; i < 3000; ++i) all += static_cast<char>(i * i / 7 + i);
    for (std::size_t columns = 0; columns < 300; ++columns) {
        const std::string row = cut_to(columns, std::string_view(all).substr(columns * 7));
        INFO(columns);
        CHECK(detail::utf8_prefix(row) == row.size());
        std::size_t characters = 0;
        for (const char c : row) characters += detail::is_utf8_continuation(c) ? 0 : 1;
        CHECK(characters <= columns);
    }
}

TEST_CASE("times are told in the units that matter", "[jobs]") {
    CHECK(detail::time_text(0s) == "0.0 s");
    CHECK(detail::time_text(-5s) == "0.0 s");
    CHECK(detail::time_text(9999ms) == "9.9 s");
    CHECK(detail::time_text(10s) == "10 s");
    CHECK(detail::time_text(99999ms) == "99 s");
    CHECK(detail::time_text(100s) == "1 min 40 s");
    CHECK(detail::time_text(5999s) == "99 min 59 s");
    CHECK(detail::time_text(6000s) == "1 h 40 min");
    CHECK(detail::time_text(1000h) == "1000 h 0 min");
}

TEST_CASE("nothing is said of rate and estimate before it means something", "[jobs]") {
    const auto line = [](std::vector<queue_progress> story) {
        detail::pace speed;
        for (const queue_progress& now : story) speed.note(now);
        return detail::live_line(story.back(), speed, "", 50);
    };
    CHECK(line({counts(0, 0, 0)}) == "0/0, 0 running");
    CHECK(line({counts(100, 0, 4, 30s)}) == "0/100, 4 running");
    CHECK(line({counts(100, 1, 4, 30s)}) == "1/100, 4 running");
    CHECK(line({counts(100, 3, 4, 30s)}) == "3/100, 4 running");
    CHECK(line({counts(100, 4, 4, 800ms)}) == "4/100, 4 running"); // no second yet
    CHECK(line({counts(100, 4, 4, 2s)}) == "4/100, 4 running, 2.0/s, 48 s left");
    CHECK(line({counts(100, 100, 0, 50s)}) == "100/100, 0 running, 2.0/s");
    CHECK(line({counts(100, 4, 4, 40s)}) == "4/100, 4 running, 6.0/min, 16 min 0 s left");
    CHECK(line({counts(9, 2, 1, 1h)}) == "2/9, 1 running, 2.0/h, 3 h 30 min left");
    CHECK(line({counts(100000, 20000, 4, 2s)}) == "20000/100000, 4 running, 10000/s, 8 s left");
    CHECK(line({counts(3, 5, 0, 2s)}) == "5/3, 0 running, 2.5/s"); // told wrongly
}

TEST_CASE("an estimate is the mean of all at first and follows a change of pace", "[jobs]") {
    detail::pace speed;
    std::size_t done = 0;
    platform::clock::duration elapsed{};
    const auto go_on = [&](std::size_t ends, platform::clock::duration each) {
        for (std::size_t i = 0; i < ends; ++i) speed.note(counts(10000, ++done, 1, elapsed += each));
    };
    go_on(10, 1s);
    go_on(10, 3s);
    CHECK(speed.rate() == "0.5/s");                   // 20 in 40 s
    speed.note(counts(10000, done, 1, elapsed + 1h)); // nothing has ended
    CHECK(speed.rate() == "0.5/s");
    go_on(200, 100ms);
    CHECK(speed.rate() != "0.5/s");
    CHECK(speed.left(counts(done + 100, done, 1)) == "11 s");
}

TEST_CASE("a queue that was given up says nothing of the pace of the next", "[jobs]") {
    detail::pace speed;
    speed.note(counts(100, 50, 2, 1h)); // and no end is told
    speed.note(counts(80, 0, 2, 0s));
    CHECK_FALSE(speed.known(counts(80, 0, 2, 0s)));
    speed.note(counts(80, 60, 2, 30s));
    CHECK(speed.rate() == "2.0/s");
    speed.note(counts(80, 70, 2, 10s)); // of a third, which is told of late
    CHECK(speed.rate() == "7.0/s");
}

TEST_CASE("a wide line has a gauge and a narrow one keeps the counts", "[jobs]") {
    detail::pace speed;
    queue_progress now = counts(120, 37, 4, 12s);
    now.failed = 2;
    speed.note(now);
    CHECK(detail::live_line(now, speed, "cc a.c, cc b.c", 79) ==
          "[###.......] 37/120, 4 running, 2 failed, 3.1/s, 27 s left: cc a.c, cc b.c");
    CHECK(detail::live_line(now, speed, "cc a.c, cc b.c", 60) ==
          "[###.......] 37/120, 4 running, 2 failed, 3.1/s, 27 s lef...");
    CHECK(detail::live_line(now, speed, "cc a.c, cc b.c", 59) ==
          "37/120, 4 running, 2 failed, 3.1/s, 27 s left: cc a.c, c...");
    CHECK(detail::live_line(now, speed, "cc a.c, cc b.c", 11) == "37/120, ...");
    CHECK(detail::gauge(counts(0, 0, 0)) == "[..........] ");
    CHECK(detail::gauge(counts(3, 3, 0)) == "[##########] ");
    CHECK(detail::gauge(counts(1000, 999, 1)) == "[#########.] ");
}

TEST_CASE("a log tells how each job ended", "[jobs]") {
    const queue_progress now = counts(12, 3, 4);
    CHECK(detail::ending_line(now, ending("tests", exit_status::exited(0), true)) == "[3/12] ok tests (1.2 s)");
    CHECK(detail::ending_line(now, ending("diff a b", exit_status::exited(1), true)) == "[3/12] ok diff a b (1.2 s)");
    CHECK(detail::ending_line(now, ending("cc", exit_status::exited(3), false)) ==
          "[3/12] FAILED cc: exited with code 3 (1.2 s)");
    CHECK(detail::ending_line(now, ending("cc\nx\x1b[2J", exit_status::signaled(9), false)) ==
          "[3/12] FAILED cc?x?[2J: killed by SIGKILL (1.2 s)");
    job_ending late = ending("cc", exit_status::signaled(15), false);
    late.reason = "timed out";
    late.again = true;
    CHECK(detail::ending_line(now, late) == "[3/12] again cc: timed out (1.2 s)");
    queue_progress over = counts(12, 12, 0, 75s);
    CHECK(detail::last_line(over) == "12/12 done, in 75 s");
    over.failed = 5;
    CHECK(detail::last_line(over) == "12/12 done, 5 failed, in 75 s");
    CHECK(detail::last_line(over, 12) == "12/12 don...");
}
