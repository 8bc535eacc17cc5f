#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// command: what to run, as a value. It says nothing about when.
//
//     command build("make", "-j4");
//     build.cwd("/src").env("CC", "clang").err(stdio::file("log"));

#include <sys/types.h>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "accounts.hpp"
#include "child_settings.hpp"
#include "destroy.hpp"
#include "lent_fd.hpp"
#include "parse_words.hpp"
#include "reach.hpp"
#include "reached_family.hpp"
#include "run_rules.hpp"
#include "secret.hpp"
#include "session.hpp"
#include "stdio.hpp"
#include "terminal.hpp"
#include "words.hpp"

namespace coproc {

class command;
class event_loop;

namespace detail {

class numbered_streams;
class passed_fds;
class stdio_setup;

/// What sees to the descriptors from 3 on. A command that has some of them knows it, so that what is in here is a part
/// of those programs only that have such a command. (And the verbs that name it are templates: who includes this header
/// alone has not what is behind it.)
struct numbered_verbs {
    void (*require_open)(const command&);
    void (*gather)(passed_fds&, const command&, const stdio_setup&);
    void (*make_streams)(numbered_streams&, const command&, event_loop&);
};
[[nodiscard]] inline const numbered_verbs& numbered_descriptors() noexcept; // in numbered_stream.hpp

} // namespace detail

/// Copyable and reusable. Every verb returns the command itself, so they chain, on a named one and on a temporary, of
/// which `command c = command("x").arg("y")` makes a copy.
///
/// Words with a NUL byte, which no system can pass on, are refused where they are given: std::invalid_argument.
class command {
public:
    /// A variable to be set, or with no value to be removed.
    struct env_change {
        std::string key;
        std::optional<std::string> value;
        bool secret = false; ///< not to be shown
    };
    /// What stands behind a descriptor from 3 on.
    struct numbered_stdio {
        stdio what = stdio::inherit;
        bool child_reads = false;
    };
    /// What is not said stays as it is here.
    struct identity_change {
        std::optional<uid_t> user;
        std::optional<gid_t> group;
        std::optional<std::vector<gid_t>> groups;
    };

    /// A name is looked up in the PATH that the child will have; with a slash it is a path, relative to our directory,
    /// not to the child's. Arguments are passed on byte by byte; no shell is involved. Throws std::invalid_argument for
    /// an empty program.
    template <word Program, word_or_secret... Args>
    explicit command(const Program& program, const Args&... args) : program_(detail::checked(program, "program")) {
        if (program_.empty()) throw std::invalid_argument("the program of a command is empty");
        args_.reserve(sizeof...(Args));
        (arg(args), ...);
    }

    /// The words of a line, by the rules of a shell but without one: blanks between them, single and double quotes,
    /// backslashes. Nothing is expanded. What a shell would not take as it stands (operators, `$`, `*`, `?`, `[`,
    /// a `~` or `#` in front, `{a,b}`, `NAME=value` or a word like `if` in front, a newline) must be quoted: else
    /// std::invalid_argument names it and its offset, as it does for a quote that is never closed and a line without
    /// words. `parse(c.to_string())` gives the words of `c`.
    [[nodiscard]] static command parse(std::string_view line) {
        std::vector<std::string> all = detail::parse_words(line);
        command c(all.front());
        all.erase(all.begin());
        c.args_ = std::move(all);
        return c;
    }

    // ---- words ----

    template <word_or_secret Arg>
    command& arg(const Arg& a) {
        constexpr bool hidden = std::same_as<Arg, secret>;
        std::string text = detail::checked(a, "argument");
        if (hidden) secret_args_.reserve(secret_args_.size() + 1); // or it could be there and be shown
        args_.push_back(std::move(text));
        if (hidden) secret_args_.push_back(args_.size() - 1);
        return *this;
    }
    /// All of a range.
    template <class Range>
    command& args(const Range& range) {
        std::vector<std::string> more; // first all of it: the range may be our own words
        bool hidden = false;
        for (const auto& a : range) {
            more.push_back(detail::checked(a, "argument"));
            hidden = std::same_as<std::remove_cvref_t<decltype(a)>, secret>;
        }
        if (hidden) secret_args_.reserve(secret_args_.size() + more.size());
        args_.insert(args_.end(), more.begin(), more.end());
        for (std::size_t n = more.size(); hidden && n > 0; --n) secret_args_.push_back(args_.size() - n);
        return *this;
    }
    /// What the program finds as its own name, in place of the program's.
    template <word Name>
    command& arg0(const Name& name) {
        arg0_ = detail::checked(name, "argument");
        return *this;
    }

