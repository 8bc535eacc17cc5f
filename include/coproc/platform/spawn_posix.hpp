#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Starting a child by posix_spawn(3): the way of macOS and the BSDs, and on Linux the one that is left where clone is
// refused. What it cannot do is for fork.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "spawn_plan.hpp"
#include "system_numbers.hpp"

namespace coproc::platform::detail {

// The two objects of <spawn.h>, destroyed on every path.
struct spawn_settings {
    spawn_settings() noexcept {
        error = ::posix_spawnattr_init(&attributes);
        if (error == 0 && (error = ::posix_spawn_file_actions_init(&actions)) != 0) {
            ::posix_spawnattr_destroy(&attributes);
        }
        made = error == 0;
    }
    spawn_settings(const spawn_settings&) = delete;
    spawn_settings& operator=(const spawn_settings&) = delete;
    ~spawn_settings() {
        if (!made) return;
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }

    // Each call runs only if all before it succeeded, so the first failure is the one that is kept.
    template <class Call>
    void then(Call call) noexcept {
        if (error == 0) error = call();
    }

    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int error = 0;
    bool made = false;
};

#if defined(POSIX_SPAWN_SETSID)
constexpr short begin_session = POSIX_SPAWN_SETSID;
#else
constexpr short begin_session = 0;
#endif

inline bool posix_spawn_can(const spawn_plan& plan) noexcept {
    return plan.as == nullptr && plan.settings == nullptr && plan.terminal < 0 &&
           (!plan.session.is_new || begin_session != 0);
}

inline short flags_for(const spawn_plan& plan) noexcept {
    int flags = plan.inherit_signals ? 0 : POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (plan.session.is_new) flags |= begin_session;
    else if (plan.session.group != session_plan::ours) flags |= POSIX_SPAWN_SETPGROUP;
#if defined(__APPLE__)
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
#elif defined(__linux__)
    flags |= POSIX_SPAWN_SETSIGDEF; // some always, see to_have_default
#endif
    return static_cast<short>(flags);
}

// The signals that are reset in the child.
inline sigset_t to_have_default([[maybe_unused]] const spawn_plan& plan) noexcept {
    sigset_t which; // these are macros on macOS, which `::` would break
#if defined(__linux__)
    // There are signals that libc has for itself (32 and 33 in glibc). posix_spawn makes the child ignore those that
    // are not in this set, and with it the program and all of its children. sigfillset leaves them out, and sigdelset
    // does not take them away.
    std::memset(&which, 0xff, sizeof which);
    for (int signal = 1; plan.inherit_signals && signal <= highest_signal; ++signal) sigdelset(&which, signal);
#else
    sigfillset(&which);
#endif
#if defined(__APPLE__)
    sigdelset(&which, SIGKILL); // refused there, and pointless anywhere
    sigdelset(&which, SIGSTOP);
#endif
    return which;
}

// The flags say which of these count. Empty mask and default dispositions, whatever the host did.
inline void set_attributes(spawn_settings& s, const spawn_plan& plan) noexcept {
    sigset_t none; // a macro on macOS, which `::` would break
    sigemptyset(&none);
    const sigset_t reset = to_have_default(plan);
    s.then([&] { return ::posix_spawnattr_setflags(&s.attributes, flags_for(plan)); });
    s.then([&] { return ::posix_spawnattr_setsigmask(&s.attributes, &none); });
    s.then([&] { return ::posix_spawnattr_setsigdefault(&s.attributes, &reset); });
    if (plan.session.group == session_plan::ours) return;
    s.then([&] { return ::posix_spawnattr_setpgroup(&s.attributes, plan.session.group); });
}

// Where it is not done by itself (macOS). On the other BSDs only what is close-on-exec is closed, as all of ours is.
inline void close_the_rest([[maybe_unused]] spawn_settings& s, [[maybe_unused]] const spawn_plan& plan) noexcept {
#if defined(__GLIBC__) || defined(__FreeBSD__)
    int first = 3;
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        for (; first < plan.passed[i].target; ++first) {
            s.then(
                [&] { return ::posix_spawn_file_actions_addclose(&s.actions, first); }); // no error if it is not open
        }
        ++first;
    }
    s.then([&] { return ::posix_spawn_file_actions_addclosefrom_np(&s.actions, first); });
#endif
}

inline void place_descriptors(spawn_settings& s, const spawn_plan& plan) noexcept {
    for (int target = 0; target < 3; ++target) {
        const int source = plan.stdio[target];
        if (source >= 0) s.then([&] { return ::posix_spawn_file_actions_adddup2(&s.actions, source, target); });
#if defined(__APPLE__)
        // What is not named is closed there, 0, 1 and 2 as well; naming a closed one is an error.
        else if (::fcntl(target, F_GETFD) >= 0) {
            s.then([&] { return ::posix_spawn_file_actions_addinherit_np(&s.actions, target); });
        }
#endif
    }
    for (std::size_t i = 0; i < plan.passed_count; ++i) {
        const passed_fd& fd = plan.passed[i];
        s.then([&] { return ::posix_spawn_file_actions_adddup2(&s.actions, fd.source, fd.target); });
    }
    close_the_rest(s, plan);
}

// posix_spawn tells an errno and no stage. EPERM is what joining a group is refused by (setpgid(2)); only one step
// besides exec looks at a path.
inline spawn_stage stage_of_failure(const spawn_plan& plan, int error) noexcept {
    if (plan.session.group > 0 && error == EPERM) return spawn_stage::session;
    struct stat directory {};
    const bool cwd_is_bad = plan.cwd != nullptr && (::stat(plan.cwd, &directory) != 0 || !S_ISDIR(directory.st_mode) ||
                                                    ::access(plan.cwd, X_OK) != 0);
    return cwd_is_bad ? spawn_stage::cwd : spawn_stage::exec;
}

[[gnu::cold]] inline spawn_outcome posix_spawn(const spawn_plan& plan, pid_t& pid) noexcept {
    spawn_settings s;
    set_attributes(s, plan);
    if (plan.cwd != nullptr) {
        s.then([&] { return ::posix_spawn_file_actions_addchdir_np(&s.actions, plan.cwd); });
    }
    place_descriptors(s, plan);
    if (s.error != 0) return {spawn_stage::fork, s.error};

    const int error = ::posix_spawn(&pid, plan.path, &s.actions, &s.attributes, plan.argv, plan.envp);
    if (error == 0) return {};
    if (error == EAGAIN || error == ENOMEM) return {spawn_stage::fork, error};
    return {stage_of_failure(plan, error), error};
}

} // namespace coproc::platform::detail
