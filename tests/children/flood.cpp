// SPDX-License-Identifier: BSL-1.0
// flood: FD:COUNT writes that many bytes of the alphabet in one call; FD:= writes a newline; in the order given.
#include <unistd.h>

#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const int fd = argv[i][0] - '0';
        std::string bytes = "\n";
        if (argv[i][2] != '=') {
            bytes.resize(std::strtoul(argv[i] + 2, nullptr, 10));
            for (std::size_t at = 0; at < bytes.size(); ++at) bytes[at] = static_cast<char>('a' + at % 26);
        }
        for (std::size_t done = 0; done < bytes.size();) {
            const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
            if (n < 0) return 1;
            done += static_cast<std::size_t>(n);
        }
    }
}
