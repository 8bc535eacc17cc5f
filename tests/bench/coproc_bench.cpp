// SPDX-License-Identifier: BSL-1.0
//
// The benchmark: one workload a run, one line of figures, in the form that programs for other libraries share.
//
//     PEERS_HELPERS=directory coproc_bench spawn_seq 1000
//     spawn_seq 7512.345 proc/s user_s=0.0312 sys_s=0.0713 elapsed_s=0.1331 child_s=0.0290
//
// The workloads are written as the library's own guide would have it: what is measured is what a user gets. Every
// count, byte and exit status is checked, and where one is wrong there are no figures, only a word on stderr.
//
// Exit status: 0 measured; 3 something was wrong; 64 called wrongly; 77 no such workload.

#include <coproc.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace coproc;
using namespace std::chrono_literals;

// How the workloads speak with their children: `coproc_bench_socket` is the same program with pairs of sockets.
#if defined(COPROC_BENCH_SOCKET)
constexpr stdio::kind piped = stdio::socket;
#else
constexpr stdio::kind piped = stdio::pipe;
#endif

constexpr std::size_t mebibyte = std::size_t{1} << 20;

void expect(bool right, const char* what) {
    if (!right) throw std::runtime_error(std::string("wrong: ") + what);
}

// ---- arguments ----

/// The numbers behind the workload's name.
class parameters {
public:
    parameters(int argc, char** argv) : words_(argv + std::min(argc, 2), argv + argc) {}

    [[nodiscard]] std::size_t number(std::size_t place) const {
        std::size_t value = 0;
        const std::string_view text = place < words_.size() ? words_[place] : std::string_view();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = error == std::errc() && end == text.data() + text.size();
        if (!whole || value == 0) {
            throw std::invalid_argument("parameter " + std::to_string(place + 1) + " must be a positive number");
        }
        return value;
    }

private:
    std::vector<std::string_view> words_;
};

/// One of the small programs that the workloads start. It has our stdin, stdout and stderr, but for what the workload
/// makes a pipe.
template <class... Numbers>
command helper(const char* name, Numbers... numbers) {
    const char* const directory = std::getenv("PEERS_HELPERS"); // NOLINT(concurrency-mt-unsafe)
    if (directory == nullptr) throw std::invalid_argument("PEERS_HELPERS must name the directory of the helpers");
    command c(std::string(directory) + "/" + name, std::to_string(numbers)...);
    c.in(stdio::inherit).out(stdio::inherit).err(stdio::inherit);
    return c;
}

// ---- figures ----

double to_seconds(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; }

rusage usage_of(int who) {
    rusage usage{};
    getrusage(who, &usage);
    return usage;
}

/// What one workload yields. `value` is filled in by `per_second` where it is a rate.
struct figures {
    double seconds = 0;
    double user = 0;
    double system = 0;
    double value = 0;
    const char* unit = "";
    std::string more = {};
};

/// From before the first start until the last child is reaped: wall clock, and our own CPU time without the children's.
class stopwatch {
public:
    [[nodiscard]] figures stop() const {
        const std::chrono::duration<double> passed = event_loop::clock::now() - started_;
        const rusage now = usage_of(RUSAGE_SELF);
        return {.seconds = passed.count(),
                .user = to_seconds(now.ru_utime) - to_seconds(before_.ru_utime),
                .system = to_seconds(now.ru_stime) - to_seconds(before_.ru_stime)};
    }
    [[nodiscard]] figures per_second(std::size_t count, const char* unit) const {
        figures f = stop();
        f.value = static_cast<double>(count) / f.seconds;
        f.unit = unit;
        return f;
    }

private:
    rusage before_ = usage_of(RUSAGE_SELF);
    event_loop::clock::time_point started_ = event_loop::clock::now();
};

std::string field(const char* key, double value) {
    char text[64];
    std::snprintf(text, sizeof text, " %s=%.2f", key, value);
    return text;
}

void print(const char* workload, const figures& f) {
    const rusage children = usage_of(RUSAGE_CHILDREN);
    std::printf("%s %.3f %s user_s=%.4f sys_s=%.4f elapsed_s=%.4f child_s=%.4f%s\n", workload, f.value, f.unit, f.user,
                f.system, f.seconds, to_seconds(children.ru_utime) + to_seconds(children.ru_stime), f.more.c_str());
}

/// Of this process, in KiB: `VmRSS:` is the memory in use, `VmHWM:` the most there has been. Where there is no /proc,
/// getrusage knows the latter only. (Where there is, it is not to be asked: Linux hands the figure on from the program
/// that started us.)
double memory_kib(std::string_view key) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(key)) return std::stod(line.substr(key.size()));
    }
    return static_cast<double>(usage_of(RUSAGE_SELF).ru_maxrss) / 1024; // bytes on macOS
}

