// SPDX-License-Identifier: BSL-1.0
//
// pty: what the two ends of a terminal are to each other, before any child has one.
#include <coproc/platform/pty.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "support/catch.hpp"
#include "support/forked.hpp"
#include "support/pipes.hpp"
#include "support/readable.hpp"
#include "support/resources.hpp"

using namespace coproc;
using platform::make_pty;
using platform::pty_ends;
using platform::pty_modes;

namespace {

pty_modes modes_of(pty_modes::choice echo, bool raw) {
    pty_modes modes;
    modes.rows = 24;
    modes.cols = 80;
    modes.echo = echo;
    modes.raw = raw;
    return modes;
}

// Without an echo, so that the output is what the child would write.
pty_ends quiet_pty() { return make_pty(modes_of(pty_modes::choice::off, false)); }

tcflag_t local_modes(const unique_fd& fd) {
    termios now{};
    CHECK(::tcgetattr(fd.get(), &now) == 0);
    return now.c_lflag;
}

void type_end(const pty_ends& ends, char last) {
    const platform::typed_end end = platform::end_of_input(ends.master.get(), last);
    put_into(ends.master, std::string_view(end.bytes, end.count));
}

// What one read(2) of the child would find; "end", or "nothing".
std::string read_as_child(const pty_ends& ends) {
    ::fcntl(ends.slave.get(), F_SETFL, O_RDWR | O_NONBLOCK);
    readable(ends.slave.get(), 1000); // what is typed takes a moment to be a line
    char buffer[64];
    const ssize_t n = ::read(ends.slave.get(), buffer, sizeof buffer);
    if (n == 0) return "end";
    return n < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(n));
}

} // namespace

TEST_CASE("both ends of a terminal are closed by exec and stay above the standard streams", "[platform]") {
    const int wrong = in_a_fork([] {
        ::close(0);
        ::close(1);
        const pty_ends ends = make_pty(modes_of(pty_modes::choice::unsaid, false));
        int found = 0;
        for (const int fd : {ends.master.get(), ends.slave.get()}) {
            if (fd <= 2) found |= 1;
            if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) found |= 2;
        }
        if (::fcntl(0, F_GETFD) >= 0 || ::fcntl(1, F_GETFD) >= 0) found |= 4;
        if ((::fcntl(ends.master.get(), F_GETFL) & O_NONBLOCK) == 0) found |= 8;
        if ((::fcntl(ends.slave.get(), F_GETFL) & O_NONBLOCK) != 0) found |= 16;
        return found;
    });
    CHECK(wrong == 0);
}

TEST_CASE("a terminal does not become that of whoever makes it", "[platform]") {
    const int code = in_a_fork([] {
        ::setsid(); // whoever leads a session and has no terminal gets the first that is opened carelessly
        const pty_ends ends = make_pty(modes_of(pty_modes::choice::unsaid, false));
        return ends.master && ends.slave && ::open("/dev/tty", O_RDWR) < 0 ? 0 : 1;
    });
    CHECK(code == 0);
}

TEST_CASE("a terminal has the modes that were said and otherwise those of the system", "[platform]") {
    using choice = pty_modes::choice;
    const pty_ends usual = make_pty(modes_of(choice::unsaid, false));
    CHECK((local_modes(usual.slave) & ECHO) != 0);
    CHECK((local_modes(usual.slave) & ICANON) != 0);
    const pty_ends quiet = make_pty(modes_of(choice::off, false));
    CHECK((local_modes(quiet.slave) & ECHO) == 0);
    CHECK((local_modes(quiet.slave) & ICANON) != 0);
    const pty_ends raw = make_pty(modes_of(choice::unsaid, true));
    CHECK((local_modes(raw.slave) & (ECHO | ICANON | ISIG)) == 0);
    const pty_ends raw_echo = make_pty(modes_of(choice::on, true));
    CHECK((local_modes(raw_echo.slave) & ECHO) != 0);
    CHECK((local_modes(raw_echo.slave) & ICANON) == 0);
}

TEST_CASE("a terminal has the size that was said and takes another from its master", "[platform]") {
    const pty_ends ends = quiet_pty();
    unsigned short rows = 0;
    unsigned short cols = 0;
    REQUIRE(platform::get_window_size(ends.slave.get(), rows, cols));
    CHECK(rows == 24);
    CHECK(cols == 80);
    REQUIRE(platform::set_window_size(ends.master.get(), 65535, 1));
    REQUIRE(platform::get_window_size(ends.slave.get(), rows, cols));
    CHECK(rows == 65535);
    CHECK(cols == 1);
    const platform::pipe_ends pipe = platform::make_pipe();
    CHECK_FALSE(platform::get_window_size(pipe.read.get(), rows, cols));
}

