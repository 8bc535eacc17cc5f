// SPDX-License-Identifier: BSL-1.0
// make_token take|put COUNT: takes bytes from the job server that MAKEFLAGS names and never gives them back, or gives
// it some that it has not taken; prints them. Exits with 3 where it finds none that it can use.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
    const char* const variable = std::getenv("MAKEFLAGS");
    if (argc != 3 || variable == nullptr) return 3;
    const std::string flags = variable;
    const std::string name = "--jobserver-auth=";
    std::size_t at = flags.rfind(name);
    if (at == std::string::npos) return 3;
    at += name.size();
    const std::string auth = flags.substr(at, flags.find(' ', at) - at);

    int read = -1;
    int write = -1;
    if (auth.compare(0, 5, "fifo:") == 0) read = write = ::open(auth.c_str() + 5, O_RDWR);
    else if (std::sscanf(auth.c_str(), "%d,%d", &read, &write) != 2) return 3;

    const bool take = std::string(argv[1]) == "take";
    for (int i = 0; i < std::atoi(argv[2]); ++i) {
        char token = '+';
        if ((take ? ::read(read, &token, 1) : ::write(write, &token, 1)) != 1) return 3;
        std::putchar(token);
    }
    return std::fflush(stdout) != 0;
}
