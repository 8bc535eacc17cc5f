// SPDX-License-Identifier: BSL-1.0
// end_by code N | end_by signal N: waits for the end of its stdin, then ends so.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
    if (argc != 3) return 99;
    char byte = 0;
    while (::read(0, &byte, 1) > 0) {
    }
    const int number = std::atoi(argv[2]);
    if (std::strcmp(argv[1], "code") == 0) return number;
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core); // signals that dump core leave no file behind
    ::raise(number);
    return 98; // the signal was ignored
}
