#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The environment of a child, as execve(2) takes it.

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/concat.hpp"
#include "../platform/environment.hpp"
#include "command.hpp"

namespace coproc::detail {

class environment_block {
public:
    explicit environment_block(const command& c) {
        if (c.env_changes().empty() && !c.env_is_cleared()) return; // ours, untouched and not copied
        build(c);
    }

    [[nodiscard]] char* const* get() const noexcept { return changed_ ? pointers_.data() : platform::environment(); }

    /// The PATH that the child will see, if it will see one.
    [[nodiscard]] static std::optional<std::string_view> search_path(const command& c) noexcept {
        if (const command::env_change* change = last_word_on(c, "PATH")) {
            return change->value ? std::optional<std::string_view>(*change->value) : std::nullopt;
        }
        const char* const inherited =
            c.env_is_cleared() ? nullptr : std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe)
        return inherited != nullptr ? std::optional<std::string_view>(inherited) : std::nullopt;
    }

    /// The one that counts; null if there is none.
    [[nodiscard]] static const command::env_change* last_word_on(const command& c, std::string_view key) noexcept {
        const command::env_change* last = nullptr;
        for (const auto& change : c.env_changes()) {
            if (change.key == key) last = &change;
        }
        return last;
    }

private:
    [[gnu::cold]] void build(const command& c) {
        changed_ = true;
        for (char** entry = platform::environment(); !c.env_is_cleared() && *entry != nullptr; ++entry) {
            const std::string_view text = *entry;
            if (last_word_on(c, text.substr(0, text.find('='))) == nullptr) pointers_.push_back(*entry);
        }
        const auto& changes = c.env_changes();
        strings_.reserve(changes.size()); // the pointers must hold
        for (const auto& change : changes) {
            if (last_word_on(c, change.key) != &change || !change.value) continue;
            strings_.push_back(concat({change.key, "=", *change.value}));
            pointers_.push_back(strings_.back().data());
        }
        pointers_.push_back(nullptr);
    }

    std::vector<std::string> strings_;
    std::vector<char*> pointers_;
    bool changed_ = false;
};

} // namespace coproc::detail
