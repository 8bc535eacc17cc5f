#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// child_settings: how a command's child is to be treated: its mask for new files, its priority, its limits, its cgroup,
// and what it hears of our death. Values are checked where they are given: std::invalid_argument.

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/exit_status.hpp"
#include "../platform/spawn_plan.hpp"
#include "../platform/system_numbers.hpp"
#include "words.hpp"

namespace coproc::detail {

class child_settings {
public:
    template <std::integral Mode>
    void umask(Mode mode) {
        if (std::cmp_less(mode, 0) || std::cmp_greater(mode, 0777)) refuse(mode, "no umask: 0 to 0777");
        said_.umask = static_cast<int>(mode);
        is_said();
    }

    /// From one end of the widest scale, FreeBSD's, to the other.
    template <std::integral N>
    void nice(N change) {
        if (std::cmp_less(change, -40) || std::cmp_greater(change, 40)) {
            refuse(change, "no change of niceness: -40 to 40");
        }
        said_.nice = static_cast<int>(change);
        is_said();
    }

    /// The last word on a resource counts.
    template <std::integral Soft, std::integral Hard>
    void limit(int resource, Soft soft, Hard hard) {
        const char* const name = platform::resource_name(resource);
        if (name == nullptr) refuse(resource, "no resource that can be limited here");
        const rlimit bounds{checked_bound(soft, name), checked_bound(hard, name)};
        if (bounds.rlim_cur > bounds.rlim_max) {
            refuse(soft, concat({"a soft limit of ", name, " above the hard one, ", hard}));
        }
        for (platform::resource_limit& before : limits_) {
            if (before.resource == resource) {
                before.value = bounds;
                return;
            }
        }
        limits_.push_back({resource, bounds});
        is_said();
    }

    template <class Range>
    void affinity(const Range& processors) {
        std::vector<unsigned long> mask;
        for (const auto& processor : processors) {
            if (std::cmp_less(processor, 0) || std::cmp_greater_equal(processor, most_processors)) {
                refuse(processor, "no processor");
            }
            const auto number = static_cast<std::size_t>(processor);
            mask.resize(std::max(mask.size(), number / bits_of_word + 1));
            mask[number / bits_of_word] |= 1UL << number % bits_of_word;
        }
        if (mask.empty()) throw std::invalid_argument("the processors of a command are none");
        processors_ = std::move(mask);
        is_said();
    }

    template <std::integral Signal>
    void death_signal(Signal signal) {
        if (std::cmp_less(signal, 1) || std::cmp_greater(signal, platform::highest_signal)) refuse(signal, "no signal");
        said_.death_signal = static_cast<int>(signal);
        is_said();
    }

    template <std::integral Signal>
    void block(Signal signal) {
        said_.blocked.add(checked_signal(signal, "blocked"));
        is_said();
    }
    template <std::integral Signal>
    void ignore(Signal signal) {
        said_.ignored.add(checked_signal(signal, "ignored"));
        is_said();
    }

    /// Checked already, but for this.
    void cgroup(std::string directory) {
        if (directory.empty()) throw std::invalid_argument("the cgroup of a command is empty");
        cgroup_ = std::move(directory);
        is_said();
    }

    /// Nothing is to be different from what it is here.
    [[nodiscard]] bool says_nothing() const noexcept {
        return said_.umask < 0 && said_.nice == 0 && limits_.empty() && processors_.empty() &&
               said_.death_signal == 0 && said_.blocked.empty() && said_.ignored.empty() && cgroup_.empty();
    }
    [[nodiscard]] const std::string& cgroup() const noexcept { return cgroup_; }
    /// "umask 027, nice +5"; only where something is said.
    [[nodiscard]] std::string in_words() const { return (this->*in_words_)(); }
    /// Of a file that we make for the child: neither our mask nor its own permits more.
    [[nodiscard]] mode_t file_mode() const noexcept {
        return said_.umask < 0 ? 0666 : static_cast<mode_t>(0666 & ~said_.umask);
    }
    /// What is asked of the system, in memory that is ours.
    [[nodiscard]] platform::settings_plan plan(int cgroup_procs) const noexcept {
        platform::settings_plan all = said_;
        if (!cgroup_.empty()) all.cgroup = cgroup_.c_str();
        all.cgroup_procs = cgroup_procs;
        all.limits = limits_.data();
        all.limit_count = limits_.size();
        if (!processors_.empty()) all.processors = processors_.data();
        all.processor_words = processors_.size();
        if (all.death_signal != 0) all.parent = ::getpid();
        return all;
    }

private:
    // By a pointer, so that a program whose commands say nothing of this has no words for it.
    void is_said() noexcept { in_words_ = &child_settings::describe; }

