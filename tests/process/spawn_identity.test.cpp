// SPDX-License-Identifier: BSL-1.0
//
// Children with other rights than ours. Only root can give rights away, so without that there is little to test.
#include <coproc/process/spawn.hpp>

#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <vector>
#if defined(__linux__)
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include <coproc/process/async_process.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/rights.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/system_call_filter.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

TEST_CASE("a number that no identity has is refused where it is given", "[process][spawn_fork]") {
    command c("x");
    constexpr long long zero_if_cut = 1LL << 32; // root
    for (const long long id : {-1LL, -2LL, zero_if_cut, zero_if_cut + 5}) {
        CHECK_THROWS_AS(c.user(id), std::invalid_argument);
        CHECK_THROWS_AS(c.group(id), std::invalid_argument);
        CHECK_THROWS_AS(c.groups(std::vector<long long>{5, id}), std::invalid_argument);
    }
    CHECK_THROWS_AS(c.user(-1), std::invalid_argument);
    CHECK_THROWS_AS(c.user(static_cast<uid_t>(-1)), std::invalid_argument);
    CHECK_THROWS_AS(c.group(static_cast<gid_t>(-1)), std::invalid_argument);
    CHECK_THROWS_AS(c.groups(std::vector<long>{5, -1}), std::invalid_argument);
    CHECK_FALSE(c.identity().user);
    CHECK_FALSE(c.identity().group);
    CHECK_FALSE(c.identity().groups);
    c.user(7).group(8U).groups(std::vector<long long>{9, 4294967294});
    CHECK(c.identity().user == uid_t{7});
    CHECK(c.identity().groups == std::vector<gid_t>{9, 4294967294});
}

TEST_CASE("a user and groups can be said by their names", "[process]") {
    const passwd* const root = ::getpwuid(0); // NOLINT(concurrency-mt-unsafe)
    const group* const wheel = ::getgrgid(0); // NOLINT(concurrency-mt-unsafe)
    REQUIRE(root != nullptr);
    REQUIRE(wheel != nullptr); // called so on BSD
    const std::string user = root->pw_name;
    const std::string of_root = wheel->gr_name;
    const command c = command("x").user(user).group(of_root.c_str()).groups({of_root, of_root});
    CHECK(c.identity().user == uid_t{0});
    CHECK(c.identity().group == gid_t{0});
    CHECK(c.identity().groups == std::vector<gid_t>{0, 0});
    CHECK(command("x").groups({3, 4}).identity().groups == std::vector<gid_t>{3, 4});
    CHECK_FALSE(command("x").user(user).identity().group); // that is said apart
}

TEST_CASE("a name that nobody has is refused where it is given", "[process]") {
    const nothing_leaks check;
    command c("x");
    CHECK_THROWS_WITH(c.user("no such user"), "no user is called \"no such user\"");
    CHECK_THROWS_AS(c.user(""), std::invalid_argument);
    CHECK_THROWS_AS(c.user(std::string("root\0", 5)), std::invalid_argument);
    CHECK_THROWS_AS(c.user("0"), std::invalid_argument); // a name, not a number
    CHECK_THROWS_WITH(c.group(std::string("no such group")), "no group is called \"no such group\"");
    CHECK_THROWS_AS(c.groups({"no such group"}), std::invalid_argument);
    CHECK_THROWS_AS(c.user(static_cast<const char*>(nullptr)), std::invalid_argument);
    CHECK_FALSE(c.identity().user);
    CHECK_FALSE(c.identity().group);
    CHECK_FALSE(c.identity().groups);
}

namespace {

// A database with one group, of many members; or a broken one.
struct odd_database {
    static constexpr std::size_t needed = 5000;
    static inline int answer = 0;
    static int look_up(const char*, group* into, char*, std::size_t size, group** found) {
        *found = nullptr;
        if (answer != 0) return answer;
        if (size < needed) return ERANGE;
        into->gr_gid = 77;
        *found = into;
        return 0;
    }
};

} // namespace

TEST_CASE("a database that cannot be asked is another error than a name that nobody has", "[process]") {
    const auto ask = [] { return detail::id_of("team", "group", &group::gr_gid, &odd_database::look_up); };
    odd_database::answer = 0;
    CHECK(ask() == 77); // however much there is to say of it
    for (const int answer : {ENOENT, ESRCH, EBADF, EPERM}) {
        odd_database::answer = answer;
        CHECK_THROWS_AS(ask(), std::invalid_argument);
    }
    odd_database::answer = EMFILE;
    try {
        ask();
        FAIL("nothing was thrown");
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::too_many_files_open);
        CHECK(std::string(e.what()).starts_with("looking up the group \"team\" failed"));
    }
}

