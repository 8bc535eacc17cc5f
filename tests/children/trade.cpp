// SPDX-License-Identifier: BSL-1.0
// trade ORDER COUNT: for each letter of ORDER that many bytes: o writes them to stdout, e to stderr, i reads them from
// stdin; b does all three by turns, a piece each. Exits with 0 if what it read was the alphabet over and over.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>

namespace {

std::string text; // what goes each way

bool say(int fd, std::size_t from, std::size_t to) {
    while (from < to) {
        const ssize_t n = ::write(fd, text.data() + from, to - from);
        if (n < 0) return false;
        from += static_cast<std::size_t>(n);
    }
    return true;
}

bool hear(std::size_t from, std::size_t to) {
    static char buffer[65536];
    while (from < to) {
        const ssize_t n = ::read(0, buffer, std::min(sizeof buffer, to - from));
        if (n <= 0 || text.compare(from, static_cast<std::size_t>(n), buffer, static_cast<std::size_t>(n)) != 0)
            return false;
        from += static_cast<std::size_t>(n);
    }
    return true;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 99;
    text.resize(std::strtoul(argv[2], nullptr, 10));
    for (std::size_t at = 0; at < text.size(); ++at) text[at] = static_cast<char>('a' + at % 26);
    constexpr std::size_t piece = 5000;
    for (const char* step = argv[1]; *step != '\0'; ++step) {
        switch (*step) {
        case 'o':
            if (!say(1, 0, text.size())) return 1;
            break;
        case 'e':
            if (!say(2, 0, text.size())) return 2;
            break;
        case 'i':
            if (!hear(0, text.size())) return 3;
            break;
        case 'b':
            for (std::size_t at = 0; at < text.size(); at += piece) {
                const std::size_t end = std::min(text.size(), at + piece);
                if (!say(1, at, end) || !say(2, at, end) || !hear(at, end)) return 4;
            }
            break;
        default: return 99;
        }
    }
}