    // ---- environment ----

    /// Sets a variable. The last word on a key counts. Throws std::invalid_argument for an empty key or one with a `=`.
    template <word Key, word_or_secret Value>
    command& env(const Key& key, const Value& value) {
        constexpr bool hidden = std::same_as<Value, secret>;
        env_changes_.push_back({checked_key(key), detail::checked(value, "environment value"), hidden});
        return *this;
    }
    /// Takes a variable away that would be inherited.
    template <word Key>
    command& unset_env(const Key& key) {
        env_changes_.push_back({checked_key(key), std::nullopt});
        return *this;
    }
    /// Inherits nothing, and forgets what was set before.
    command& clear_env() {
        env_changes_.clear();
        env_cleared_ = true;
        return *this;
    }
    /// The directory to start in. Ours does not change.
    template <word Path>
    command& cwd(const Path& directory) {
        cwd_ = detail::checked(directory, "directory");
        if (cwd_.empty()) throw std::invalid_argument("the directory of a command is empty");
        return *this;
    }

    // ---- stdio ----

    /// Each throws std::invalid_argument for what makes no sense there: a merge of stdin or into itself, text to be
    /// written.
    command& in(stdio source) {
        check_input(source);
        return set_stdio(0, std::move(source));
    }
    command& out(stdio sink) { return set_output(1, std::move(sink), stdio::to_out, stdio::to_err); }
    command& err(stdio sink) { return set_output(2, std::move(sink), stdio::to_err, stdio::to_out); }

    /// The same for the descriptor that the child has under `number`, from 3 on: `in` for one that it reads, `out` for
    /// one that it writes, as a shell's `4<` and `3>`. What is piped is `in(number)` or `out(number)` of the
    /// async_process; `stdio::inherit` is our own descriptor of that number. The last word on a number counts, this or
    /// `pass_fd`.
    template <class = void>
    command& in(int number, stdio source) {
        check_input(source);
        return set_numbered(number, std::move(source), true);
    }
    template <class = void>
    command& out(int number, stdio sink) {
        check_output(sink);
        return set_numbered(number, std::move(sink), false);
    }

    /// The child finds `fd` under `number`, from 3 on, besides 0, 1 and 2: nothing else is open in it. Borrowed or
    /// owned as with `stdio::fd`; the last word on a number counts. Throws std::invalid_argument.
    template <class = void>
    command& pass_fd(int number, int fd) {
        return pass(number, detail::lent_fd(fd));
    }
    template <class = void>
    command& pass_fd(int number, unique_fd fd) {
        return pass(number, detail::lent_fd(std::move(fd)));
    }

    // ---- identity ----

