// SPDX-License-Identifier: BSL-1.0
// describe_terminal: whether 0, 1 and 2 are terminals; and of the first one that is, what it knows of it, a line each.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>

namespace {

const char* yes_if(bool is) { return is ? "yes" : "no"; }

bool opens(const char* name) {
    const int fd = name == nullptr ? -1 : ::open(name, O_RDWR | O_NOCTTY);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
}

} // namespace

int main() {
    std::printf("terminals: %s %s %s\n", yes_if(::isatty(0) == 1), yes_if(::isatty(1) == 1), yes_if(::isatty(2) == 1));
    int fd = 0;
    while (fd < 3 && ::isatty(fd) != 1) ++fd;
    if (fd == 3) return 0;
    winsize size{};
    ::ioctl(fd, TIOCGWINSZ, &size);
    termios modes{};
    ::tcgetattr(fd, &modes);
    std::printf("size: %d %d\n", size.ws_row, size.ws_col);
    std::printf("echo: %s\n", yes_if((modes.c_lflag & ECHO) != 0));
    std::printf("lines: %s\n", yes_if((modes.c_lflag & ICANON) != 0));
    std::printf("can be opened by its name: %s\n", yes_if(opens(::ttyname(fd))));
    std::printf("is the controlling one: %s\n", yes_if(opens("/dev/tty")));
    std::printf("session is mine: %s\n", yes_if(::getsid(0) == ::getpid()));
    std::printf("I am in its foreground: %s\n", yes_if(::tcgetpgrp(fd) == ::getpgrp()));
}
