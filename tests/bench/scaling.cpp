// SPDX-License-Identifier: BSL-1.0
//
// The benchmark of what must not grow: one point a run, one line of figures, in the form of coproc_bench.
//
//     coproc_scaling alive 1000     one more child is started and awaited while 1000 others live and are awaited
//     coproc_scaling idle 1000      a byte goes to and fro between two coroutines while 1000 other pipes are read from
//     coproc_scaling loops 4000     4000 children one after the other; the same in two threads with a loop each
//
// What goes along with it are figures of the same system calls made by hand, since a kernel need not be flat either.
// plot.py runs the points and draws them.
//
// Exit status: 0 measured; 3 something was wrong; 64 called wrongly; 69 the system allows no such number.

#include <coproc.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

extern char** environ; // NOLINT(readability-redundant-declaration): POSIX has it declared by its user

namespace {

using namespace coproc;

void expect(bool right, const char* what) {
    if (!right) throw std::runtime_error(std::string("wrong: ") + what);
}

/// The system allows no such number: of descriptors, processes or bytes.
class not_allowed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// ---- figures ----

double microseconds(event_loop::clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

class stopwatch {
public:
    [[nodiscard]] double microseconds_each(std::size_t count) const {
        return microseconds(event_loop::clock::now() - started_) / static_cast<double>(count);
    }

private:
    event_loop::clock::time_point started_ = event_loop::clock::now();
};

/// What the allocator has handed out, with what it adds to each block; 0 where it does not say. (What is resident comes
/// in pages, which one child does not fill.)
double bytes_in_use() {
#if defined(__GLIBC__)
    const struct mallinfo2 memory = mallinfo2();
    return static_cast<double>(memory.uordblks + memory.hblkhd);
#else
    return 0;
#endif
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// ---- children ----

/// Two programs of child.cpp. Without pipes a child costs its parent one descriptor, which tells of its end.
command child_that(const char* does) {
    return command(std::string(COPROC_BENCH_CHILDREN) + does)
        .in(stdio::inherit)
        .out(stdio::inherit)
        .err(stdio::inherit);
}

task<> one_after_the_other(std::size_t count) {
    const command c = child_that("ends");
    for (std::size_t i = 0; i < count; ++i) {
        async_process child(c);
        const exit_status status = co_await child.wait();
        expect(status.success(), "exit status");
    }
}

void one_after_the_other_by_hand(std::size_t count) {
    std::string name = child_that("ends").program();
    char* const argv[] = {name.data(), nullptr};
    for (std::size_t i = 0; i < count; ++i) {
        pid_t pid = 0;
        expect(::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environ) == 0, "posix_spawn");
        int status = 0;
        expect(::waitpid(pid, &status, 0) == pid && status == 0, "exit status");
    }
}

task<> await_kill(async_process& child) {
    const exit_status status = co_await child.wait();
    expect(status.signal() == SIGKILL, "exit status");
}

/// N: what one more child costs beside N that live, from its start to its end.
task<> alive(std::size_t count) {
    constexpr std::size_t batches = 15;
    constexpr std::size_t batch = 40;
    const command c = child_that("lives");
    task_group waiting;
    const double bytes_before = bytes_in_use();
    std::vector<async_process> children;
    children.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        children.emplace_back(c);
        waiting.start(await_kill(children.back()));
    }
    const double bytes = bytes_in_use() - bytes_before;
    co_await one_after_the_other(batch); // warm
    std::vector<double> ours;
    std::vector<double> by_hand;
    for (std::size_t i = 0; i < batches; ++i) {
        const stopwatch watch;
        co_await one_after_the_other(batch);
        ours.push_back(watch.microseconds_each(batch));
        const stopwatch other;
        one_after_the_other_by_hand(batch);
        by_hand.push_back(other.microseconds_each(batch));
    }
    expect(waiting.running() == count, "number of those that live");
    const stopwatch watch;
    for (async_process& child : children) child.kill();
    co_await waiting.join();
    const double end = watch.microseconds_each(count);
    std::printf("alive %.2f us alive=%zu by_hand=%.2f bytes_each=%.0f end_each=%.2f\n", median(ours), count,
                median(by_hand), bytes / static_cast<double>(count), end);
}

// ---- descriptors ----

struct piped {
    unique_fd read, write;
};

piped make_pipe() {
    int ends[2];
    if (::pipe(ends) != 0) throw std::system_error(errno, std::system_category(), "pipe");
    return {unique_fd(ends[0]), unique_fd(ends[1])};
}

/// Pipes in which nothing ever comes, of one descriptor each: a FIFO that is open for both directions is its own
/// writer.
class silent_pipes {
public:
    silent_pipes() {
        if (::mkdtemp(directory_.data()) == nullptr) throw std::system_error(errno, std::system_category(), "mkdtemp");
    }
    silent_pipes(const silent_pipes&) = delete;
    silent_pipes& operator=(const silent_pipes&) = delete;
    ~silent_pipes() { ::rmdir(directory_.c_str()); }

