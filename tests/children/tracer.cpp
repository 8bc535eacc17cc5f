// SPDX-License-Identifier: BSL-1.0
// tracer PID: traces that process, lets it go on at each stop, and says what it sees, one a line: "seized"; "stop N"
// for a signal that was held up here; "dead", and then it keeps the dead until a line comes on stdin. Or "refused WHY".
// tracer: is traced. Lets anybody do it, says "ready", and exits with 7 at the end of its stdin.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__linux__)

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>

namespace {

int be_traced() {
    ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); // Yama lets only ancestors otherwise
    if (::write(1, "ready\n", 6) != 6) return 1;
    char byte = 0;
    while (::read(0, &byte, 1) > 0) {
    }
    return 7;
}

// The exit is heard of without reaping, so that the dead can be kept.
bool has_died(pid_t pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WSTOPPED | WNOWAIT | __WALL) < 0) {
        if (errno != EINTR) return true;
    }
    return info.si_code != CLD_STOPPED && info.si_code != CLD_TRAPPED;
}

void let_go_on(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, __WALL);
    const int number = WSTOPSIG(status);
    const bool group_stop = status >> 16 == PTRACE_EVENT_STOP;
    ::dprintf(1, "stop %d\n", number);
    if (group_stop && number != SIGTRAP) ::ptrace(PTRACE_LISTEN, pid, nullptr, nullptr);
    else ::ptrace(PTRACE_CONT, pid, nullptr, group_stop ? 0L : static_cast<long>(number));
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) return be_traced();
    const pid_t pid = std::atoi(argv[1]);
    if (::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) {
        ::dprintf(1, "refused %s\n", std::strerror(errno));
        return 1;
    }
    ::dprintf(1, "seized\n");
    while (!has_died(pid)) let_go_on(pid);
    ::dprintf(1, "dead\n");
    char byte = 0;
    const bool told = ::read(0, &byte, 1) == 1;
    ::waitpid(pid, nullptr, __WALL);
    return !told;
}

#else

int main() {
    std::printf("refused no PTRACE_SEIZE on this system\n");
    return std::fflush(stdout) == 0;
}

#endif
