// SPDX-License-Identifier: BSL-1.0
// job_log FILE COUNT: a job that tells of itself: appends "+" to the file, waits until COUNT of them have been at work
// at once, itself or earlier ones (but ten seconds at the most), and appends "-".
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>

namespace {

// The most that have been at work at once.
long most_at_once(int log) {
    std::string all(65536, '\0');
    const ssize_t size = ::pread(log, all.data(), all.size(), 0);
    long running = 0;
    long most = 0;
    for (ssize_t i = 0; i < size; ++i) {
        running += all[static_cast<std::size_t>(i)] == '+' ? 1 : -1;
        most = std::max(most, running);
    }
    return most;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int log = ::open(argv[1], O_RDWR | O_APPEND | O_CREAT, 0600);
    if (log < 0 || ::write(log, "+", 1) != 1) return 1;
    for (int i = 0; i < 5000 && most_at_once(log) < std::atol(argv[2]); ++i) ::usleep(2000);
    return ::write(log, "-", 1) == 1 ? 0 : 1;
}
