// SPDX-License-Identifier: BSL-1.0
// print_settings WHAT...: "umask 0027", "nice 5", "limit 7 64 128" for "limit:7" ("infinity" for no limit), "death 15",
// "cgroup /x", "affinity 0 1", one a line.
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#if defined(__linux__)
#include <sched.h>
#include <sys/prctl.h>
#endif

namespace {

void print_bound(rlim_t bound) {
    if (bound == RLIM_INFINITY) std::printf(" infinity");
    else std::printf(" %llu", static_cast<unsigned long long>(bound));
}

bool print_limit(int number) {
    rlimit limit{};
#if defined(__GLIBC__)
    if (::getrlimit(static_cast<__rlimit_resource_t>(number), &limit) != 0) return false;
#else
    if (::getrlimit(number, &limit) != 0) return false;
#endif
    std::printf("limit %d", number);
    print_bound(limit.rlim_cur);
    print_bound(limit.rlim_max);
    std::puts("");
    return true;
}

bool print_death() {
#if defined(__linux__)
    int signal = 0;
    if (::prctl(PR_GET_PDEATHSIG, &signal) != 0) return false;
    std::printf("death %d\n", signal);
    return true;
#else
    return false;
#endif
}

bool print_affinity() {
#if defined(__linux__)
    cpu_set_t all;
    if (::sched_getaffinity(0, sizeof all, &all) != 0) return false;
    std::printf("affinity");
    for (int number = 0; number < CPU_SETSIZE; ++number) {
        if (CPU_ISSET(number, &all)) std::printf(" %d", number);
    }
    std::puts("");
    return true;
#else
    return false;
#endif
}

// Of version 2: "0::/x".
bool print_cgroup() {
    std::FILE* const file = std::fopen("/proc/self/cgroup", "r");
    if (file == nullptr) return false;
    char line[4096];
    while (std::fgets(line, sizeof line, file) != nullptr) {
        if (std::strncmp(line, "0::", 3) == 0) std::printf("cgroup %s", line + 3);
    }
    return std::fclose(file) == 0;
}

bool print(const std::string& what) {
    if (what == "umask") return std::printf("umask %04o\n", static_cast<unsigned>(::umask(0))) > 0;
    if (what == "nice") return std::printf("nice %d\n", ::getpriority(PRIO_PROCESS, 0)) > 0;
    if (what == "death") return print_death();
    if (what == "cgroup") return print_cgroup();
    if (what == "affinity") return print_affinity();
    if (what.compare(0, 6, "limit:") == 0) return print_limit(std::atoi(what.c_str() + 6));
    return false;
}

} // namespace

int main(int argc, char** argv) {
    bool good = true;
    for (int i = 1; i < argc; ++i) good = print(argv[i]) && good;
    return good && std::fflush(stdout) == 0 ? 0 : 1;
}