TEST_CASE("a terminal for which there is no room is empty and leaves nothing", "[platform][own_descriptors]") {
    const int code = in_a_fork([] {
        for (int fd = 3; fd < 1024; ++fd) ::close(fd);
        for (rlim_t room = 3; room < 5; ++room) { // none, and only for the master
            const rlimit few{room, 1024};
            ::setrlimit(RLIMIT_NOFILE, &few);
            const pty_ends ends = make_pty(modes_of(pty_modes::choice::unsaid, false));
            if (ends.master || ends.slave) return 1;
            if (errno != EMFILE) return 2;
            if (::fcntl(3, F_GETFD) >= 0 || ::fcntl(4, F_GETFD) >= 0) return 3;
        }
        const rlimit enough{5, 1024};
        ::setrlimit(RLIMIT_NOFILE, &enough);
        const pty_ends ends = make_pty(modes_of(pty_modes::choice::unsaid, false));
        return ends.master && ends.slave ? 0 : 4;
    });
    CHECK(code == 0);
}

TEST_CASE("the child's end is found by its name too where the kernel gives none", "[platform]") {
    pty_ends ends = quiet_pty();
    const unique_fd by_name = platform::detail::open_named_slave(ends.master);
    REQUIRE(by_name);
    CHECK((::fcntl(by_name.get(), F_GETFD) & FD_CLOEXEC) != 0);
    ends.slave.reset();
    put_into(by_name, "shown");
    CHECK(readable(ends.master.get(), 1000));
    CHECK(take_from(ends.master) == "shown");
    const platform::pipe_ends pipe = platform::make_pipe();
    CHECK_FALSE(platform::detail::open_named_slave(pipe.read));
}

TEST_CASE("the end of a line's input is typed once and only hands over what is typed of one", "[platform]") {
    const pty_ends ends = quiet_pty();
    put_into(ends.master, "a line\n");
    CHECK(read_as_child(ends) == "a line\n");
    type_end(ends, '\n');
    CHECK(read_as_child(ends) == "end");
    put_into(ends.master, "half a line");
    type_end(ends, 'e');
    CHECK(read_as_child(ends) == "half a line");
    CHECK(read_as_child(ends) == "end");
    ::fcntl(ends.slave.get(), F_SETFL, O_RDWR | O_NONBLOCK);
    char byte = 0;
    CHECK(::read(ends.slave.get(), &byte, 1) < 0); // neither was one too many
}

TEST_CASE("where a line begins depends on the keys of the terminal", "[platform]") {
    const pty_ends ends = quiet_pty();
    const auto typed = [&](char last) { return platform::end_of_input(ends.master.get(), last).count; };
    CHECK(typed('\n') == 1);
    CHECK(typed('\r') == 1);
    CHECK(typed('\x04') == 1); // the end itself
    CHECK(typed('\x15') == 1); // kill: the line is erased
    CHECK(typed('\x03') == 1); // interrupt: it is thrown away
    CHECK(typed('x') == 2);
    CHECK(typed('\0') == 2);
    termios modes{};
    REQUIRE(::tcgetattr(ends.slave.get(), &modes) == 0);
    modes.c_iflag &= ~static_cast<tcflag_t>(ICRNL);
    modes.c_lflag &= ~static_cast<tcflag_t>(ISIG);
    modes.c_cc[VEOF] = 'q';
    REQUIRE(::tcsetattr(ends.slave.get(), TCSANOW, &modes) == 0);
    CHECK(typed('\r') == 2);
    CHECK(typed('\x03') == 2);
    CHECK(platform::end_of_input(ends.master.get(), '\n').bytes[0] == 'q');
    modes.c_cc[VEOF] = _POSIX_VDISABLE;
    REQUIRE(::tcsetattr(ends.slave.get(), TCSANOW, &modes) == 0);
    CHECK(typed('\n') == 0);
}

TEST_CASE("a raw terminal and what is no terminal have no end that could be typed", "[platform]") {
    const pty_ends raw = make_pty(modes_of(pty_modes::choice::unsaid, true));
    CHECK(platform::end_of_input(raw.master.get(), '\n').count == 0);
    const platform::pipe_ends pipe = platform::make_pipe();
    CHECK(platform::end_of_input(pipe.write.get(), '\n').count == 0);
}

#if defined(__linux__)

TEST_CASE("only of a master is an error of reading the end", "[platform]") {
    pty_ends ends = quiet_pty();
    CHECK_FALSE(platform::has_hung_up(ends.master.get()));
    ends.slave.reset();
    CHECK(platform::has_hung_up(ends.master.get()));
    char byte = 0;
    REQUIRE(::read(ends.master.get(), &byte, 1) < 0);
    CHECK(errno == EIO);
    CHECK(platform::says_end(ends.master.get()));
    CHECK(errno == EIO);
    const platform::pipe_ends pipe = platform::make_pipe();
    errno = EIO;
    CHECK_FALSE(platform::says_end(pipe.read.get()));
    CHECK(errno == EIO);
    errno = EAGAIN;
    CHECK_FALSE(platform::says_end(ends.master.get()));
    CHECK(errno == EAGAIN);
}

#endif