double open_descriptors() {
    using std::filesystem::directory_iterator;
    return static_cast<double>(std::distance(directory_iterator("/dev/fd"), {}));
}

/// `many` holds four descriptors for each child; the usual limit is 256 or 1024.
void allow_many_descriptors() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65536); // macOS refuses "unlimited"
    setrlimit(RLIMIT_NOFILE, &limit);
}

// ---- starting children ----

/// N: start, wait, and the next.
task<figures> spawn_seq(const parameters& given) {
    const std::size_t count = given.number(0);
    const command program = helper("true_static");
    const stopwatch watch;
    for (std::size_t i = 0; i < count; ++i) {
        async_process child(program);
        const exit_status status = co_await child.wait();
        expect(status.success(), "exit status");
    }
    co_return watch.per_second(count, "proc/s");
}

/// N MB: the same from a parent that has MB MiB of memory in use, which a fork would have to copy the tables of.
task<figures> spawn_rss(const parameters& given) {
    const std::vector<char> ballast(given.number(1) * mebibyte, 'x');
    figures f = co_await spawn_seq(given);
    expect(ballast.back() == 'x', "our own memory"); // and so the compiler cannot leave it out
    co_return f;
}

/// N: start, read all it says, wait, and the next.
task<figures> spawn_capture(const parameters& given) {
    const std::size_t count = given.number(0);
    const command program = helper("hello").out(piped);
    const stopwatch watch;
    for (std::size_t i = 0; i < count; ++i) {
        async_process child(program);
        const std::string said = co_await child.read_stdout();
        expect(said == "hello\n", "output");
        const exit_status status = co_await child.wait();
        expect(status.success(), "exit status");
    }
    co_return watch.per_second(count, "proc/s");
}

task<> start_while_any_left(const command& program, std::size_t& left) {
    while (left != 0) {
        --left;
        async_process child = co_await start(program);
        const exit_status status = co_await child.wait();
        expect(status.success(), "exit status");
    }
}

/// N K: N starts, no more than K children at once.
task<figures> spawn_par(const parameters& given) {
    const std::size_t count = given.number(0);
    const std::size_t at_once = given.number(1);
    const command program = helper("true_static");
    std::size_t left = count;
    const stopwatch watch;
    std::vector<task<>> lanes;
    for (std::size_t i = 0; i < at_once; ++i) lanes.push_back(start_while_any_left(program, left));
    co_await when_all(std::move(lanes));
    expect(left == 0, "number of children");
    co_return watch.per_second(count, "proc/s");
}

task<> await_silent_end(async_process& child) {
    const std::string out = co_await child.read_stdout();
    const std::string err = co_await child.read_stderr();
    expect(out.empty() && err.empty(), "output");
    const exit_status status = co_await child.wait();
    expect(status.success(), "exit status");
}

/// K: all alive at once with three pipes each; then their stdin is closed, which ends them.
task<figures> many(const parameters& given) {
    const std::size_t count = given.number(0);
    const auto each = static_cast<double>(count);
    const command program = helper("hold").in(piped).out(piped).err(piped);
    const double memory_before = memory_kib("VmRSS:");
    const double descriptors_before = open_descriptors();

    const stopwatch watch;
    std::vector<async_process> children;
    for (std::size_t i = 0; i < count; ++i) children.emplace_back(program);
    const double descriptors = open_descriptors() - descriptors_before;
    for (async_process& child : children) child.close_stdin();
    for (; !children.empty(); children.pop_back()) co_await await_silent_end(children.back()); // meanwhile others end
    figures f = watch.stop();

    const double peak = memory_kib("VmHWM:");
    f.value = f.seconds * 1e3;
    f.unit = "ms";
    f.more = field("fds_per_child", descriptors / each) + field("rss_kib_per_child", (peak - memory_before) / each) +
             field("peak_rss_mib", peak / 1024);
    co_return f;
}

// ---- moving data ----

/// MB LEN: the child writes MB MiB in lines of LEN bytes, newline included; we take them line by line.
task<figures> read_lines(const parameters& given) {
    const std::size_t megabytes = given.number(0);
    const std::size_t length = given.number(1);
    std::size_t count = 0;
    const stopwatch watch;
    async_process child(helper("gen", megabytes, length).out(piped));
    line_stream stream = child.stream_stdout();
    while (auto line = co_await stream.next()) {
        expect(line->size() + 1 == length, "length of a line");
        ++count;
    }
    const exit_status status = co_await child.wait();
    expect(status.success(), "exit status");
    expect(count * length == megabytes * mebibyte, "number of lines");
    figures f = watch.per_second(megabytes, "MiB/s");
    f.more = field("lines_per_s", static_cast<double>(count) / f.seconds);
    co_return f;
}