#if defined(__linux__)

namespace {

const std::vector<gid_t> no_groups;

} // namespace

TEST_CASE("a child takes the user and the groups that it is told and keeps nothing back", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const nothing_leaks check;
    const for_everybody program("print_identity");
    CHECK(output_of(command(program.path()).user(nobody).group(7).groups(std::vector<gid_t>{8, 9})) ==
          "user 65534 65534 65534\ngroup 7 7 7\ngroups 8 9\n");
}

TEST_CASE("a child takes the user and the groups that are named", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const group* const other = ::getgrgid(1);      // NOLINT(concurrency-mt-unsafe)
    const passwd* const user = ::getpwuid(nobody); // NOLINT(concurrency-mt-unsafe)
    if (other == nullptr || user == nullptr) {
        WARN("not tried: the names of group 1 and of user 65534 are not known here");
        return;
    }
    const std::string name = other->gr_name;
    const for_everybody program("print_identity");
    CHECK(output_of(command(program.path()).user(user->pw_name).group(name).groups({name})) ==
          "user 65534 65534 65534\ngroup 1 1 1\ngroups 1\n");
}

TEST_CASE("the groups of root do not go with another user unless that is said", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const for_everybody program("print_identity");
    CHECK(in_a_fork([&] {
              const gid_t ours[] = {0, 4, 5};
              if (::setgroups(3, ours) != 0) return 1;
              const std::string as_nobody = "user 65534 65534 65534\ngroup 0 0 0\ngroups";
              if (output_of(command(program.path()).user(nobody)) != as_nobody + "\n") return 2;
              if (output_of(command(program.path()).user(nobody).groups(std::vector<gid_t>{4})) != as_nobody + " 4\n")
                  return 3;
              // No groups is something else than nothing said of groups.
              if (output_of(command(program.path())) != "user 0 0 0\ngroup 0 0 0\ngroups 0 4 5\n") return 4;
              if (output_of(command(program.path()).groups(no_groups)) != "user 0 0 0\ngroup 0 0 0\ngroups\n") return 5;
              return 0;
          }) == 0);
}

TEST_CASE("rights that we do not have cannot be given and no program runs", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const for_everybody program("print_identity");
    CHECK(in_a_fork([&] {
              if (::setgroups(0, nullptr) != 0 || ::setresgid(7, 7, 7) != 0 || ::setresuid(nobody, nobody, nobody) != 0)
                  return 1;
              const nothing_leaks check;
              for (const command& c : {command(program.path()).user(0), command(program.path()).group(0),
                                       command(program.path()).groups(no_groups)}) {
                  const std::optional<spawn_error> e = failure_of(c);
                  if (!e || e->stage() != spawn_stage::identity || e->code() != std::errc::operation_not_permitted)
                      return 2;
              }
              // What we are already is nobody's to refuse.
              return output_of(command(program.path()).user(nobody).group(7)).empty() ? 3 : 0;
          }) == 0);
}

namespace {

// For good: what some services are, which are started as a user of their own and with the right to change to others.
// Ambient capabilities are those that go through exec.
bool become_user_who_may_change_users() {
    constexpr unsigned rights = 1U << CAP_SETUID | 1U << CAP_SETGID;
    const gid_t groups[] = {4, 5};
    if (::setgroups(2, groups) != 0 || ::setresgid(7, 7, 7) != 0) return false;
    if (::prctl(PR_SET_KEEPCAPS, 1) != 0 || ::setresuid(12345, 12345, 12345) != 0) return false;
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct data[2] = {{rights, rights, rights}, {0, 0, 0}};
    if (::syscall(SYS_capset, &header, data) != 0) return false;
    return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0) == 0 &&
           ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SETGID, 0, 0) == 0;
}

// Of `f()` in a fork that has become such a user; a machine that does not let it says so and passes.
template <class F>
void check_as_user_who_may_change_users(F f) {
    constexpr int not_let = 99;
    const int code = in_a_fork([&] { return become_user_who_may_change_users() ? f() : not_let; });
    if (code == not_let) WARN("not tried: we cannot leave an ordinary user the right to change users");
    else CHECK(code == 0);
}

} // namespace

TEST_CASE("the groups of an ordinary user who may give them up do not go with another user", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const for_everybody program("print_identity");
    check_as_user_who_may_change_users([&] {
        const std::string without_groups = "user 65534 65534 65534\ngroup 8 8 8\ngroups\n";
        if (output_of(command(program.path()).user(nobody).group(8)) != without_groups) return 1;
        if (output_of(command(program.path()).group(8)) != "user 12345 12345 12345\ngroup 8 8 8\ngroups\n") return 2;
        return output_of(command(program.path())) == "user 12345 12345 12345\ngroup 7 7 7\ngroups 4 5\n" ? 0 : 3;
    });
}

