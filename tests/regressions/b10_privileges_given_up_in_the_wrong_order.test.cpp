// SPDX-License-Identifier: BSL-1.0
//
// Privileges that were given up in the wrong order, or not at all.
//
// What users saw: a child that ran as nobody and was still a member of root's groups; one whose group could not be set
// any more.
// Root cause: setgid after setuid, when the right to do it is gone; setgroups forgotten; and a list of groups that was
// empty taken for one that was not given.
// Reports: swift-subprocess #342, #344 (setgid after setuid); joyent/libuv #1093 (setgroups missing); CPython
// CVE-2023-6507 (#112334: an empty list of groups skipped setgroups).
// Why not here: take_identity does setgroups, setresgid, setresuid, in this order, and each answer counts;
// identity::set_groups tells "none" from "not said"; and whoever becomes another user has no group of ours left.
#include <sys/types.h>
#include <unistd.h>

#if defined(__linux__)
#include <grp.h>
#endif

#include <filesystem>
#include <string>
#include <vector>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/rights.hpp"
#include "support/run_in_time.hpp"
#include "support/temporary_directory.hpp"

#if defined(__linux__)

using namespace coproc;

namespace {

// A host with every right and some groups, in a process of its own. What the child says of itself.
std::string identity_of(const temporary_directory& directory, void (*settle)(command&)) {
    const std::string program = directory / "print_identity";
    if (!std::filesystem::exists(program)) std::filesystem::copy_file(child("print_identity"), program);
    for (const auto& path : {directory.path(), std::filesystem::path(program)})
        std::filesystem::permissions(path, std::filesystem::perms(0755));
    const std::string said = directory / "said";
    command c(program);
    c.out(stdio::file(said));
    settle(c);
    const int code = in_a_fork([&] {
        const gid_t ours[] = {0, 4, 5};
        if (::setgroups(3, ours) != 0) return 1;
        const auto talk = [&]() -> task<int> {
            async_process p(c);
            const exit_status s = co_await p.wait();
            co_return s.success() ? 0 : 2;
        };
        return run(talk());
    });
    CHECK(code == 0);
    return content_of(said);
}

} // namespace

// Seen to fail: take_identity setting the user first (no child said anything, 254 == 0); without setgroups ("groups 0 4
// 5" each time); and identity_of taking an empty list for one that was not given ("groups 0 4 5" twice).
TEST_CASE("a child that becomes another user keeps no group of ours", "[regression][process]") {
    if (::geteuid() != 0) {
        WARN("only root can start children with other rights");
        return;
    }
    const nothing_leaks check;
    const temporary_directory directory;
    CHECK(identity_of(directory, [](command& c) {
              c.user(nobody).group(7).groups(std::vector<gid_t>{8, 9});
          }) == "user 65534 65534 65534\ngroup 7 7 7\ngroups 8 9\n");
    CHECK(identity_of(directory, [](command& c) { c.user(nobody).group(7); }) ==
          "user 65534 65534 65534\ngroup 7 7 7\ngroups\n");
    CHECK(identity_of(directory, [](command& c) { c.groups(std::vector<gid_t>{}); }) ==
          "user 0 0 0\ngroup 0 0 0\ngroups\n");
    CHECK(identity_of(directory, [](command&) {}) == "user 0 0 0\ngroup 0 0 0\ngroups 0 4 5\n");
}

TEST_CASE("rights that cannot be taken are an error and nothing runs with too many", "[regression][process]") {
    if (::geteuid() != 0) return;
    const nothing_leaks check;
    const temporary_directory directory;
    const int code = in_a_fork([] {
        if (::setgroups(0, nullptr) != 0 || ::setresgid(7, 7, 7) != 0 || ::setresuid(nobody, nobody, nobody) != 0)
            return 1;
        event_loop loop;
        const std::string program = "/bin/sh"; // readable by everybody
        int refused = 0;
        const auto try_it = [&](const command& c) {
            try {
                async_process p(c);
            } catch (const spawn_error& e) {
                refused += e.stage() == spawn_stage::identity && e.code() == std::errc::operation_not_permitted;
            }
        };
        try_it(command(program).user(0));
        try_it(command(program).group(0));
        try_it(command(program).groups(std::vector<gid_t>{0}));
        if (!no_children()) return 2;
        return refused == 3 ? 0 : 3;
    });
    CHECK(code == 0);
}

#endif
