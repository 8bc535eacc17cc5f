// SPDX-License-Identifier: BSL-1.0
// print_identity: "user", "group" and "groups" with their numbers, real, effective and saved, one kind a line.
#include <unistd.h>

#include <cstdio>

#if defined(__linux__)

int main() {
    uid_t user[3];
    gid_t group[3];
    gid_t groups[64];
    const int count = ::getgroups(64, groups);
    if (::getresuid(&user[0], &user[1], &user[2]) != 0 || ::getresgid(&group[0], &group[1], &group[2]) != 0) return 1;
    std::printf("user %u %u %u\ngroup %u %u %u\ngroups", user[0], user[1], user[2], group[0], group[1], group[2]);
    for (int i = 0; i < count; ++i) std::printf(" %u", groups[i]);
    std::puts("");
    return std::fflush(stdout) != 0;
}

#else

int main() { return 1; }

#endif
