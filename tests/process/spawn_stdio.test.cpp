// SPDX-License-Identifier: BSL-1.0
//
// What can stand behind a child's streams besides pipes: files, descriptors of ours, each other; and the descriptors
// above 2 that it is given.
#include <coproc/process/spawn.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <coproc/process/async_process.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

namespace {

// A file at its beginning that holds `text`, under a number of its own.
unique_fd holding(const temporary_directory& directory, const std::string& text) {
    return open_file(directory.file(text, text), O_RDONLY);
}

} // namespace

// ---- files and text ----

TEST_CASE("what is appended comes behind what is there", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string log = directory.file("log", "before\n");
    const auto talk = [&]() -> task<> {
        command shout(child("shout"));
        shout.out(stdio::append(log)).err(stdio::append(log));
        for (int i = 0; i < 2; ++i) {
            async_process p(shout);
            co_await p.wait();
        }
    };
    run_in_time(talk());
    CHECK(content_of(log) == "before\nout\nerr\nout\nerr\n");
}

TEST_CASE("text is what the child reads and then the end", "[process][spawn_fork]") {
    const nothing_leaks check;
    CHECK(output_of(command(child("cat")).in(stdio::text("some words\n"))) == "some words\n");
    CHECK(output_of(command(child("cat")).in(stdio::text(""))).empty());
    const std::string large = alphabet(std::size_t{3} << 20); // more than a pipe would hold
    CHECK(output_of(command(child("cat")).in(stdio::text(large))) == large);
}

TEST_CASE("every child of a command reads its text from the beginning", "[process][spawn_fork]") {
    const command c = command(child("cat")).in(stdio::text("again"));
    for (int i = 0; i < 3; ++i) CHECK(output_of(c) == "again");
}

// Seen to fail: nameless_file without a look at the limit; SIGXFSZ ended the host, -25 == 0.
TEST_CASE("text that is larger than a file of ours may be is an error and does not end us", "[process][spawn_fork]") {
    CHECK(in_a_fork([] {
              const std::string as_large_as_may_be(1000, 'x');
              const command cat(child("cat"));
              ::signal(SIGXFSZ, SIG_DFL);
              const rlimit limit{as_large_as_may_be.size(), as_large_as_may_be.size()};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              const auto e = failure_of(command(cat).in(stdio::text(as_large_as_may_be + 'x')));
              if (!e || e->stage() != spawn_stage::redirect || e->code() != std::errc::file_too_large) return 2;
              return output_of(command(cat).in(stdio::text(as_large_as_may_be))) == as_large_as_may_be ? 0 : 3;
          }) == 0);
}

// ---- merges ----

TEST_CASE("stderr can go where stdout goes in the order of the writes", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process p(command(child("shout")).err(stdio::to_out));
        CHECK(p.has_out());
        CHECK_FALSE(p.has_err());
        const std::string both = co_await p.read_stdout();
        CHECK(both == "out\nerr\n");
        async_process q(command(child("shout")).out(stdio::to_err));
        CHECK_FALSE(q.has_out());
        const std::string other = co_await q.read_stderr();
        CHECK(other == "out\nerr\n");
    };
    run_in_time(talk());
}

TEST_CASE("a merge follows the other stream wherever it goes", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string log = directory / "log";
    output_of(command(child("shout")).out(stdio::file(log)).err(stdio::to_out));
    CHECK(content_of(log) == "out\nerr\n");
    output_of(command(child("shout")).out(stdio::null).err(stdio::to_out));

    // Into one that is inherited.
    const platform::pipe_ends ends = platform::make_pipe();
    const int code = in_a_fork([&] {
        ::dup2(ends.write.get(), 1);
        run(run_it(command(child("shout")).out(stdio::inherit).err(stdio::to_out)));
        return 0;
    });
    CHECK(code == 0);
    char text[32];
    const ssize_t size = ::read(ends.read.get(), text, sizeof text);
    CHECK(std::string(text, static_cast<std::size_t>(size)) == "out\nerr\n");
}

