#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// The descriptors of a child: what each of them is made of, opened or copied before the child is.

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../platform/nameless_file.hpp"
#include "../platform/pipe.hpp"
#include "../platform/platform.hpp"
#include "../platform/socket_pair.hpp"
#include "../platform/spawn_plan.hpp"
#include "child_terminal.hpp"
#include "command.hpp"
#include "outlets.hpp"

namespace coproc::detail {

constexpr std::array<const char*, 3> stdio_names{"stdin", "stdout", "stderr"};

/// A descriptor that the child is to have.
struct child_fd {
    constexpr explicit child_fd(std::size_t standard) noexcept
        : number(static_cast<int>(standard)), is_read(standard == 0) {}
    constexpr child_fd(int n, bool child_reads) noexcept : number(n), is_read(child_reads) {}

    [[nodiscard]] std::string name() const {
        if (number < 3) return stdio_names[static_cast<std::size_t>(number)];
        return concat({"descriptor ", number});
    }

    int number;
    bool is_read; // by the child
};

/// `error` comes first, since wording the detail allocates, which may change errno.
[[noreturn, gnu::cold]] inline void cannot_start(const command& c, spawn_stage stage, std::error_code error,
                                                 std::initializer_list<piece> detail) {
    throw spawn_error(stage, c.program(), concat(detail), error);
}

// ---- descriptors that are borrowed ----

[[gnu::cold]] inline void require_open(const command& c, int fd, std::string_view purpose) {
    if (::fcntl(fd, F_GETFD) >= 0) return;
    const std::error_code error = platform::last_error();
    cannot_start(c, spawn_stage::redirect, error,
                 {"descriptor ", fd, ", which is to be its ", purpose, ", is not open"});
}
[[gnu::cold]] inline void require_open(const command& c, child_fd to, const stdio& what) {
    if (what.as_fd() != nullptr) require_open(c, what.as_fd()->get(), to.name());
    if (what.as_tee() == nullptr) return;
    for (const stdio& target : *what.as_tee()) {
        if (target.is(stdio::inherit)) require_open(c, to.number, to.name());
        else require_open(c, to, target);
    }
}

/// Before we open anything, whose number a closed one might turn out to have.
inline void require_open(const command& c) {
    for (std::size_t number = 0; number < 3; ++number) {
        if (const std::optional<stdio>& said = c.stdio_of(number)) require_open(c, child_fd(number), *said);
    }
    if (c.numbered() != nullptr) c.numbered()->require_open(c);
}
[[gnu::cold]] inline void require_numbered_open(const command& c) {
    for (const auto& [target, fd] : c.passed_fds()) {
        require_open(c, fd.get(), concat({"descriptor ", target}));
    }
    for (const auto& [target, said] : c.more_stdio()) require_open(c, child_fd(target, said.child_reads), said.what);
}

// ---- what stands behind one of the child's ----

/// Our end of a pipe; the child's end, or what was opened for it, to be closed when it runs; the number that the plan
/// gets: of that, or of something borrowed; and who sees what comes.
struct stream_ends {
    unique_fd ours, childs;
    int source = -1;
    std::shared_ptr<stream_tap> tap{};
};

[[nodiscard]] inline stream_ends opened(unique_fd file) noexcept {
    const int source = file.get();
    return {{}, std::move(file), source};
}

[[nodiscard]] inline stream_ends open_for_child(const command& c, child_fd to, const char* path, int how) {
    unique_fd file;
    do { // a FIFO makes open(2) wait, and a signal ends that
        file = unique_fd(::open(path, how | O_CLOEXEC | O_NOCTTY, c.settings().file_mode()));
    } while (!file && errno == EINTR);
    file = platform::above_stdio(std::move(file));
    if (!file) {
        const std::error_code error = platform::last_error();
        cannot_start(c, spawn_stage::redirect, error, {"opening ", in_quotes(path), " for ", to.name(), " failed"});
    }
    return opened(std::move(file));
}

[[nodiscard]] inline stream_ends open_file(const command& c, child_fd to, const stdio::named_file& file) {
    const int how = to.is_read ? O_RDONLY : O_WRONLY | O_CREAT | (file.append ? O_APPEND : O_TRUNC);
    return open_for_child(c, to, file.path.c_str(), how);
}

/// A copy, so that whoever closes his own later does not take this one away.
[[gnu::cold]] inline void add_copy(outlets& all, const command& c, child_fd to, int fd) {
    unique_fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) {
        const std::error_code error = platform::last_error();
        cannot_start(c, spawn_stage::redirect, error, {"copying descriptor ", fd, " for ", to.name(), " failed"});
    }
    all.add(platform::out_of_the_way(std::move(copy)), child_fd(fd, false).name());
}

