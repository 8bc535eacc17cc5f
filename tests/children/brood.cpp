// SPDX-License-Identifier: BSL-1.0
// brood WHAT: does what the letters say, one after the other, and at their end waits for a signal. Each process of it
// keeps the pipes, so the end of stdout is the end of them all; none lives longer than a minute.
//
//   (…)  a child does this, and we go on          i  ignores SIGTERM, SIGINT and SIGHUP
//   r    writes its pid as a line                 s  begins a session
//   h    writes "half" and ends no line           g  makes a process group
//   e    waits for the end of stdin, and exits    G  joins the group of the first process
//   o    on SIGTERM: takes 30 ms to write "over"  f  on SIGTERM: forks one that ignores it and begins a session
//   b    forks children that begin sessions,      u  takes all rights of the owner of this program
//        without end                            x  exits
#include <signal.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

pid_t first = 0;

void limit_life() { ::alarm(60); }

void say(const char* text, int size) {
    if (::write(1, text, static_cast<size_t>(size)) != size) std::_Exit(1);
}
void say_pid() {
    char line[32];
    say(line, std::snprintf(line, sizeof line, "%d\n", static_cast<int>(::getpid())));
}

void ignore_all() {
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::signal(number, SIG_IGN);
}

void end_slowly(int) {
    const timespec time{0, 30'000'000};
    ::nanosleep(&time, nullptr);
    say("over\n", 5);
    std::_Exit(0);
}

void fork_late(int) {
    if (::fork() != 0) return;
    limit_life();
    ignore_all();
    ::setsid();
    say_pid();
    for (;;) ::pause();
}

void wait_for_end_of_stdin() {
    char buffer[64];
    while (::read(0, buffer, sizeof buffer) > 0) {
    }
    std::_Exit(0);
}

void fork_without_end() {
    for (;;) {
        const pid_t child = ::fork();
        if (child < 0) ::pause();
        if (child != 0) continue;
        limit_life();
        ::setsid();
        for (;;) ::pause();
    }
}

const char* behind_bracket(const char* at) {
    for (int depth = 1; depth > 0; ++at) depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
    return at;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    first = ::getpid();
    limit_life();
    for (const char* at = argv[1]; *at != '\0' && *at != ')'; ++at) {
        switch (*at) {
        case '(':
            if (::fork() == 0) limit_life();
            else at = behind_bracket(at + 1) - 1;
            break;
        case 'i': ignore_all(); break;
        case 'r': say_pid(); break;
        case 'h': say("half", 4); break;
        case 's': ::setsid(); break;
        case 'g': ::setpgid(0, 0); break;
        case 'G': ::setpgid(0, first); break;
        case 'x': return 0;
        case 'e': wait_for_end_of_stdin(); break;
        case 'o': ::signal(SIGTERM, end_slowly); break;
        case 'f': ::signal(SIGTERM, fork_late); break;
        case 'b': fork_without_end(); break;
        case 'u':
            if (::setuid(::geteuid()) != 0) return 3;
            break;
        default: return 2;
        }
    }
    for (;;) ::pause();
}