    /// Whose rights the child has: user(2), group(2) and supplementary groups, by number, all three of them real,
    /// effective and saved. They are taken in the order that keeps nothing back (groups, group, user), in a child that
    /// shares no memory with us. Where a user or group is said and `groups` is not, the child has no supplementary
    /// groups at all; of a host that is not root and may not give them up, it has the host's. Another user gets none of
    /// the host's ambient capabilities (Linux). Needs the privilege; without it the start fails at
    /// spawn_stage::identity.
    /// Throws std::invalid_argument for a number that no identity has: -1, which means "unchanged" to the kernel, and
    /// one that would be another when cut down to an uid_t.
    ///
    /// A name is looked up at once, which may read files or ask a server, and means the number only: a user's name says
    /// nothing of groups. Throws std::invalid_argument for a name that nobody has; std::system_error where that could
    /// not be found out.
    template <class User>
    requires std::integral<User> || word<User> command& user(const User& who) {
        identity_.user = user_id(who);
        return *this;
    }
    template <class Group>
    requires std::integral<Group> || word<Group> command& group(const Group& which) {
        identity_.group = group_id(which);
        return *this;
    }
    /// Exactly these supplementary groups, numbers or names; an empty range is none.
    template <class Range>
    requires(!word<Range>) command& groups(const Range& which) {
        std::vector<gid_t> all;
        for (const auto& each : which) all.push_back(group_id(each));
        identity_.groups = std::move(all);
        return *this;
    }
    template <class Group>
    command& groups(std::initializer_list<Group> which) {
        return groups<std::initializer_list<Group>>(which);
    }

    // ---- settings ----

    // Each throws std::invalid_argument for a value that can mean nothing.

    /// What the child takes off the mode of files that it makes (umask(2)): 0 to 0777. Files that we make for its
    /// streams are made with this and with ours.
    template <std::integral Mode>
    command& umask(Mode mode) {
        settings_.umask(mode);
        return *this;
    }
    /// Added to our niceness, as by nice(1): above 0 it gives way to others, below 0 others to it, which needs the
    /// right to do so; without it the start fails at spawn_stage::priority.
    template <std::integral N>
    command& nice(N change) {
        settings_.nice(change);
        return *this;
    }
    /// The processors on which the child may run, by their numbers from 0: any range of them. Where none of them is
    /// there, or none is ours to use, the start fails at spawn_stage::affinity; of several Linux takes those that are
    /// (sched_setaffinity(2)). FreeBSD, too; elsewhere the start fails.
    template <class Range>
    command& affinity(const Range& processors) {
        settings_.affinity(processors);
        return *this;
    }
    template <std::integral Number>
    command& affinity(std::initializer_list<Number> processors) {
        settings_.affinity(processors);
        return *this;
    }
    /// How much of a resource, such as RLIMIT_NOFILE, the child may use (setrlimit(2)): the bound that holds, and how
    /// far it may raise that itself; RLIM_INFINITY is none. Where the hard limit is above ours and we have no right to
    /// that, the start fails at spawn_stage::limit. With `user`, RLIMIT_NPROC counts the processes of that one: where
    /// he has more already, exec fails (EAGAIN). The last word on a resource counts.
    template <std::integral Soft, std::integral Hard>
    command& limit(int resource, Soft soft, Hard hard) {
        settings_.limit(resource, soft, hard);
        return *this;
    }
    template <std::integral Bound>
    command& limit(int resource, Bound both) {
        return limit(resource, both, both);
    }
    /// The child gets this signal when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG): not when the
    /// process does, so that thread should be one that lives as long as the child. It does not last if the program has
    /// more rights than who executes it (set-user-ID, capabilities). Linux, and FreeBSD, where it is the process that
    /// counts; elsewhere the start fails at spawn_stage::parent_death.
    template <std::integral Signal>
    command& parent_death_signal(Signal number) {
        settings_.death_signal(number);
        return *this;
    }
    /// The child is a member of this cgroup (version 2) from before its program runs: the path of its directory, such
    /// as "/sys/fs/cgroup/jobs". If it cannot be, the start fails at spawn_stage::cgroup. Linux.
    template <word Path>
    command& cgroup(const Path& directory) {
        settings_.cgroup(detail::checked(directory, "cgroup"));
        return *this;
    }

    // ---- session ----

