// SPDX-License-Identifier: BSL-1.0
// keep_child [PROGRAM]: has a child, which executes the program if there is one, with all streams; else it says its
// number, and keeps it until a line comes on stdin, then until its end. The system reaps it at once.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

int main(int argc, char** argv) {
    ::signal(SIGCHLD, SIG_IGN);
    int leash[2];
    if (::pipe(leash) != 0) return 1;
    const pid_t pid = ::fork();
    char byte = 0;
    if (pid == 0 && argc > 1) return ::execl(argv[1], argv[1], nullptr);
    if (pid == 0) { // without our streams, so that whoever reads them sees our end
        ::close(leash[1]);
        for (int fd = 0; fd < 3; ++fd) ::close(fd);
        while (::read(leash[0], &byte, 1) > 0) {
        }
        return 5;
    }
    if (argc == 1) std::printf("%d\n", static_cast<int>(pid));
    std::fflush(stdout);
    ::close(leash[0]);
    while (::read(0, &byte, 1) > 0 && byte != '\n') {
    }
    ::close(leash[1]);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) { // ECHILD, once it has ended
    }
    while (::read(0, &byte, 1) > 0) {
    }
    return 0;
}