TEST_CASE("a stream that cannot be what it is told to be is refused where that is said", "[process][spawn_fork]") {
    command c("x");
    CHECK_THROWS_AS(c.in(stdio::to_out), std::invalid_argument);
    CHECK_THROWS_AS(c.in(stdio::append("file")), std::invalid_argument);
    CHECK_THROWS_AS(c.out(stdio::to_out), std::invalid_argument);
    CHECK_THROWS_AS(c.err(stdio::to_err), std::invalid_argument);
    CHECK_THROWS_AS(c.out(stdio::text("x")), std::invalid_argument);
    c.err(stdio::to_out);
    CHECK_THROWS_AS(c.out(stdio::to_err), std::invalid_argument);
    c.err(stdio::null).out(stdio::to_err); // one way at a time
}

// ---- descriptors of ours ----

TEST_CASE("a descriptor that is lent stays open and as it was", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const unique_fd in = holding(directory, "lent");
    const unique_fd out = open_file(directory.file("out", ""), O_RDWR);
    const int flags = ::fcntl(out.get(), F_GETFL);
    for (int i = 0; i < 2; ++i) {
        ::lseek(in.get(), 0, SEEK_SET);
        output_of(command(child("cat")).in(stdio::fd(in.get())).out(stdio::fd(out.get())));
    }
    CHECK(::fcntl(in.get(), F_GETFD) == FD_CLOEXEC);
    CHECK(::fcntl(out.get(), F_GETFD) == FD_CLOEXEC);
    CHECK(::fcntl(out.get(), F_GETFL) == flags);
    CHECK(content_of(directory / "out") == "lentlent");
}

TEST_CASE("a descriptor that is given away is closed with the last command that holds it", "[process][spawn_fork]") {
    const nothing_leaks check;
    platform::pipe_ends ends = platform::make_pipe();
    {
        std::optional<command> c(command(child("cat")).in(stdio::text("x")).out(stdio::fd(std::move(ends.write))));
        const command copy = *c;
        c.reset();
        output_of(copy);
    }
    char byte = 0;
    CHECK(::read(ends.read.get(), &byte, 1) == 1);
    CHECK(byte == 'x');
    CHECK(::read(ends.read.get(), &byte, 1) == 0); // nobody holds the other end any more
}

TEST_CASE("one descriptor can be several streams", "[process][spawn_fork]") {
    const temporary_directory directory;
    const unique_fd log = open_file(directory.file("log", ""), O_RDWR);
    output_of(command(child("shout")).out(stdio::fd(log.get())).err(stdio::fd(log.get())));
    CHECK(content_of(directory / "log") == "out\nerr\n");
    ::lseek(log.get(), 0, SEEK_SET);
    output_of(command(child("cat")).in(stdio::fd(log.get())).out(stdio::fd(log.get()))); // ends: a file has an end
    CHECK(content_of(directory / "log").starts_with("out\nerr\n"));
}