    /// The child leads a session of its own (setsid(2)), without a terminal, and in it a group.
    command& new_session() {
        session_.begin_session();
        families_ = &detail::reached_families();
        return *this;
    }
    /// The child leads a process group of its own: what is typed at our terminal does not signal it.
    command& new_process_group() {
        session_.make_group();
        families_ = &detail::reached_families();
        return *this;
    }
    /// The child is what a shell's command is that runs in the foreground, such as vi or less: it leads a process group
    /// of its own (`new_process_group`), and before its program runs that has the foreground of our controlling
    /// terminal. It may read from it and change it, and what is typed there signals it and not us. Its streams are what
    /// the command says: for such a program `stdio::inherit`, all three.
    ///
    /// When the child has been reaped, however it ended, the terminal is given back to the group that had it, unless
    /// somebody has handed it on to another group meanwhile. So also for a child that was let go (`destroy::detach`),
    /// as long as our loop runs; a loop that ends before such a child leaves it the terminal. A start that fails leaves
    /// the foreground as it was. Nobody asks whether we were in the foreground ourselves.
    ///
    /// This is no job control. A child that is stopped (Ctrl-Z) is neither told of nor continued and keeps the
    /// foreground, and the modes of the terminal are not restored after a child that has changed them and was killed.
    /// While it has the foreground we must not read from the terminal: SIGTTIN would stop us.
    ///
    /// Where we have no controlling terminal the start fails at spawn_stage::terminal. Throws usage_error together with
    /// `pty`, `new_session` or `process_group`.
    command& foreground() {
        session_.take_foreground();
        families_ = &detail::reached_families();
        return *this;
    }
    /// The child joins a group of our session, such as that of another child; if there is none of that number, the
    /// start fails at spawn_stage::session. The last word on a group counts. Throws std::invalid_argument for what is
    /// no group, 1 and less, and together with a new session.
    template <std::integral Id>
    command& process_group(Id id) {
        session_.join(id);
        return *this;
    }

    // ---- terminal ----

    /// A pseudo-terminal of this size is the child's stdin, stdout and stderr, as far as the command says nothing else
    /// of them, and the controlling terminal of a session of its own. `in()` types on it, `out()` reads what it shows
    /// (`err()` only if stdout is something else). Lines of it end with `\r\n`.
    ///
    /// It ends, for whoever reads it, when the child and whoever has it from the child have closed it; nothing that was
    /// shown before is lost. When our ends are closed, at the latest when the async_process is destroyed, the terminal
    /// hangs up: the child is sent SIGHUP.
    ///
    /// Until a terminal is raw it is made for humans: of a line of more than 4095 bytes the rest is dropped, and a
    /// child that asks for a password throws away what was typed before its prompt.
    ///
    /// Throws std::invalid_argument for less than 1 or more than 65535, and for a child that joins a group of ours.
    template <std::integral Rows = int, std::integral Cols = int>
    command& pty(Rows rows = terminal::usual_rows, Cols cols = terminal::usual_cols) {
        return pty(terminal(rows, cols));
    }
    /// The same, with its modes.
    command& pty(const terminal& what) {
        new_session();
        terminal_ = what;
        return *this;
    }

    // ---- signals ----

    /// The child begins as exec(2) would have it: what we block is blocked and what we ignore is ignored, as with
    /// nohup(1). Otherwise nothing is blocked and everything has its default, whatever we do; only a real-time signal
    /// may stay ignored, if we began to ignore it since another child was started within this millisecond (Linux).
    command& inherit_signals() {
        inherit_signals_ = true;
        return *this;
    }
    /// Besides those, these are blocked, or ignored, when its program begins: `ignore_signals(SIGHUP)`. Most programs
    /// leave it so; what is blocked stays pending. Each call adds to those before. Throws std::invalid_argument for
    /// what is no signal and for SIGKILL and SIGSTOP, which nothing holds up.
    template <std::integral Signal, std::integral... More>
    command& block_signals(Signal number, More... more) {
        settings_.block(number);
        (settings_.block(more), ...);
        return *this;
    }
    template <std::integral Signal, std::integral... More>
    command& ignore_signals(Signal number, More... more) {
        settings_.ignore(number);
        (settings_.ignore(more), ...);
        return *this;
    }

    // ---- life ----

