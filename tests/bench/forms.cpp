// SPDX-License-Identifier: BSL-1.0
//
// What each form of saying it costs against the plain one: a process of one's own, started, read and awaited. All forms
// take turns, round by round, since machines are noisy; the medians of the ratios within a round are printed.
//
//     coproc_forms [ROUNDS]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <coproc.hpp>

using namespace coproc;

namespace {

constexpr int children = 400;
constexpr long lines_of_one = 400'000;

command short_one() { return command("/bin/echo", "42"); }
command long_one() { return command("/usr/bin/seq", std::to_string(lines_of_one)); }

void must(bool holds) {
    if (!holds) throw std::runtime_error("a form has not done what it is measured for");
}

// ---- a child for what it says ----

task<> by_process() {
    for (int i = 0; i < children; ++i) {
        async_process p(short_one().in(stdio::null));
        const result r = co_await p.communicate();
        must(r.out == "42\n");
    }
}
task<> by_execute() {
    for (int i = 0; i < children; ++i) {
        const result r = co_await execute(short_one());
        must(r.out == "42\n");
    }
}
task<> by_try_execute() {
    for (int i = 0; i < children; ++i) {
        const attempt a = co_await try_execute(short_one());
        must(static_cast<bool>(a));
    }
}
task<> by_output() {
    for (int i = 0; i < children; ++i) {
        const std::string out = co_await output(short_one());
        must(out == "42");
    }
}
task<> by_output_as() {
    for (int i = 0; i < children; ++i) {
        const int n = co_await output_as<int>(short_one());
        must(n == 42);
    }
}
task<> by_sequence() {
    command_queue q(1);
    for (int i = 0; i < children; ++i) q.queue(short_one());
    const job_results all = co_await q.execute_all();
    must(all.size() == children);
    check(all);
}
task<> by_pipeline() { // half as many, of two stages each
    const pipeline both = short_one() | command("/bin/cat");
    for (int i = 0; i < children / 2; ++i) {
        const std::string out = co_await output(both);
        must(out == "42");
    }
}

// ---- the lines of a child ----

task<> by_views() {
    async_process p(long_one().in(stdio::null));
    line_stream all = p.stream_stdout();
    long count = 0;
    while (co_await all.next()) ++count;
    co_await p.wait();
    must(count == lines_of_one);
}
task<> by_strings() {
    async_process p(long_one().in(stdio::null));
    long count = 0;
    while (co_await p.read_line()) ++count;
    co_await p.wait();
    must(count == lines_of_one);
}
task<> by_lines() {
    auto all = lines(long_one());
    long count = 0;
    while (co_await all.next()) ++count;
    must(count == lines_of_one);
}
task<> by_events() {
    auto all = events(long_one());
    long count = 0;
    while (const process_event* e = co_await all.next()) count += e->is_line() ? 1 : 0;
    must(count == lines_of_one);
}
task<> by_numbers() {
    async_process p(long_one().in(stdio::null));
    auto all = p.stream_as<long>();
    long last = 0;
    while (const auto n = co_await all.next()) last = *n;
    co_await p.wait();
    must(last == lines_of_one);
}

struct form {
    const char* name;
    task<> (*run)();
    std::vector<double> shares; // of the plain one's time
};

double seconds_of(task<> (*form)()) {
    const auto begin = std::chrono::steady_clock::now();
    run(form());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The first one is the plain one.
void compare(const char* what, std::vector<form> forms, int rounds) {
    double plain_at_best = 0;
    for (int round = 0; round < rounds; ++round) {
        double plain = 0;
        for (form& f : forms) {
            const double seconds = seconds_of(f.run);
            if (&f == forms.data()) plain = seconds;
            f.shares.push_back(seconds / plain);
        }
        plain_at_best = round == 0 ? plain : std::min(plain_at_best, plain);
    }
    std::printf("%s: the plain one at best %.3f s\n", what, plain_at_best);
    for (form& f : forms) {
        const auto middle = f.shares.begin() + static_cast<std::ptrdiff_t>(f.shares.size() / 2);
        std::nth_element(f.shares.begin(), middle, f.shares.end());
        std::printf("  %-40s %.2f\n", f.name, *middle);
    }
}

} // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 7;
    if (rounds < 1) return std::fputs("usage: coproc_forms [ROUNDS]\n", stderr), 2;
    compare("400 children for what they print",
            {{"async_process, communicate", by_process, {}},
             {"execute", by_execute, {}},
             {"try_execute", by_try_execute, {}},
             {"output", by_output, {}},
             {"output_as<int>", by_output_as, {}},
             {"command_queue(1)", by_sequence, {}},
             {"output of a pipeline, by the stage", by_pipeline, {}}},
            rounds);
    compare("400,000 lines of a child",
            {{"stream_stdout, views", by_views, {}},
             {"read_line, strings", by_strings, {}},
             {"lines", by_lines, {}},
             {"events", by_events, {}},
             {"stream_as<long>", by_numbers, {}}},
            rounds);
}
