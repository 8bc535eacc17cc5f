#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// dry_run: what a start would do, without doing it.
//
//     const start_plan plan = dry_run(command("cc", "-c", "x.c").cwd("/src").env("LANG", "C"));
//     plan.file;          // /usr/bin/cc
//     plan.to_string();   // cc -c x.c  (file /usr/bin/cc, cwd /src, env +LANG=C, in pipe, out pipe, err pipe)

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../io/capture.hpp"
#include "child_fds.hpp"
#include "child_terminal.hpp"
#include "command.hpp"
#include "describe_command.hpp"
#include "environment_block.hpp"
#include "process_error.hpp"
#include "run_rules.hpp"
#include "spawn.hpp"
#include "stdio.hpp"
#include "words.hpp"

namespace coproc {

/// A child as it would begin. Its members hold what is secret as it is; `to_string()` does not.
struct start_plan {
    command what;                         ///< with all that it says
    std::string file;                     ///< what would be executed, found as a start finds it
    std::vector<std::string> argv;        ///< the first is the program's own name
    std::vector<std::string> environment; ///< all of it, each `key=value`
    std::string cwd;                      ///< the directory it would be in, absolute
    std::array<std::string, 3> streams;   ///< stdin, stdout, stderr: "null", "pipe", "< path", "> path" …

    /// One line: the command, and between brackets what else it says.
    [[nodiscard]] const std::string& to_string() const noexcept { return shown_; }

private:
    friend start_plan dry_run(const command&, const stdio&);
    explicit start_plan(const command& c) : what(c) {}

    std::string shown_;
};

namespace detail {

/// What chdir(2) would say, and execve(2), as far as that can be asked without doing it.
inline void require_directory(const command& c) {
    if (c.cwd().empty()) return;
    struct stat about {};
    int error = ::stat(c.cwd().c_str(), &about) == 0 ? 0 : errno;
    if (error == 0 && !S_ISDIR(about.st_mode)) error = ENOTDIR;
    if (error == 0 && !c.identity().user && ::access(c.cwd().c_str(), X_OK) != 0) error = errno;
    if (error == 0) return;
    throw spawn_error(spawn_stage::cwd, c.program(),
                      concat({"changing to the directory ", in_quotes(c.cwd()), " failed"}),
                      {error, std::system_category()});
}
inline void require_program(const command& c, const char* file) {
    struct stat about {};
    int error = ::stat(file, &about) == 0 ? 0 : errno;
    if (error == 0 && !S_ISREG(about.st_mode)) error = EACCES;
    if (error == 0 && !c.identity().user && ::access(file, X_OK) != 0) error = errno;
    if (error == 0) return;
    throw spawn_error(spawn_stage::exec, c.program(), "exec failed", {error, std::system_category()});
}

[[nodiscard]] inline std::string absolute(std::string_view path) {
    if (path.empty()) return working_directory();
    return path.starts_with('/') ? std::string(path) : concat({working_directory(), "/", path});
}

[[nodiscard]] inline std::vector<std::string> strings_of(char* const* list) {
    std::vector<std::string> all;
    for (; *list != nullptr; ++list) all.emplace_back(*list);
    return all;
}

[[nodiscard]] inline std::string describe(const capture& what) {
    if (what.is_limit()) return concat({"all up to ", what.head_bytes(), " bytes"});
    if (what.tail_bytes() == 0) return concat({"the first ", what.head_bytes(), " bytes"});
    if (what.head_bytes() == 0) return concat({"the last ", what.tail_bytes(), " bytes"});
    return concat({"the first ", what.head_bytes(), " and the last ", what.tail_bytes(), " bytes"});
}

/// What is not as usual of how long it may take, what is kept of it and what counts as a success.
[[nodiscard]] inline std::string describe_rules(const run_rules& said) {
    fact_list facts;
    const run_rules& usual = usual_rules();
    if (said.timeout != usual.timeout) facts.add({"timeout ", duration_text(said.timeout)});
    if (said.idle_timeout != usual.idle_timeout) facts.add({"idle timeout ", duration_text(said.idle_timeout)});
    if (said.grace != usual.grace) facts.add({"grace ", duration_text(said.grace)});
    if (said.drain != usual.drain) facts.add({"drain ", duration_text(said.drain)});
    if (said.out != usual.out) facts.add({"capture of out ", describe(said.out)});
    if (said.err != usual.err) facts.add({"capture of err ", describe(said.err)});
    if (said.accepted.is_unchecked()) {
        facts.add({"unchecked"});
    } else if (!said.accepted.is_usual()) {
        std::string codes;
        for (const int code : said.accepted.ok_codes()) codes.append(" ").append(to_text(code));
        facts.add({"ok codes", codes});
    }
    return facts.text();
}

} // namespace detail

/// Looks up the program and the directory and puts together what the child would be given; opens, makes and starts
/// nothing. `unset` is what a stream is that the command says nothing of: a pipe, as for async_process.
///
/// Throws the spawn_error of a start where the program or the directory is not there, or a descriptor that is borrowed
/// is not open, or what the command reaches cannot be reached, or there is no terminal whose foreground it could have;
/// usage_error where it contradicts itself. What only doing it shows is not seen: files for the streams that cannot be
/// opened, rights that we do not have, a script without its interpreter.
[[nodiscard]] inline start_plan dry_run(const command& c, const stdio& unset = stdio::pipe) {
    const detail::program_file file(c);
    detail::require_open(c);
    detail::require_a_stream_on_terminal(c);
    detail::require_reach(c);
    detail::require_heard(c, unset);
    static_cast<void>(detail::foreground_for(c));
    detail::require_directory(c);
    detail::require_program(c, file.name());

    start_plan plan(c);
    plan.file = file.name();
    plan.argv = detail::strings_of(detail::argument_vector(c).get());
    plan.environment = detail::strings_of(detail::environment_block(c).get());
    plan.cwd = detail::absolute(c.cwd());
    for (std::size_t number = 0; number < plan.streams.size(); ++number) {
        plan.streams[number] = detail::describe_stream(c, number, unset);
    }
    const std::string rules = detail::describe_rules(c.rules());
    plan.shown_ =
        detail::on_one_line(detail::concat({c.to_string(), "  (file ", shell_quoted(plan.file), ", ",
                                            detail::describe_extras(c, unset), rules.empty() ? "" : ", ", rules, ")"}));
    return plan;
}

} // namespace coproc
