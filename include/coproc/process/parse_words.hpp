#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The words of a line, as a shell takes them apart (POSIX, Shell Command Language, 2.2 and 2.3), and nothing else of a
// shell. What only a shell could do with them is refused, never passed over.

#include <cstddef>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "words.hpp"

namespace coproc::detail {

/// One line, from left to right. Each of the functions that read takes what stands at `at_` and goes on behind it.
class word_splitter {
public:
    explicit word_splitter(std::string_view line) noexcept : line_(line) {}

    /// Throws std::invalid_argument.
    [[nodiscard]] std::vector<std::string> split() {
        if (const std::size_t nul = line_.find('\0'); nul != line_.npos) {
            complain({"the NUL byte at offset ", nul, " can be in no word"});
        }
        while (at_ < line_.size()) read();
        end_word();
        if (words_.empty()) complain({"it has none"});
        return std::move(words_);
    }

private:
    // ---- what there is ----

    void read() {
        switch (line_[at_]) {
        case ' ':
        case '\t':
            end_word();
            ++at_;
            return;
        case '\'': return read_single_quotes();
        case '"': return read_double_quotes();
        case '\\': return read_backslash();
        default: return read_plain();
        }
    }

    void read_single_quotes() {
        const std::size_t end = line_.find('\'', at_ + 1);
        if (end == line_.npos) never_closed(at_);
        take_quoted(line_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
    }

    void read_double_quotes() {
        const std::size_t begin = at_++;
        take_quoted({});
        for (; at_ < line_.size(); ++at_) {
            const char c = line_[at_];
            if (c == '"') return static_cast<void>(++at_);
            if (c == '$' || c == '`') refuse(line_.substr(at_, 1), at_);
            // A backslash counts only where it takes a meaning away.
            const bool escape = c == '\\' && at_ + 1 < line_.size() && is_in(line_[at_ + 1], "$`\"\\\n");
            if (escape) ++at_;
            if (!escape || line_[at_] != '\n') take_quoted(line_.substr(at_, 1));
        }
        never_closed(begin);
    }

    void read_backslash() {
        if (at_ + 1 == line_.size()) complain({"the backslash at its end quotes nothing"});
        if (line_[at_ + 1] != '\n') take_quoted(line_.substr(at_ + 1, 1)); // else the line goes on as if it were one
        at_ += 2;
    }

    void read_plain() {
        const char c = line_[at_];
        if (is_for_a_shell(c)) refuse(line_.substr(at_, 1), at_);
        if (c == '=' && words_.empty() && plain_ && is_name(word_)) refuse_assignment();
        watch_braces(c);
        if (!begun_) begin_ = at_;
        begun_ = true;
        word_ += c;
        ++at_;
    }

    void take_quoted(std::string_view bytes) {
        if (!begun_) begin_ = at_;
        begun_ = true;
        plain_ = false;
        word_ += bytes;
    }

    void end_word() {
        if (!begun_) return;
        // A program may well be called time.
        if (words_.empty() && plain_ && word_ != "time" && (is_reserved(word_) || word_ == "{" || word_ == "}")) {
            refuse(word_, begin_);
        }
        if (words_.empty() && plain_ && word_ == "!") refuse(word_, begin_);
        words_.push_back(std::exchange(word_, {}));
        begun_ = false;
        plain_ = true;
        braces_ = {};
    }

    // ---- what is not for us ----

    // Operators, comments and expansions. Where a shell takes it as it stands it is a character as any other: `~` and
    // `#` inside of a word, `[` as the name of a program.
    [[nodiscard]] bool is_for_a_shell(char c) const noexcept {
        if (c == '#' || c == '~') return !begun_;
        if (c == '[') return begun_ || (at_ + 1 < line_.size() && !is_in(line_[at_ + 1], " \t"));
        return is_in(c, "|&;<>()$`*?\n");
    }

    // {a,b} and {1..9}, which many shells expand, also some that are /bin/sh; but not the {} of find and the @{1} of
    // git. Where a comma lies between braces that do not match, they have their own ways to see a pair.
    void watch_braces(char c) {
        if (c == '{') {
            if (!braces_.seen) braces_.first = at_;
            braces_.last = at_;
            braces_.seen = braces_.open = true;
            braces_.range = false;
        } else if (c == ',') {
            braces_.comma = braces_.seen;
        } else if (c == '.' && at_ > 0 && line_[at_ - 1] == '.') {
            braces_.range = braces_.open;
        } else if (c == '}') {
            if (braces_.comma || braces_.range) refuse("{", braces_.comma ? braces_.first : braces_.last);
            braces_.open = false;
        }
    }

    [[nodiscard]] static bool is_in(char c, std::string_view set) noexcept { return set.find(c) != set.npos; }

    // As far as a `=`, or the `+=` of many shells.
    [[nodiscard]] static bool is_name(std::string_view text) noexcept {
        constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
        if (text.ends_with('+')) text.remove_suffix(1);
        if (text.empty() || (text.front() >= '0' && text.front() <= '9')) return false;
        return text.find_first_not_of(letters) == text.npos;
    }

    [[noreturn]] void refuse(std::string_view what, std::size_t offset) const {
        complain({"the unquoted ", what == "\n" ? std::string("newline") : in_quotes(what), " at offset ", offset,
                  " is for a shell: quote it, or use shell()"});
    }
    [[noreturn]] void refuse_assignment() const {
        complain({"the assignment to ", word_, " at offset ", begin_, " is for a shell: use env(), or quote it"});
    }
    [[noreturn]] void never_closed(std::size_t offset) const {
        complain({"the ", in_quotes(line_.substr(offset, 1)), " at offset ", offset, " is never closed"});
    }
    [[noreturn]] void complain(std::initializer_list<piece> what) const {
        throw std::invalid_argument(concat({"cannot take the words of ", in_quotes(line_), ": ", concat(what)}));
    }

    std::string_view line_;
    std::size_t at_ = 0;
    std::vector<std::string> words_;
    std::string word_;      // the one that is being read
    std::size_t begin_ = 0; // where it began
    bool begun_ = false;    // an empty one, too: ''
    bool plain_ = true;     // nothing of it was quoted

    // Of the word that is being read.
    struct {
        std::size_t first = 0, last = 0;
        bool seen = false;
        bool open = false; // the last one
        bool comma = false, range = false;
    } braces_;
};

/// At least one. Throws std::invalid_argument, which names what cannot be taken and its offset.
[[nodiscard]] inline std::vector<std::string> parse_words(std::string_view line) { return word_splitter(line).split(); }

} // namespace coproc::detail