/// MB: the child writes MB MiB; we take them in chunks as they come.
task<figures> read_bytes(const parameters& given) {
    const std::size_t megabytes = given.number(0);
    std::vector<char> chunk(65536);
    std::size_t total = 0;
    const stopwatch watch;
    async_process child(helper("gen", megabytes, 64).out(piped));
    while (const std::size_t size = co_await child.out().read_some(chunk)) total += size;
    const exit_status status = co_await child.wait();
    expect(status.success(), "exit status");
    expect(total == megabytes * mebibyte, "number of bytes");
    co_return watch.per_second(megabytes, "MiB/s");
}

/// MB: we write MB MiB; the child's exit status says whether it got them all.
task<figures> write_bytes(const parameters& given) {
    const std::size_t megabytes = given.number(0);
    const std::string block(mebibyte / 4, 'x');
    const stopwatch watch;
    async_process child(helper("sink", megabytes * mebibyte).in(piped));
    for (std::size_t i = 0; i < 4 * megabytes; ++i) co_await child.write_stdin(block);
    child.close_stdin();
    const exit_status status = co_await child.wait();
    expect(status.success(), "exit status");
    co_return watch.per_second(megabytes, "MiB/s");
}

/// N: a line of 64 bytes to a child that sends it back, and the next when it is here.
task<figures> pingpong(const parameters& given) {
    const std::size_t count = given.number(0);
    std::string ball(64, 'x');
    ball.back() = '\n';
    const stopwatch watch;
    async_process child(helper("cat").in(piped).out(piped));
    line_stream stream = child.stream_stdout();
    for (std::size_t i = 0; i < count; ++i) {
        ball.front() = static_cast<char>('a' + i % 26); // so that an old one is not taken for this one
        co_await child.write_stdin(ball);
        const std::optional<std::string_view> back = co_await stream.next();
        expect(back && back->size() + 1 == ball.size() && ball.starts_with(*back), "echo");
    }
    child.close_stdin();
    const exit_status status = co_await child.wait();
    expect(status.success(), "exit status");
    co_return watch.per_second(count, "rt/s");
}

// ---- deadlines ----

/// N: a child that never ends is waited for 10 ms, killed and reaped; how much longer than 10 ms that takes.
task<figures> wait_timeout(const parameters& given) {
    const std::size_t count = given.number(0);
    const command program = helper("forever");
    std::chrono::duration<double, std::micro> beyond{};
    const stopwatch watch;
    for (std::size_t i = 0; i < count; ++i) {
        async_process child(program);
        const event_loop::clock::time_point started = event_loop::clock::now();
        const std::optional<exit_status> early = co_await child.wait(10ms);
        expect(!early, "it should have run on");
        child.kill();
        const exit_status status = co_await child.wait();
        beyond += event_loop::clock::now() - started - 10ms;
        expect(status.signal() == SIGKILL, "exit status");
    }
    figures f = watch.stop();
    f.value = beyond.count() / static_cast<double>(count);
    f.unit = "us";
    co_return f;
}

// ---- all of it ----

struct workload {
    std::string_view name;
    task<figures> (*measure)(const parameters&);
};

constexpr workload workloads[] = {
    {"spawn_seq", spawn_seq},       {"spawn_rss", spawn_rss}, {"spawn_capture", spawn_capture},
    {"spawn_par", spawn_par},       {"many", many},           {"lines", read_lines},
    {"bytes", read_bytes},          {"write", write_bytes},   {"pingpong", pingpong},
    {"wait_timeout", wait_timeout},
};

int measure(const char* name, const parameters& given) {
    const auto* const chosen =
        std::find_if(std::begin(workloads), std::end(workloads), [&](const workload& w) { return w.name == name; });
    if (chosen == std::end(workloads)) {
        std::fprintf(stderr, "no such workload: %s\n", name);
        return 77;
    }
    allow_many_descriptors();
    print(name, run(chosen->measure(given)));
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: coproc_bench WORKLOAD NUMBER...\n");
        return 64;
    }
    try {
        return measure(argv[1], parameters(argc, argv));
    } catch (const std::invalid_argument& e) {
        std::fprintf(stderr, "coproc_bench: %s\n", e.what());
        return 64;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "coproc_bench %s: %s\n", argv[1], e.what());
        return 3;
    }
}
