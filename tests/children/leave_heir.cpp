// SPDX-License-Identifier: BSL-1.0
// leave_heir [COUNT]: exits with 5; a child of it stays, with all pipes, until the end of stdin, then says "late" and
// writes COUNT bytes of the alphabet to stdout.
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
    if (::write(1, "early\n", 6) != 6) return 1;
    if (::fork() != 0) return 5;
    char buffer[4096];
    while (::read(0, buffer, sizeof buffer) > 0) {
    }
    std::string bytes = "late\n";
    const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0;
    for (std::size_t at = 0; at < count; ++at) bytes += static_cast<char>('a' + at % 26);
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t n = ::write(1, bytes.data() + done, bytes.size() - done);
        if (n < 0) return 1;
        done += static_cast<std::size_t>(n);
    }
}
