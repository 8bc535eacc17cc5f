// SPDX-License-Identifier: BSL-1.0
// press COUNT: writes that many bytes to stdout, as fast as they are taken. Once the pipe has been full for 200 ms
// without a byte being taken, it says "full after N" on stderr, and at the end "all".
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

int main(int, char** argv) {
    const std::size_t all = std::strtoul(argv[1], nullptr, 10);
    ::fcntl(1, F_SETFL, ::fcntl(1, F_GETFL) | O_NONBLOCK);
    static char bytes[4096]; // no more than PIPE_BUF at a time: whole or not at all
    bool told = false;
    for (std::size_t done = 0; done < all;) {
        const ssize_t n = ::write(1, bytes, std::min(sizeof bytes, all - done));
        if (n > 0) {
            done += static_cast<std::size_t>(n);
            continue;
        }
        if (errno != EAGAIN) return 1;
        pollfd room{1, POLLOUT, 0};
        if (::poll(&room, 1, told ? -1 : 200) == 0) {
            told = true;
            ::dprintf(2, "full after %zu\n", done);
        }
    }
    return ::dprintf(2, "all\n") != 4;
}
