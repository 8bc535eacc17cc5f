// SPDX-License-Identifier: BSL-1.0
// stubborn: a child of it stays, with all its pipes, until the end of descriptor 3; itself ignores SIGTERM and floods
// stdout and stderr, on and on, until it is killed.
#include <signal.h>
#include <unistd.h>

#include <string>

int main() {
    ::signal(SIGTERM, SIG_IGN);
    if (::fork() == 0) {
        char byte = 0;
        while (::read(3, &byte, 1) > 0) {
        }
        return 0;
    }
    const std::string text(32768, 'x');
    while (::write(1, text.data(), text.size()) > 0 && ::write(2, text.data(), text.size()) > 0) {
    }
}