    [[gnu::cold]] std::string describe() const {
        std::string all;
        const auto add = [&](std::initializer_list<piece> fact) {
            if (!all.empty()) all += ", ";
            all += concat(fact);
        };
        const int mask = said_.umask;
        if (mask >= 0) add({"umask ", mask >> 6 & 7, mask >> 3 & 7, mask & 7}); // as one writes it
        if (said_.nice != 0) add({"nice ", said_.nice > 0 ? "+" : "", said_.nice});
        if (!processors_.empty()) add({"processors", describe_processors()});
        for (const platform::resource_limit& limit : limits_) {
            add({"limit ", platform::resource_name(limit.resource), " ", describe_bound(limit.value.rlim_cur), " ",
                 describe_bound(limit.value.rlim_max)});
        }
        if (said_.death_signal != 0) add({"parent death ", signal_name(said_.death_signal)});
        if (!said_.blocked.empty()) add({"blocks", describe_signals(said_.blocked)});
        if (!said_.ignored.empty()) add({"ignores", describe_signals(said_.ignored)});
        if (!cgroup_.empty()) add({"cgroup ", shell_quoted(cgroup_)});
        return all;
    }
    [[nodiscard, gnu::cold]] std::string describe_processors() const {
        std::string all;
        for (std::size_t number = 0; number < processors_.size() * bits_of_word; ++number) {
            if ((processors_[number / bits_of_word] >> number % bits_of_word & 1) == 0) continue;
            all.append(" ").append(to_text(number));
        }
        return all;
    }
    [[nodiscard, gnu::cold]] static std::string describe_bound(rlim_t bound) {
        return bound == RLIM_INFINITY ? "unlimited" : to_text(bound);
    }
    [[nodiscard, gnu::cold]] static std::string describe_signals(const platform::signal_bits& set) {
        std::string all;
        for (int signal = 1; signal <= platform::highest_signal; ++signal) {
            if (set.has(signal)) all.append(" ").append(signal_name(signal));
        }
        return all;
    }

    template <std::integral Given>
    [[noreturn]] static void refuse(Given given, std::string_view why) {
        throw std::invalid_argument(concat({given, " is ", why}));
    }
    template <std::integral Given>
    static rlim_t checked_bound(Given given, const char* name) {
        if (std::cmp_less(given, 0) || !std::in_range<rlim_t>(given)) refuse(given, concat({"no bound of ", name}));
        return static_cast<rlim_t>(given);
    }

    // Two, on Linux, are libc's own: a thread of the program could not be cancelled.
    template <std::integral Signal>
    static int checked_signal(Signal signal, std::string_view how) {
        sigset_t set; // these are macros on macOS, which `::` would break
        sigemptyset(&set);
        const bool is_one = std::cmp_greater_equal(signal, 1) &&
                            std::cmp_less_equal(signal, platform::highest_signal) &&
                            sigaddset(&set, static_cast<int>(signal)) == 0;
        if (!is_one) refuse(signal, "no signal");
        if (std::cmp_equal(signal, SIGKILL) || std::cmp_equal(signal, SIGSTOP)) {
            throw std::invalid_argument(concat({"SIGKILL and SIGSTOP cannot be ", how}));
        }
        return static_cast<int>(signal);
    }

    static constexpr std::size_t bits_of_word = std::numeric_limits<unsigned long>::digits;
    static constexpr int most_processors = 65536; // far beyond NR_CPUS of any kernel

    platform::settings_plan said_; // all but what it points to
    std::vector<platform::resource_limit> limits_;
    std::vector<unsigned long> processors_; // a bit each
    std::string cgroup_;
    std::string (child_settings::*in_words_)() const = nullptr;
};

} // namespace coproc::detail
