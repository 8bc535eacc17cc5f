// SPDX-License-Identifier: BSL-1.0
// talk_of_death: says "alive", and once it gets SIGTERM "dying", and exits with 7.
#include <signal.h>
#include <unistd.h>

namespace {
void die(int) {
    const bool said = ::write(1, "dying\n", 6) == 6;
    ::_exit(said ? 7 : 8);
}
} // namespace

int main() {
    ::signal(SIGTERM, die);
    if (::write(1, "alive\n", 6) != 6) return 1;
    for (;;) ::pause();
}