    /// What becomes of the child when its async_process is destroyed: by default `destroy::kill`.
    command& on_destroy(destroy policy) {
        on_destroy_ = policy;
        return *this;
    }
    /// How far stopping, killing and destruction go: by default to the whole group where the child has one of its own
    /// (`new_process_group`, `new_session`), else to the process.
    command& reach(coproc::reach how_far) {
        reach_ = how_far;
        families_ = &detail::reached_families();
        return *this;
    }

    // ---- bounds ----

    /// How long the whole run may take, from the start. Then it is stopped: a timeout_error with all that was captured.
    /// These four bind `communicate` and what is made of it; who talks to the child himself keeps the time himself.
    /// Each throws std::invalid_argument for a negative duration, the first two for none at all.
    template <class Rep, class Period>
    command& timeout(std::chrono::duration<Rep, Period> d) {
        return rule(&detail::run_rules::timeout, positive(to_clock_duration(d), "timeout"));
    }
    /// How long it may be without output, on stdout, stderr and those from 3 on, as far as it comes to us: by a pipe, a
    /// socket, a sink or a tee, or on a terminal. Where none does, the start is a usage_error. (What a stage of a
    /// pipeline writes to the next one does not come to us: of those before the last stderr counts.)
    template <class Rep, class Period>
    command& idle_timeout(std::chrono::duration<Rep, Period> d) {
        return rule(&detail::run_rules::idle_timeout, positive(to_clock_duration(d), "idle_timeout"));
    }
    /// Between SIGTERM and SIGKILL, where it has to be stopped (5 s). Zero: SIGKILL at once.
    template <class Rep, class Period>
    command& grace(std::chrono::duration<Rep, Period> d) {
        return rule(&detail::run_rules::grace, not_negative(to_clock_duration(d), "grace"));
    }
    /// How long pipes that somebody else still holds when the child has ended are read on (1 s).
    template <class Rep, class Period>
    command& drain(std::chrono::duration<Rep, Period> d) {
        return rule(&detail::run_rules::drain, not_negative(to_clock_duration(d), "drain"));
    }

    /// What is kept of stdout and stderr, or of one of them, by `communicate` and what is made of it.
    command& capture(const coproc::capture& what) { return capture_out(what).capture_err(what); }
    command& capture_out(const coproc::capture& what) { return rule(&detail::run_rules::out, what); }
    command& capture_err(const coproc::capture& what) { return rule(&detail::run_rules::err, what); }

    // ---- judgement ----

    /// However it ends is all right: `result::check` throws nothing.
    command& unchecked() { return rule(&detail::run_rules::accepted, judgement::unchecked()); }
    /// An exit with one of these codes is all right, and nothing else. Throws std::invalid_argument for a code that no
    /// process can have: 0 to 255.
    template <std::same_as<int>... Codes>
    command& ok_codes(int code, Codes... more) {
        return rule(&detail::run_rules::accepted, judgement({checked_code(code), checked_code(more)...}));
    }

    // ---- what was said ----

