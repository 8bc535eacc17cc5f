// SPDX-License-Identifier: BSL-1.0
//
// Descriptors under whatever numbers: every way to give 0, 1 and 2, chance for those above, and others at the same
// time.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <coproc/process/async_process.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

namespace {

// Descriptors of files that say which they are, under various numbers.
class speaking_files {
public:
    speaking_files(const temporary_directory& directory, const std::string& owner, int count) {
        for (int i = 0; i < count; ++i) {
            texts_.push_back(owner + std::to_string(i));
            fds_.push_back(open_file(directory.file(texts_.back(), texts_.back()), O_RDONLY));
        }
    }
    [[nodiscard]] std::size_t size() const { return fds_.size(); }
    [[nodiscard]] const std::string& text(std::size_t i) const { return texts_[i]; }
    // At its beginning.
    [[nodiscard]] int get(std::size_t i) const {
        ::lseek(fds_[i].get(), 0, SEEK_SET);
        return fds_[i].get();
    }

private:
    std::vector<std::string> texts_;
    std::vector<unique_fd> fds_;
};

} // namespace

TEST_CASE("each of our three streams can be any of the child's whether the others are open or not",
          "[process][spawn_fork][own_descriptors]") {
    const temporary_directory directory;
    for (int way = 0; way < 27 * 4; ++way) {
        const std::array<int, 3> from{way % 3, way / 3 % 3, way / 9 % 3};
        const int closed = way / 27 - 1; // or none
        CAPTURE(from[0], from[1], from[2], closed);
        std::array<std::string, 3> files;
        for (std::size_t n = 0; n < 3; ++n) files[n] = directory.file(std::to_string(n), "");
        const int code = in_a_fork([&] {
            for (std::size_t n = 0; n < 3; ++n) {
                const unique_fd file = open_file(files[n], O_RDWR | O_APPEND);
                ::dup2(file.get(), static_cast<int>(n));
            }
            if (closed >= 0) ::close(closed);
            command c(child("sign_stdio"));
            c.in(stdio::fd(from[0])).out(stdio::fd(from[1])).err(stdio::fd(from[2]));
            try {
                if (!run(run_it(c)).status.success()) return 2;
            } catch (const spawn_error& e) {
                return e.code() == std::errc::bad_file_descriptor ? 1 : 3;
            }
            for (int fd = 0; fd < 3; ++fd) {
                if ((::fcntl(fd, F_GETFD) < 0) != (fd == closed)) return 4; // ours are as they were
            }
            return 0;
        });
        const bool possible = std::find(from.begin(), from.end(), closed) == from.end();
        CHECK(code == (possible ? 0 : 1));
        std::array<std::string, 3> expected;
        const char* const texts[] = {"in;", "out;", "err;"};
        for (std::size_t n = 0; n < 3 && possible; ++n) expected[static_cast<std::size_t>(from[n])] += texts[n];
        for (std::size_t n = 0; n < 3; ++n) CHECK(content_of(files[n]) == expected[n]);
    }
}

TEST_CASE("any descriptors can be passed under any numbers", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const speaking_files ours(directory, "file", 8);
    std::mt19937 random(11);
    for (int round = 0; round < 100; ++round) {
        // From 3 on, where our own and the pipes of the start have their numbers, too. One file for one number, since
        // numbers that share a file share its position.
        std::vector<std::size_t> order{0, 1, 2, 3, 4, 5, 6, 7};
        std::shuffle(order.begin(), order.end(), random);
        std::map<int, std::size_t> wanted;
        for (const std::size_t which : order) wanted.emplace(3 + static_cast<int>(random() % 30), which);
        command c(child("relay_fds"));
        std::string expected;
        std::size_t left = wanted.size();
        for (const auto& [number, which] : wanted) {
            if (--left == 0) { // the last of them comes as stdin
                c.in(stdio::fd(ours.get(which))).arg("0");
                expected += "0 " + ours.text(which) + "\n";
                continue;
            }
            c.pass_fd(number, ours.get(which)).arg(std::to_string(number));
            expected += std::to_string(number) + " " + ours.text(which) + "\n";
        }
        const std::string seen = run_in_time(run_it(c)).out;
        CHECK(seen == expected);
    }
}

TEST_CASE("descriptors passed in two threads at the same time are never mixed", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const auto starts = [](const speaking_files& ours) -> task<bool> {
        for (int round = 0; round < 20; ++round) {
            command c(child("relay_fds"));
            std::string expected;
            for (std::size_t i = 0; i < ours.size(); ++i) {
                const std::string number = std::to_string(3 + i);
                c.pass_fd(static_cast<int>(3 + i), ours.get(i)).arg(number);
                expected += number + " " + ours.text(i) + "\n";
            }
            const result r = co_await run_it(c);
            if (r.out != expected) co_return false;
        }
        co_return true;
    };
    const speaking_files a(directory, "a", 6);
    const speaking_files b(directory, "b", 6);
    std::atomic<int> good{0};
    std::thread first([&] { good += run(starts(a)); });
    std::thread second([&] { good += run(starts(b)); });
    first.join();
    second.join();
    CHECK(good == 2);
}

TEST_CASE("a number beyond all descriptors is an error and no program runs", "[process][spawn_fork]") {
    const nothing_leaks check;
    event_loop loop;
    for (const int number : {INT_MAX, INT_MAX - 1}) {
        try {
            async_process p(command(child("hold")).pass_fd(number, 2));
            FAIL("it was started");
        } catch (const spawn_error& e) {
            CHECK(e.stage() == spawn_stage::redirect);
        }
    }
}

TEST_CASE("merged outputs keep the order of a hundred writes", "[process][spawn_fork]") {
    const nothing_leaks check;
    command c(child("flood"));
    std::string expected;
    for (std::size_t i = 0; i < 100; ++i) {
        const std::size_t size = i % 7 + 1;
        c.arg((i % 2 == 0 ? "1:" : "2:") + std::to_string(size)).arg(i % 3 == 0 ? "1:=" : "2:=");
        for (std::size_t at = 0; at < size; ++at) expected += static_cast<char>('a' + at);
        expected += '\n';
    }
    CHECK(run_in_time(run_it(command(c).err(stdio::to_out))).out == expected);
    CHECK(run_in_time(run_it(command(c).out(stdio::to_err))).err == expected);
    const temporary_directory directory;
    run_in_time(run_it(command(c).out(stdio::file(directory / "log")).err(stdio::to_out)));
    CHECK(content_of(directory / "log") == expected);
}