/// Where it goes besides our stream.
[[nodiscard]] inline std::shared_ptr<stream_tap> open_outlets(const command& c, child_fd to, const stdio& what) {
    auto all = std::make_shared<outlets>(what.is_stream());
    if (const auto* sink = what.as_sink()) all->add(*sink);
    if (what.as_tee() == nullptr) return all;
    for (const stdio& target : *what.as_tee()) {
        if (const auto* sink = target.as_sink()) all->add(*sink);
        if (const auto* fd = target.as_fd()) add_copy(*all, c, to, fd->get());
        if (target.is(stdio::inherit)) add_copy(*all, c, to, to.number);
        if (const auto* file = target.as_file()) all->add(open_file(c, to, *file).childs, file->path);
    }
    return all;
}

[[nodiscard]] inline tap_opener outlets_opener() noexcept { return &open_outlets; }

[[nodiscard]] inline stream_ends open_pipe(const command& c, child_fd to, const stdio& what) {
    const bool sockets = what.by_sockets();
    platform::pipe_ends pipe = sockets ? platform::make_socket_pair() : platform::make_pipe();
    unique_fd& ours = to.is_read ? pipe.write : pipe.read;
    unique_fd& childs = to.is_read ? pipe.read : pipe.write;
    if (!ours || !childs || !platform::set_nonblocking(ours)) {
        const std::error_code error = platform::last_error();
        cannot_start(c, spawn_stage::pipe, error,
                     {"making a ", sockets ? "socket pair" : "pipe", " for ", to.name(), " failed"});
    }
    // What a child writes to its stdin is an error, as with a pipe. It would lie here unread, and for that the child
    // would find its stdin broken (ECONNRESET) where it ends.
    if (sockets && to.is_read) ::shutdown(ours.get(), SHUT_RD);
    const int source = childs.get();
    return {platform::out_of_the_way(std::move(ours)), std::move(childs), source,
            what.opens_tap() != nullptr ? what.opens_tap()(c, to, what) : nullptr};
}

[[nodiscard]] inline stream_ends open_text(const command& c, child_fd to, const std::string& bytes) {
    unique_fd file = platform::nameless_file(bytes);
    if (!file)
        cannot_start(c, spawn_stage::redirect, platform::last_error(), {"storing the text for ", to.name(), " failed"});
    return opened(std::move(file));
}

/// A copy above 2 of what is 0, 1 or 2 here, so that placing the streams in the child overwrites no source.
[[nodiscard]] inline stream_ends borrow(const command& c, child_fd to, int fd) {
    if (fd > STDERR_FILENO) return {{}, {}, fd};
    unique_fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) {
        const std::error_code error = platform::last_error();
        cannot_start(c, spawn_stage::redirect, error, {"copying descriptor ", fd, " for ", to.name(), " failed"});
    }
    return opened(std::move(copy));
}