    [[nodiscard]] const std::string& program() const noexcept { return program_; }
    /// As the child finds them, also those that are secret; in another command they are plain words.
    [[nodiscard]] const std::vector<std::string>& args() const noexcept { return args_; }
    /// Which of them are, by rising number.
    [[nodiscard]] const std::vector<std::size_t>& secret_args() const noexcept { return secret_args_; }
    [[nodiscard]] const std::string& arg0() const noexcept { return arg0_ ? *arg0_ : program_; }
    /// With the values that are secret.
    [[nodiscard]] const std::vector<env_change>& env_changes() const noexcept { return env_changes_; }
    [[nodiscard]] bool env_is_cleared() const noexcept { return env_cleared_; }
    /// Empty: ours.
    [[nodiscard]] const std::string& cwd() const noexcept { return cwd_; }
    /// Of 0, 1 or 2, if it was said.
    [[nodiscard]] const std::optional<stdio>& stdio_of(std::size_t number) const { return stdio_.at(number); }
    /// By rising number.
    [[nodiscard]] const std::vector<std::pair<int, detail::lent_fd>>& passed_fds() const noexcept {
        return passed_fds_;
    }
    /// What `in(number, …)` and `out(number, …)` have said and no descriptor of ours is; by rising number.
    [[nodiscard]] const std::vector<std::pair<int, numbered_stdio>>& more_stdio() const noexcept { return more_stdio_; }
    /// Null: there are none of either.
    [[nodiscard]] const detail::numbered_verbs* numbered() const noexcept { return numbered_; }
    [[nodiscard]] const identity_change& identity() const noexcept { return identity_; }
    [[nodiscard]] const detail::child_settings& settings() const noexcept { return settings_; }
    [[nodiscard]] const detail::session_choice& session() const noexcept { return session_; }
    [[nodiscard]] const std::optional<terminal>& on_terminal() const noexcept { return terminal_; }
    [[nodiscard]] bool inherits_signals() const noexcept { return inherit_signals_; }
    [[nodiscard]] const destroy& on_destroy() const noexcept { return on_destroy_; }
    /// Null: nobody but the child is reached.
    [[nodiscard]] const detail::family_maker* families() const noexcept { return families_; }
    [[nodiscard]] coproc::reach reach() const noexcept {
        if (reach_) return *reach_;
        return session_.has_own_group() ? coproc::reach::group : coproc::reach::process;
    }
    [[nodiscard]] const detail::run_rules& rules() const noexcept { return rules_ ? *rules_ : detail::usual_rules(); }
    /// Null: the usual ones. Never changed once they are made.
    [[nodiscard]] const std::shared_ptr<const detail::run_rules>& shared_rules() const noexcept { return rules_; }

    /// Program and arguments in one line, which a shell would read back as the same words; but a secret is ***.
    [[nodiscard]] std::string to_string() const { return detail::to_command_line(words(), secret_args_); }

    /// Program and arguments, a NUL between each two of them, and *** for each secret.
    [[nodiscard]] std::string words() const {
        std::size_t size = program_.size();
        for (const std::string& a : args_) size += 1 + a.size();
        std::string all;
        all.reserve(size + detail::hidden.size() * secret_args_.size());
        all += program_;
        auto next_secret = secret_args_.begin();
        for (std::size_t number = 0; number < args_.size(); ++number) {
            const bool secret = next_secret != secret_args_.end() && *next_secret == number;
            if (secret) ++next_secret;
            all.append(1, '\0').append(secret ? detail::hidden : std::string_view(args_[number]));
        }
        return all;
    }

private:
    template <word Key>
    static std::string checked_key(const Key& key) {
        std::string text = detail::checked(key, "environment key");
        if (text.empty()) throw std::invalid_argument("an environment key is empty");
        if (text.find('=') != std::string::npos) {
            throw std::invalid_argument(detail::concat({"the environment key ", in_quotes(text), " contains a '='"}));
        }
        return text;
    }
    command& set_stdio(std::size_t number, stdio what) {
        stdio_[number] = std::move(what);
        return *this;
    }
    command& set_output(std::size_t number, stdio sink, stdio::kind itself, stdio::kind other) {
        if (sink.is(itself)) throw std::invalid_argument("an output cannot be merged into itself");
        const std::optional<stdio>& there = stdio_[3 - number];
        if (sink.is(other) && there && there->is(itself)) {
            throw std::invalid_argument("stdout and stderr cannot each be merged into the other");
        }
        check_output(sink);
        return set_stdio(number, std::move(sink));
    }
    static void check_input(const stdio& source) {
        if (source.is(stdio::to_out) || source.is(stdio::to_err)) throw std::invalid_argument("stdin cannot be merged");
        if (source.as_file() != nullptr && source.as_file()->append) {
            throw std::invalid_argument("stdin cannot be appended to");
        }
        if (source.as_sink() != nullptr || source.as_tee() != nullptr) {
            throw std::invalid_argument("a sink or a tee is for outputs");
        }
    }
    static void check_output(const stdio& sink) {
        if (sink.as_text() != nullptr) throw std::invalid_argument("text is for stdin");
    }
    template <class = void>
    command& set_numbered(int number, stdio what, bool child_reads) {
        if (const detail::lent_fd* const fd = what.as_fd()) return pass(number, *fd);
        check_number(number);
        if (what.is(stdio::inherit)) return pass(number, detail::lent_fd(number));
        numbered_ = &detail::numbered_descriptors();
        entry(more_stdio_, number) = {std::move(what), child_reads};
        forget(passed_fds_, number);
        return *this;
    }
    template <class = void>
    command& pass(int number, detail::lent_fd fd) {
        check_number(number);
        numbered_ = &detail::numbered_descriptors();
        entry(passed_fds_, number) = std::move(fd);
        forget(more_stdio_, number);
        return *this;
    }
    static void check_number(int number) {
        if (number >= 3) return;
        throw std::invalid_argument(
            detail::concat({"descriptor ", number, " cannot be passed: from 3 on; 0 to 2 are in, out, err"}));
    }
    // In a list by rising number. (Not a map: that takes longer to compile than to use.)
    template <class T>
    static T& entry(std::vector<std::pair<int, T>>& all, int number) {
        auto at = all.begin();
        while (at != all.end() && at->first < number) ++at;
        if (at == all.end() || at->first != number) at = all.emplace(at, number, T());
        return at->second;
    }
    template <class T>
    static void forget(std::vector<std::pair<int, T>>& all, int number) {
        std::erase_if(all, [=](const auto& one) { return one.first == number; });
    }
    template <class Id, std::integral Given>
    static Id checked_id(Given given, const char* what) {
        const Id id = static_cast<Id>(given);
        if (std::in_range<Id>(given) && id != static_cast<Id>(-1)) return id;
        throw std::invalid_argument(detail::concat({given, " is no ", what}));
    }

