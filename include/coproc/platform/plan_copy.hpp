#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// A spawn_plan with everything that it points to, for a child that reads it while we go on.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "spawn_plan.hpp"

namespace coproc::platform {

/// Keeps its memory for the next plan.
class plan_copy {
public:
    [[nodiscard]] const spawn_plan& plan() const noexcept { return plan_; }

    /// All but the identity, which is for children that share no memory. Throws std::bad_alloc.
    void assign(const spawn_plan& from) {
        const std::size_t argc = count(from.argv);
        const std::size_t envc = count(from.envp);
        const std::size_t pointers = (argc + 1 + envc + 1) * sizeof(char*);
        settings_ = from.settings == nullptr ? settings_plan() : *from.settings;
        const std::size_t limits = settings_.limit_count * sizeof(resource_limit);
        const std::size_t processors = settings_.processor_words * sizeof(unsigned long);
        const std::size_t passed = from.passed_count * sizeof(passed_fd);
        reserve(pointers + limits + processors + passed + text_size(from.path) + text_size(from.cwd) +
                text_size(settings_.cgroup) + text_size(from.argv) + text_size(from.envp));

        plan_ = from;
        plan_.as = nullptr;
        if (from.settings != nullptr) plan_.settings = &settings_;
        auto** const words = reinterpret_cast<char**>(memory_.get());
        auto* const bounds = reinterpret_cast<resource_limit*>(memory_.get() + pointers);
        auto* const mask = reinterpret_cast<unsigned long*>(memory_.get() + pointers + limits);
        auto* const fds = reinterpret_cast<passed_fd*>(memory_.get() + pointers + limits + processors);
        free_ = memory_.get() + pointers + limits + processors + passed;
        plan_.argv = copy(from.argv, words);
        plan_.envp = copy(from.envp, words + argc + 1);
        plan_.passed = fds;
        std::copy_n(from.passed, from.passed_count, fds);
        plan_.path = copy(from.path);
        plan_.cwd = copy(from.cwd);
        std::copy_n(settings_.limits, settings_.limit_count, bounds);
        settings_.limits = bounds;
        if (settings_.processors != nullptr) {
            std::copy_n(settings_.processors, settings_.processor_words, mask);
            settings_.processors = mask;
        }
        settings_.cgroup = copy(settings_.cgroup);
    }

private:
    static std::size_t count(char* const* words) noexcept {
        std::size_t n = 0;
        while (words[n] != nullptr) ++n;
        return n;
    }
    static std::size_t text_size(const char* text) noexcept { return text == nullptr ? 0 : std::strlen(text) + 1; }
    static std::size_t text_size(char* const* words) noexcept {
        std::size_t size = 0;
        for (; *words != nullptr; ++words) size += text_size(*words);
        return size;
    }

    void reserve(std::size_t size) {
        if (size <= capacity_) return;
        memory_.reset(new char[size]); // aligned as for anything
        capacity_ = size;
    }

    char* copy(const char* text) noexcept {
        if (text == nullptr) return nullptr;
        char* const made = free_;
        free_ = ::stpcpy(made, text) + 1;
        return made;
    }
    char* const* copy(char* const* words, char** to) noexcept {
        char** next = to;
        for (; *words != nullptr; ++words) *next++ = copy(*words);
        *next = nullptr;
        return to;
    }

    spawn_plan plan_;
    settings_plan settings_;
    std::unique_ptr<char[]> memory_;
    std::size_t capacity_ = 0;
    char* free_ = nullptr;
};

} // namespace coproc::platform