[[nodiscard]] inline stream_ends open_stream(const command& c, child_fd to, const stdio& what) {
    if (const auto* file = what.as_file()) return open_file(c, to, *file);
    if (const auto* fd = what.as_fd()) return borrow(c, to, fd->get());
    if (const auto* text = what.as_text()) return open_text(c, to, text->bytes);
    if (what.is(stdio::null)) return open_for_child(c, to, "/dev/null", to.is_read ? O_RDONLY : O_WRONLY);
    if (what.passes_us()) return open_pipe(c, to, what);
    return {}; // ours, or the other output's
}

// ---- stdin, stdout, stderr ----

/// What the three streams need while the child is made.
class stdio_setup {
public:
    stdio_setup(const command& c, const stdio& unset) {
        require_open(c);
        terminal_ = child_terminal(c);
        for (std::size_t number = 0; number < 3; ++number) {
            const std::optional<stdio>& said = c.stdio_of(number);
            const stdio& what = said ? *said : unset;
            if (is_terminal(c, number)) ends_[number] = {terminal_.take_ours(number), {}, terminal_.source()};
            else if (!what.is(stdio::inherit)) ends_[number] = open_stream(c, child_fd(number), what);
        }
        merge(c, 1, 2, stdio::to_err);
        merge(c, 2, 1, stdio::to_out);
    }

    [[nodiscard]] int source(std::size_t number) const noexcept { return ends_[number].source; }
    /// The same of an output, or ours that is inherited.
    [[nodiscard]] int source_of_output(std::size_t number) const noexcept {
        return source(number) >= 0 ? source(number) : static_cast<int>(number);
    }
    /// Our end of a pipe; empty if it is none.
    [[nodiscard]] unique_fd take_ours(std::size_t number) noexcept { return std::move(ends_[number].ours); }
    [[nodiscard]] std::shared_ptr<stream_tap> take_tap(std::size_t number) noexcept {
        return std::move(ends_[number].tap);
    }
    /// The source of those that are the terminal; -1: none.
    [[nodiscard]] int terminal() const noexcept { return terminal_.source(); }

private:
    void merge(const command& c, std::size_t from, std::size_t into, stdio::kind how) {
        const std::optional<stdio>& said = c.stdio_of(from);
        if (!said || !said->is(how)) return;
        if (ends_[into].source >= 0) ends_[from].source = ends_[into].source;
        else ends_[from] = borrow(c, child_fd(from), static_cast<int>(into)); // the other one is inherited
    }

    child_terminal terminal_;
    std::array<stream_ends, 3> ends_;
};

// ---- from 3 on ----

/// The descriptors from 3 on, ready to be placed: no source is the target of another.
class passed_fds {
public:
    passed_fds(const command& c, const stdio_setup& streams) {
        if (c.numbered() != nullptr) c.numbered()->gather(*this, c, streams);
    }

    [[nodiscard]] const platform::passed_fd* data() const noexcept { return all_ ? all_->list.data() : nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return all_ ? all_->list.size() : 0; }
    /// Our end of a pipe; empty if it is none.
    [[nodiscard]] unique_fd take_ours(int number) noexcept {
        for (auto& [target, ends] : all_->opened) {
            if (target == number) return std::move(ends.ours);
        }
        return {};
    }
    [[nodiscard]] std::shared_ptr<stream_tap> take_tap(int number) noexcept {
        for (auto& [target, ends] : all_->opened) {
            if (target == number) return std::move(ends.tap);
        }
        return {};
    }

private:
    friend const numbered_verbs& numbered_descriptors() noexcept;

    struct gathered {
        int highest = 0;
        std::vector<unique_fd> raised;
        std::vector<std::pair<int, stream_ends>> opened;
        std::vector<platform::passed_fd> list;
    };