    template <class User>
    static uid_t user_id(const User& who) {
        if constexpr (word<User>) return detail::user_called(detail::checked(who, "user"));
        else return checked_id<uid_t>(who, "user");
    }
    template <class Group>
    static gid_t group_id(const Group& which) {
        if constexpr (word<Group>) return detail::group_called(detail::checked(which, "group"));
        else return checked_id<gid_t>(which, "group");
    }

    // Copies of the command, and the children of each, may share them.
    template <class T>
    command& rule(T detail::run_rules::*which, const T& value) {
        auto changed = std::make_shared<detail::run_rules>(rules());
        (*changed).*which = value;
        rules_ = std::move(changed);
        return *this;
    }
    static platform::clock::duration not_negative(platform::clock::duration d, std::string_view what) {
        if (d >= platform::clock::duration::zero()) return d;
        throw std::invalid_argument(detail::concat({"the ", what, " of a command is negative"}));
    }
    static platform::clock::duration positive(platform::clock::duration d, std::string_view what) {
        if (d != platform::clock::duration::zero()) return not_negative(d, what);
        throw std::invalid_argument(detail::concat({"the ", what, " of a command is zero"}));
    }
    static int checked_code(int code) {
        if (code >= 0 && code <= 255) return code;
        throw std::invalid_argument(detail::concat({code, " is no exit code: 0 to 255"}));
    }

    std::string program_;
    std::vector<std::string> args_;
    std::vector<std::size_t> secret_args_;
    std::optional<std::string> arg0_;
    std::vector<env_change> env_changes_;
    std::string cwd_;
    std::array<std::optional<stdio>, 3> stdio_;
    std::vector<std::pair<int, detail::lent_fd>> passed_fds_;
    std::vector<std::pair<int, numbered_stdio>> more_stdio_;
    identity_change identity_;
    std::shared_ptr<const detail::run_rules> rules_; // null: the usual ones
    detail::child_settings settings_;
    detail::session_choice session_;
    std::optional<terminal> terminal_;
    destroy on_destroy_ = destroy::kill;
    std::optional<coproc::reach> reach_;
    const detail::family_maker* families_ = nullptr;
    const detail::numbered_verbs* numbered_ = nullptr;
    bool env_cleared_ = false;
    bool inherit_signals_ = false;
};

} // namespace coproc
