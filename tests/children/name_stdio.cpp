// SPDX-License-Identifier: BSL-1.0
// name_stdio: for each of 0, 1 and 2 a line on the descriptor in its argument: closed, null, file, pipe, socket,
// terminal or other.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {
const char* name_of(int fd) {
    struct stat about {};
    struct stat null {};
    if (::fstat(fd, &about) != 0) return "closed";
    if (S_ISFIFO(about.st_mode)) return "pipe";
    if (S_ISSOCK(about.st_mode)) return "socket";
    if (S_ISREG(about.st_mode)) return "file";
    if (::stat("/dev/null", &null) == 0 && S_ISCHR(about.st_mode) && about.st_rdev == null.st_rdev) return "null";
    return ::isatty(fd) == 1 ? "terminal" : "other";
}
} // namespace

int main(int, char** argv) {
    return ::dprintf(std::atoi(argv[1]), "%s\n%s\n%s\n", name_of(0), name_of(1), name_of(2)) < 0;
}
