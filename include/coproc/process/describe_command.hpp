#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What a command says beside its words, in one line for people: for traces and for dry runs.
//
//     cwd /src, env +CC=clang -LANG, in null, out pipe, err > log

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/concat.hpp"
#include "../core/exit_status.hpp"
#include "../platform/system_numbers.hpp"
#include "child_settings.hpp"
#include "child_terminal.hpp"
#include "command.hpp"
#include "environment_block.hpp"
#include "reach.hpp"
#include "secret.hpp"
#include "session.hpp"
#include "stdio.hpp"
#include "terminal.hpp"
#include "words.hpp"

namespace coproc::detail {

/// As it stands but on one line, whatever is in it.
[[nodiscard, gnu::cold]] inline std::string on_one_line(std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) out += c;
        else out.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
    return out;
}

/// Pieces with commas between them.
class fact_list {
public:
    void add(std::initializer_list<piece> pieces) {
        if (!text_.empty()) text_ += ", ";
        text_ += concat(pieces);
    }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    std::string text_;
};

/// `+KEY=value` for what is set and `-KEY` for what is taken away, as it is in the end.
[[nodiscard, gnu::cold]] inline std::string describe_environment(const command& c) {
    std::string text = c.env_is_cleared() ? " cleared" : "";
    for (const command::env_change& change : c.env_changes()) {
        if (environment_block::last_word_on(c, change.key) != &change) continue;
        text.append(change.value ? " +" : " -").append(shell_quoted(change.key));
        if (change.value) text.append("=").append(change.secret ? std::string(hidden) : shell_quoted(*change.value));
    }
    return text;
}

/// What stands behind a stream that the child reads or writes.
[[nodiscard, gnu::cold]] inline std::string describe_stream(const stdio& what, bool child_reads) {
    if (const auto* file = what.as_file()) {
        return concat({child_reads ? "< " : file->append ? ">> " : "> ", shell_quoted(file->path)});
    }
    if (const auto* fd = what.as_fd()) return concat({"fd ", fd->get()});
    if (const auto* text = what.as_text()) return concat({"text of ", text->bytes.size(), " bytes"});
    if (what.as_sink() != nullptr) return "sink";
    if (const auto* targets = what.as_tee()) {
        std::string all = "tee";
        for (const stdio& target : *targets) {
            all.append(&target == targets->data() ? " (" : "; ").append(describe_stream(target, child_reads));
        }
        return all.append(")");
    }
    if (what.is(stdio::null)) return "null";
    if (what.is(stdio::pipe)) return "pipe";
    if (what.is(stdio::socket)) return "socket";
    if (what.is(stdio::to_out)) return "to out";
    if (what.is(stdio::to_err)) return "to err";
    return "inherit";
}

/// Of stdin, stdout or stderr; `unset` is what it is if the command says nothing of it.
[[nodiscard, gnu::cold]] inline std::string describe_stream(const command& c, std::size_t number, const stdio& unset) {
    if (is_terminal(c, number)) return "terminal";
    const std::optional<stdio>& said = c.stdio_of(number);
    return describe_stream(said ? *said : unset, number == 0);
}

[[gnu::cold]] inline void describe_descriptors(const command& c, fact_list& facts) {
    for (const auto& [number, more] : c.more_stdio()) {
        facts.add({more.child_reads ? "in " : "out ", number, " ", describe_stream(more.what, more.child_reads)});
    }
    for (const auto& [number, fd] : c.passed_fds()) {
        facts.add({"fd ", number, " from ", fd.get()});
    }
}

[[gnu::cold]] inline void describe_identity(const command::identity_change& as, fact_list& facts) {
    if (as.user) facts.add({"user ", *as.user});
    if (as.group) facts.add({"group ", *as.group});
    if (!as.groups) return;
    std::string groups;
    for (const gid_t group : *as.groups) groups.append(" ").append(detail::to_text(group));
    facts.add({"groups", groups.empty() ? " none" : groups});
}

[[gnu::cold]] inline void describe_session(const session_choice& session, fact_list& facts) {
    if (session.plan().is_new) return facts.add({"new session"});    // and so a new group
    if (session.plan().foreground) return facts.add({"foreground"}); // and so a new group
    if (session.has_own_group()) return facts.add({"new process group"});
    if (session.plan().group > 0) facts.add({"process group ", session.plan().group});
}

/// Where it is not what goes without saying.
[[gnu::cold]] inline void describe_reach(const command& c, fact_list& facts) {
    if (c.reach() == (c.session().has_own_group() ? reach::group : reach::process)) return;
    constexpr std::array<std::string_view, 4> names{"process", "group", "descendants", "cgroup"};
    facts.add({"reach ", names[static_cast<std::size_t>(c.reach())]});
}

[[gnu::cold]] inline void describe_terminal(const terminal& what, fact_list& facts) {
    using choice = platform::pty_modes::choice;
    const auto [rows, cols] = what.size();
    const choice echo = what.modes().echo;
    facts.add({"terminal ", rows, "x", cols, what.modes().raw ? " raw" : "",
               echo == choice::unsaid ? ""
               : echo == choice::on   ? " echo"
                                      : " no echo"});
}

/// All of it; `unset` is what a stream is that the command says nothing of. What a command can say anew belongs here.
[[nodiscard, gnu::cold]] inline std::string describe_extras(const command& c, const stdio& unset) {
    fact_list facts;
    if (c.arg0() != c.program()) facts.add({"arg0 ", shell_quoted(c.arg0())});
    if (!c.cwd().empty()) facts.add({"cwd ", shell_quoted(c.cwd())});
    if (const std::string changes = describe_environment(c); !changes.empty()) facts.add({"env", changes});
    constexpr std::array<std::string_view, 3> names{"in ", "out ", "err "};
    for (std::size_t number = 0; number < names.size(); ++number) {
        facts.add({names[number], describe_stream(c, number, unset)});
    }
    describe_descriptors(c, facts);
    describe_identity(c.identity(), facts);
    describe_session(c.session(), facts);
    if (c.on_terminal()) describe_terminal(*c.on_terminal(), facts);
    if (!c.settings().says_nothing()) facts.add({c.settings().in_words()});
    describe_reach(c, facts);
    if (c.inherits_signals()) facts.add({"signals inherited"});
    return facts.text();
}

} // namespace coproc::detail
