// SPDX-License-Identifier: BSL-1.0
// commit: says "ready", waits for the end of its stdin, of which it reads nothing, and then makes the file that its
// argument names: it takes what came for all there is.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc != 2 || ::write(1, "ready\n", 6) != 6) return 1;
    pollfd input{0, 0, 0};
    while ((input.revents & POLLHUP) == 0) ::poll(&input, 1, -1);
    return ::open(argv[1], O_WRONLY | O_CREAT, 0600) < 0 ? 1 : 0;
}