    [[gnu::cold]] void gather(const command& c, const stdio_setup& streams) {
        const auto& lent = c.passed_fds(); // by rising target, as the others
        const auto& more = c.more_stdio();
        all_ = std::make_shared<gathered>();
        if (!lent.empty()) all_->highest = lent.back().first;
        if (!more.empty()) all_->highest = std::max(all_->highest, more.back().first);
        all_->list.reserve(lent.size() + more.size());
        all_->raised.reserve(lent.size() + more.size());
        all_->opened.reserve(more.size());
        auto next = more.begin();
        const auto open_up_to = [&](int target) {
            for (; next != more.end() && next->first <= target; ++next) {
                open(c, child_fd(next->first, next->second.child_reads), next->second.what, streams);
            }
        };
        for (const auto& [target, fd] : lent) {
            open_up_to(target);
            add(c, target, fd.get());
        }
        open_up_to(std::numeric_limits<int>::max());
    }
    [[gnu::cold]] void open(const command& c, child_fd to, const stdio& what, const stdio_setup& streams) {
        if (what.is(stdio::to_out) || what.is(stdio::to_err)) {
            add(c, to.number, streams.source_of_output(what.is(stdio::to_out) ? 1 : 2));
            return;
        }
        stream_ends& ends = all_->opened.emplace_back(to.number, open_stream(c, to, what)).second;
        if (add(c, to.number, ends.source)) ends.childs.reset(); // a copy of it will do
    }

    // True if it is a copy.
    [[gnu::cold]] bool add(const command& c, int target, int fd) {
        int source = fd;
        if (source <= all_->highest) {
            const int above =
                all_->highest < std::numeric_limits<int>::max() ? all_->highest + 1 : all_->highest; // then it fails
            all_->raised.emplace_back(::fcntl(source, F_DUPFD_CLOEXEC, above));
            source = all_->raised.back().get();
        }
        if (source < 0) {
            const std::error_code error = platform::last_error();
            cannot_start(c, spawn_stage::redirect, error, {"copying descriptor ", fd, " to pass it on failed"});
        }
        all_->list.push_back({source, target});
        return source != fd;
    }

    std::shared_ptr<gathered>
        all_; // shared with nobody, but a std::unique_ptr would make its end a part of every program
};

// ---- the cgroup ----

[[nodiscard]] inline std::string describe_cgroup(std::string_view directory) {
    return concat({"joining the cgroup ", in_quotes(directory), " failed"});
}

/// Where the child is to say that it joins.
[[nodiscard]] inline unique_fd open_cgroup(const command& c) {
    const std::string& directory = c.settings().cgroup();
    if (directory.empty()) return {};
    unique_fd procs = platform::open_cgroup_file(directory.c_str(), "cgroup.procs");
    if (!procs) cannot_start(c, spawn_stage::cgroup, platform::last_error(), {describe_cgroup(directory)});
    return procs;
}

// ---- all of them ----

class child_fds {
public:
    /// Throws spawn_error.
    child_fds(const command& c, const stdio& unset)
        : streams_(c, unset), passed_(c, streams_), cgroup_(open_cgroup(c)) {}

    void describe(platform::spawn_plan& plan) const noexcept {
        for (std::size_t number = 0; number < 3; ++number) plan.stdio[number] = streams_.source(number);
        plan.terminal = streams_.terminal();
        plan.passed = passed_.data();
        plan.passed_count = passed_.size();
    }
    /// Of 0, 1 or 2.
    [[nodiscard]] unique_fd take_ours(std::size_t number) noexcept { return streams_.take_ours(number); }
    [[nodiscard]] std::shared_ptr<stream_tap> take_tap(std::size_t number) noexcept {
        return streams_.take_tap(number);
    }
    /// From 3 on.
    [[nodiscard]] unique_fd take_ours_of(int number) noexcept { return passed_.take_ours(number); }
    [[nodiscard]] std::shared_ptr<stream_tap> take_tap_of(int number) noexcept { return passed_.take_tap(number); }
    /// Its file cgroup.procs; -1: it stays in ours.
    [[nodiscard]] int cgroup() const noexcept { return cgroup_.get(); }

private:
    stdio_setup streams_;
    passed_fds passed_;
    unique_fd cgroup_;
};

} // namespace coproc::detail