TEST_CASE("the capabilities of an ordinary user do not go with another user", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const for_everybody program("print_status");
    const command c(program.path(), "CapPrm", "CapEff", "CapAmb");
    const std::string none = "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n";
    const std::string both = "CapPrm:\t00000000000000c0\nCapEff:\t00000000000000c0\nCapAmb:\t00000000000000c0\n";
    check_as_user_who_may_change_users([&] {
        if (output_of(command(c).user(nobody)) != none) return 1;
        if (output_of(command(c).user(nobody).group(8)) != none) return 2;
        // Who stays the user that he is keeps what the host has meant for its children.
        if (output_of(c) != both) return 3;
        return output_of(command(c).user(12345).group(8)) == both ? 0 : 4;
    });
}

TEST_CASE("an ordinary user who cannot give groups up keeps them with what he may take", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const for_everybody program("print_identity");
    CHECK(in_a_fork([&] {
              const gid_t groups[] = {4, 5};
              if (::setgroups(2, groups) != 0 || ::setresgid(7, 7, 7) != 0 || ::setresuid(nobody, nobody, nobody) != 0)
                  return 1;
              const std::string as_we_are = "user 65534 65534 65534\ngroup 7 7 7\ngroups 4 5\n";
              return output_of(command(program.path()).user(nobody).group(7)) == as_we_are ? 0 : 2;
          }) == 0);
}

TEST_CASE("a bad program or directory of a child with other rights is named as ever", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const nothing_leaks check;
    const std::optional<spawn_error> missing = failure_of(command("/no/such/program").user(nobody));
    REQUIRE(missing);
    CHECK(missing->stage() == spawn_stage::exec);
    CHECK(missing->code() == std::errc::no_such_file_or_directory);
    const temporary_directory secret; // for us alone, and the child looks with its own rights
    const std::optional<spawn_error> closed = failure_of(command(child("cat")).user(nobody).cwd(secret.path()));
    REQUIRE(closed);
    CHECK(closed->stage() == spawn_stage::cwd);
    CHECK(closed->code() == std::errc::permission_denied);
}

#if defined(COPROC_TEST_HAS_SYSTEM_CALL_FILTER) && !defined(COPROC_BACKEND_KQUEUE) // libkqueue needs a thread

TEST_CASE("a child that gives up rights shares no memory with us", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const for_everybody program("print_identity");
    CHECK(in_a_fork([&] {
              // Where nothing may be cloned into our memory, it starts all the same, and another does not.
              if (!filter_system_calls({{SYS_clone, EPERM, CLONE_VM}, {SYS_clone3, ENOSYS}})) return 1;
              if (output_of(command(program.path()).user(nobody)).empty()) return 2;
              if (platform::detail::method() == platform::detail::spawn_method::fork) return 0;
              const std::optional<spawn_error> e = failure_of(command(program.path()));
              return e && e->stage() != spawn_stage::identity ? 0 : 3;
          }) == 0);
}

TEST_CASE("where no clone of ours is let through a child can have other rights all the same", "[process][spawn_fork]") {
    if (!we_are_root()) return;
    const for_everybody program("print_identity");
    CHECK(in_a_fork([&] {
              if (!filter_system_calls({{SYS_clone, EINVAL, CLONE_PIDFD}, {SYS_clone3, ENOSYS}})) return 1;
              if (output_of(command(program.path()).user(nobody).group(7).groups(std::vector<gid_t>{8, 9})) !=
                  "user 65534 65534 65534\ngroup 7 7 7\ngroups 8 9\n")
                  return 2;
              const std::optional<spawn_error> e = failure_of(command("/no/such/program").user(nobody));
              return e && e->stage() == spawn_stage::exec && e->code() == std::errc::no_such_file_or_directory ? 0 : 3;
          }) == 0);
}

TEST_CASE("a start that is refused for want of processes is tried again and then an error", "[process][spawn_fork]") {
    CHECK(in_a_fork([&] {
              const auto started = std::chrono::steady_clock::now();
              if (!filter_system_calls({{SYS_clone, EAGAIN}, {SYS_clone3, EAGAIN}})) return 1;
              const std::optional<spawn_error> e = failure_of(command(child("cat")));
              if (!e || e->stage() != spawn_stage::fork) return 2;
              if (e->code() != std::errc::resource_unavailable_try_again) return 3;
              // Five pauses, of 0.5 to 8 ms.
              return std::chrono::steady_clock::now() - started >= std::chrono::microseconds(15500) ? 0 : 4;
          }) == 0);
}

#endif
#endif