TEST_CASE("our own three streams can be given in any order", "[process][spawn_fork][own_descriptors]") {
    const temporary_directory directory;
    std::array<int, 3> order{0, 1, 2};
    do {
        CAPTURE(order[0], order[1], order[2]);
        for (int closed = -1; closed < 3; ++closed) {
            CAPTURE(closed);
            const std::string files[3] = {directory.file("0", "zero"), directory.file("1", "one"),
                                          directory.file("2", "two")};
            const std::string seen_by_child = directory.file("seen", "");
            // In the child, 10, 11 and 12 tell what 0, 1 and 2 were made of: it only reads.
            const int code = in_a_fork([&] {
                for (int fd = 0; fd < 3; ++fd) ::dup2(::open(files[fd].c_str(), O_RDWR), fd);
                if (closed >= 0) ::close(closed);
                command c(child("relay_fds"), "0", "2");
                c.in(stdio::fd(order[0])).out(stdio::file(seen_by_child)).err(stdio::fd(order[2]));
                try {
                    run(run_it(c));
                } catch (const spawn_error& e) {
                    return e.stage() == spawn_stage::redirect && e.code() == std::errc::bad_file_descriptor ? 1 : 2;
                }
                return 0;
            });
            if (closed == order[0] || closed == order[2]) {
                CHECK(code == 1); // and is named
                continue;
            }
            CHECK(code == 0);
            const char* const texts[3] = {"zero", "one", "two"};
            CHECK(content_of(seen_by_child) == std::string("0 ") + texts[order[0]] + "\n2 " + texts[order[2]] + "\n");
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a descriptor that is not open is named before anything starts", "[process][spawn_fork]") {
    const nothing_leaks check;
    event_loop loop;
    const int closed = unique_fd(::dup(2)).get();
    try {
        async_process p(command(child("cat")).in(stdio::fd(closed)));
        FAIL("it was started");
    } catch (const spawn_error& e) {
        CHECK(e.stage() == spawn_stage::redirect);
        CHECK(e.code() == std::errc::bad_file_descriptor);
        CHECK(e.what() == "cannot start \"" + child("cat") + "\": descriptor " + std::to_string(closed) +
                              ", which is to be its stdin, is not open: Bad file descriptor");
    }
    try {
        async_process p(command(child("cat")).pass_fd(5, closed));
        FAIL("it was started");
    } catch (const spawn_error& e) {
        CHECK(e.stage() == spawn_stage::redirect);
        CHECK(std::string(e.what()).find(", which is to be its descriptor 5, is not open") != std::string::npos);
    }
}

// ---- descriptors above 2 ----

TEST_CASE("a child has what it was passed and nothing else", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const unique_fd three = holding(directory, "three");
    const unique_fd nine = holding(directory, "nine");
    std::vector<unique_fd> careless;
    for (int i = 0; i < 20; ++i) careless.emplace_back(::open("/dev/null", O_RDONLY)); // not close-on-exec
    command c(child("list_fds"));
    c.pass_fd(3, three.get()).pass_fd(9, nine.get());
    CHECK(output_of(c) == "0\n1\n2\n3\n9\n");
    CHECK(output_of(command(child("relay_fds"), "3", "4", "9").pass_fd(9, nine.get()).pass_fd(3, three.get())) ==
          "3 three\n4 closed\n9 nine\n");
    CHECK(::fcntl(three.get(), F_GETFD) == FD_CLOEXEC); // ours are as they were
}

TEST_CASE("passed descriptors may change places", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    unique_fd a = holding(directory, "a");
    unique_fd b = holding(directory, "b");
    unique_fd c = holding(directory, "c");
    std::vector<std::pair<int, std::string>> ours{{a.get(), "a"}, {b.get(), "b"}, {c.get(), "c"}};
    std::vector<int> targets{a.get(), b.get(), c.get()};
    std::sort(targets.begin(), targets.end());
    do { // every permutation, each onto its own number and onto those of the others
        command relay(child("relay_fds"));
        std::string expected;
        for (std::size_t i = 0; i < 3; ++i) {
            ::lseek(ours[i].first, 0, SEEK_SET);
            relay.pass_fd(targets[i], ours[i].first).arg(std::to_string(targets[i]));
            expected += std::to_string(targets[i]) + " " + ours[i].second + "\n";
        }
        CHECK(output_of(relay) == expected);
    } while (std::next_permutation(targets.begin(), targets.end()));
}

TEST_CASE("one descriptor can be passed under many numbers and a stream of ours under one", "[process][spawn_fork]") {
    const temporary_directory directory;
    const unique_fd file = holding(directory, "x");
    CHECK(output_of(command(child("list_fds")).pass_fd(5, file.get()).pass_fd(4, file.get()).pass_fd(40, 2)) ==
          "0\n1\n2\n4\n5\n40\n");
}

TEST_CASE("the last word on a number counts and an owned descriptor goes with its command", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const unique_fd first = holding(directory, "first");
    command c(child("relay_fds"), "7");
    c.pass_fd(7, first.get()).pass_fd(7, holding(directory, "second"));
    CHECK(output_of(c) == "7 second\n");
}

TEST_CASE("a passed descriptor does not collide with a pipe of ours that has its number", "[process][spawn_fork]") {
    const temporary_directory directory;
    const unique_fd file = holding(directory, "x");
    for (int number = 3; number < 20; ++number) {
        CAPTURE(number);
        ::lseek(file.get(), 0, SEEK_SET);
        const std::string n = std::to_string(number);
        CHECK(output_of(command(child("relay_fds"), n).pass_fd(number, file.get())) == n + " x\n");
    }
}

TEST_CASE("a number that cannot be passed is refused where it is given", "[process][spawn_fork]") {
    command c("x");
    for (const int number : {-1, 0, 1, 2}) CHECK_THROWS_AS(c.pass_fd(number, 5), std::invalid_argument);
    CHECK_THROWS_AS(c.pass_fd(3, -1), std::invalid_argument);
    CHECK_THROWS_AS(c.pass_fd(3, unique_fd()), std::invalid_argument);
}
