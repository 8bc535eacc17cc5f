#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// decode_error: bytes that are not what they were taken for, and where.
//
//     cannot decode JSON of "lsblk -J": expected ',' or '}' at byte 17 (line 2, column 5) near "...": malformed

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "utf8.hpp"

namespace coproc {

/// `subject()` is the command line of the child that wrote the bytes, or what was to be decoded if they are no child's.
class decode_error : public error {
public:
    struct place {
        std::size_t offset = 0; ///< of the first byte that is wrong, from 0
        std::size_t line = 0;   ///< from 1; 0: not known
        std::size_t column = 0; ///< in characters, from 1; 0: not known
        std::string excerpt;    ///< what is around it

        /// The byte at `offset`, or the end, of all that there is; one beyond it has the line and column of the end.
        [[nodiscard]] static place in(std::string_view whole, std::size_t offset) {
            const std::string_view before = whole.substr(0, offset);
            const std::size_t line_begin = before.rfind('\n') + 1; // npos + 1 is 0
            return {offset, 1 + count(before, [](char c) { return c == '\n'; }),
                    1 + count(before.substr(line_begin), [](char c) { return !detail::is_utf8_continuation(c); }),
                    around(whole, offset)};
        }

        /// Up to 24 bytes on either side of `offset`, characters whole.
        [[nodiscard]] static std::string around(std::string_view whole, std::size_t offset) {
            constexpr std::size_t side = 24;
            offset = std::min(offset, whole.size()); // one who has miscounted is to be told of what he found
            std::size_t first = offset - std::min(side, offset);
            std::size_t last = std::min(whole.size(), offset + side);
            for (int i = 0; i < 3 && first < offset && first > 0 && detail::is_utf8_continuation(whole[first]); ++i) {
                ++first;
            }
            for (int i = 0; i < 3 && last > offset && last < whole.size() && detail::is_utf8_continuation(whole[last]);
                 ++i) {
                --last;
            }
            return std::string(whole.substr(first, last - first));
        }

    private:
        template <class Kind>
        static std::size_t count(std::string_view text, Kind kind) {
            return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), kind));
        }
    };

    /// `format` is what the bytes were taken for ("JSON", "UTF-8"), `problem` what is wrong with them.
    decode_error(const std::string& format, std::string_view problem, place where)
        : decode_error(std::string(problem), format, std::move(where), std::string()) {}
    decode_error(const std::string& format, std::string_view problem, std::string_view whole, std::size_t offset)
        : decode_error(format, problem, place::in(whole, offset)) {}

    /// In bytes, from 0: of the first one that is wrong, or of the end if something is missing there.
    [[nodiscard]] std::size_t offset() const noexcept { return facts_->where.offset; }
    /// From 1; 0 where it is not known.
    [[nodiscard]] std::size_t line() const noexcept { return facts_->where.line; }
    /// In characters, from 1; 0 where it is not known.
    [[nodiscard]] std::size_t column() const noexcept { return facts_->where.column; }
    /// What is around that place, as it is.
    [[nodiscard]] const std::string& excerpt() const noexcept { return facts_->where.excerpt; }
    /// What the bytes were taken for.
    [[nodiscard]] const std::string& format() const noexcept { return facts_->format; }
    /// What is wrong: "expected ',' or '}'".
    [[nodiscard]] const std::string& problem() const noexcept { return facts_->problem; }

    /// The same, with the command line of whoever wrote the bytes: `throw e.of(p.command_line())`.
    [[nodiscard]] decode_error of(const std::string& command_line) const {
        return {facts_->problem, facts_->format, facts_->where, command_line};
    }
    /// The same, with another place: of what is part of something larger.
    [[nodiscard]] decode_error at(place where) const {
        const std::string of_child = subject() == facts_->format ? std::string() : subject();
        return {facts_->problem, facts_->format, std::move(where), of_child};
    }

private:
    struct facts {
        std::string problem, format;
        place where;
    };

    // By reference: the words are put together from what is moved afterwards.
    decode_error(std::string problem, const std::string& format, place where, const std::string& command_line)
        : error(command_line.empty() ? "decode" : detail::concat({"decode ", format, " of"}),
                command_line.empty() ? format : command_line, word(problem, where), errc::malformed),
          facts_(std::make_shared<const facts>(facts{std::move(problem), format, std::move(where)})) {}

    [[gnu::cold]] static std::string word(std::string_view problem, const place& where) {
        std::string text = detail::concat({problem, " at byte ", where.offset});
        if (where.line != 0 && where.column != 0) {
            text += detail::concat({" (line ", where.line, ", column ", where.column, ")"});
        } else if (where.line != 0) {
            text += detail::concat({" of line ", where.line});
        }
        if (!where.excerpt.empty()) text.append(" near ").append(in_visible_quotes(where.excerpt));
        return text;
    }

    // What is no UTF-8 would be lost on a terminal, and here it is what matters.
    static std::string in_visible_quotes(std::string_view text) {
        std::string out = "\"";
        while (!text.empty()) {
            const std::size_t length = detail::utf8_prefix(text);
            std::string part = in_quotes(text.substr(0, length));
            out.append(part, 1, part.size() - 2);
            text.remove_prefix(length);
            if (text.empty()) break;
            const auto byte = static_cast<unsigned char>(text.front());
            out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
            text.remove_prefix(1);
        }
        return out.append("\"");
    }
    static constexpr char digits[] = "0123456789abcdef";

    std::shared_ptr<const facts> facts_;
};

} // namespace coproc
