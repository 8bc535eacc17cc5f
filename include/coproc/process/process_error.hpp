#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Errors that come with the result of a child.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "result.hpp"

namespace coproc {

/// A child ended otherwise than it should have. `subject()` is its command line.
class process_error : public error {
public:
    /// All that is known of it, with what it had written.
    [[nodiscard]] const coproc::result& result() const noexcept { return *result_; }

protected:
    process_error(std::shared_ptr<const coproc::result> r, std::string_view detail, errc code)
        : error("run", r->command_line, detail, code), result_(std::move(r)) {}

private:
    std::shared_ptr<const coproc::result> result_;
};

/// Its exit status was not accepted.
class exit_error : public process_error {
public:
    explicit exit_error(coproc::result r) : exit_error(std::make_shared<const coproc::result>(std::move(r))) {}

private:
    explicit exit_error(const std::shared_ptr<const coproc::result>& r)
        : process_error(r, describe(*r), errc::unsuccessful) {}

    // The end of stderr is where programs say why.
    static std::string describe(const coproc::result& r) {
        constexpr std::size_t longest = 1024;
        std::string text = r.status.to_string();
        std::string_view tail = r.err;
        const bool cut = tail.size() > longest;
        if (cut) tail.remove_prefix(tail.size() - longest);
        while (tail.ends_with('\n')) tail.remove_suffix(1);
        if (!tail.empty()) text.append(cut ? ", stderr ends " : ", stderr ").append(in_quotes(tail));
        return text;
    }
};

inline const result& result::check() const& {
    if (!status.success()) throw exit_error(*this);
    return *this;
}
inline result result::check() && {
    if (!status.success()) throw exit_error(std::move(*this));
    return std::move(*this);
}

} // namespace coproc