    [[nodiscard]] unique_fd make() const {
        const std::string path = directory_ + "/pipe";
        if (::mkfifo(path.c_str(), 0600) != 0) throw std::system_error(errno, std::system_category(), "mkfifo");
        unique_fd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
        ::unlink(path.c_str());
        if (!fd) throw std::system_error(errno, std::system_category(), "open");
        return fd;
    }

private:
    std::string directory_ = std::filesystem::temp_directory_path() / "coproc_scaling.XXXXXX";
};

task<> read_for_ever(stream_reader& silent) {
    char byte = 0;
    co_await silent.read_some({&byte, 1});
    expect(false, "a silent pipe");
}

task<> send_back(stream_reader& from, int to) {
    char byte = 0;
    while (co_await from.read_some({&byte, 1}) != 0) expect(::write(to, &byte, 1) == 1, "write");
}

task<> send_and_await(int to, stream_reader& from, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const char sent = static_cast<char>('a' + i % 26);
        char back = 0;
        expect(::write(to, &sent, 1) == 1, "write");
        const std::size_t size = co_await from.read_some({&back, 1});
        expect(size == 1 && back == sent, "echo");
    }
}

/// N: a turn of the loop, which finds one byte in one pipe, while N other pipes are watched and silent.
task<> idle(std::size_t count) {
    constexpr std::size_t batches = 15;
    constexpr std::size_t batch = 2000;
    const silent_pipes pipes;
    std::vector<std::unique_ptr<stream_reader>> readers;
    task_group silent;
    for (std::size_t i = 0; i < count; ++i) {
        readers.push_back(std::make_unique<stream_reader>(pipes.make()));
        silent.start(read_for_ever(*readers.back()));
    }
    piped there = make_pipe();
    piped back = make_pipe();
    stream_reader other_side(std::move(there.read));
    stream_reader this_side(std::move(back.read));
    task_group echo;
    echo.start(send_back(other_side, back.write.get()));
    co_await send_and_await(there.write.get(), this_side, batch); // warm
    std::vector<double> turns;
    for (std::size_t i = 0; i < batches; ++i) {
        const stopwatch watch;
        co_await send_and_await(there.write.get(), this_side, batch);
        turns.push_back(watch.microseconds_each(2 * batch)); // there, and back
    }
    expect(silent.running() == count, "number of silent pipes");
    std::printf("idle %.3f us idle=%zu\n", median(turns), count);
}

// ---- threads ----

/// Children a second, `each` in each of `threads`.
template <class Work>
double rate(std::size_t threads, std::size_t each, Work work) {
    std::vector<std::exception_ptr> errors(threads);
    const stopwatch watch;
    std::vector<std::thread> running;
    for (std::size_t i = 0; i < threads; ++i) {
        running.emplace_back([&, i] {
            try {
                work(each);
            } catch (...) {
                errors[i] = std::current_exception();
            }
        });
    }
    for (std::thread& t : running) t.join();
    for (const std::exception_ptr& error : errors) {
        if (error) std::rethrow_exception(error);
    }
    return 1e6 / watch.microseconds_each(threads * each);
}

/// N: how much more two loops on two threads get done than one, at N children a thread.
void loops(std::size_t count) {
    constexpr std::size_t rounds = 7;
    const auto ours = [](std::size_t each) { run(one_after_the_other(each)); };
    const auto by_hand = one_after_the_other_by_hand;
    const std::size_t each = std::max<std::size_t>(count / rounds, 1);
    rate(2, each, ours); // warm
    std::array<std::vector<double>, 4> rates;
    std::vector<double> ratios;
    for (std::size_t i = 0; i < rounds; ++i) {
        rates[0].push_back(rate(1, each, ours));
        rates[1].push_back(rate(2, each, ours));
        rates[2].push_back(rate(1, each, by_hand));
        rates[3].push_back(rate(2, each, by_hand));
        ratios.push_back(rates[1].back() / rates[0].back());
    }
    std::printf("loops %.3f ratio one=%.0f two=%.0f by_hand_one=%.0f by_hand_two=%.0f\n", median(ratios),
                median(rates[0]), median(rates[1]), median(rates[2]), median(rates[3]));
}

// ---- all of it ----

void allow_descriptors(std::size_t count) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= count) return;
    limit.rlim_cur = count;
    if (limit.rlim_max < count) limit.rlim_max = count; // root may
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        throw not_allowed("the limit of descriptors, ulimit -Hn, is below " + std::to_string(count));
    }
}

std::size_t number(std::string_view text) {
    std::size_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value == 0) {
        throw std::invalid_argument("the number must be a positive one");
    }
    return value;
}

void measure(std::string_view what, std::size_t count) {
    constexpr std::size_t our_own = 64; // stdin and so on, the loop's, and some to spare
    if (what == "alive") {
        allow_descriptors(count + our_own);
        run(alive(count));
    } else if (what == "idle") {
        allow_descriptors(count + our_own);
        run(idle(count));
    } else if (what == "loops") {
        loops(count);
    } else {
        throw std::invalid_argument("there are alive, idle and loops");
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: coproc_scaling alive|idle|loops NUMBER\n");
        return 64;
    }
    try {
        measure(argv[1], number(argv[2]));
        return 0;
    } catch (const std::invalid_argument& e) {
        std::fprintf(stderr, "coproc_scaling: %s\n", e.what());
        return 64;
    } catch (const not_allowed& e) {
        std::fprintf(stderr, "coproc_scaling: %s\n", e.what());
        return 69;
    } catch (const spawn_error& e) { // RLIMIT_NPROC, kernel.pid_max, pids.max of the cgroup
        std::fprintf(stderr, "coproc_scaling: %s\n", e.what());
        return e.code() == std::errc::resource_unavailable_try_again ? 69 : 3;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "coproc_scaling: %s\n", e.what());
        return 3;
    }
}
