// SPDX-License-Identifier: BSL-1.0
//
// What a child is born with: words, environment, directory, descriptors, signals.
#include <coproc/process/spawn.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <coproc/process/async_process.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/other_directory.hpp"
#include "support/pipes.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"
#include "support/starts.hpp"
#include "support/temporary_directory.hpp"

using namespace coproc;

using words = std::vector<std::string>;

namespace {

words environment_of(const command& c) {
    words entries = pieces(output_of(c));
    std::sort(entries.begin(), entries.end());
    return entries;
}

words our_environment() {
    words entries;
    for (char** entry = platform::environment(); *entry != nullptr; ++entry) entries.emplace_back(*entry);
    std::sort(entries.begin(), entries.end());
    return entries;
}

std::optional<std::string> value_of(const words& environment, const std::string& key) {
    std::optional<std::string> found;
    for (const std::string& entry : environment) {
        if (!entry.starts_with(key + "=")) continue;
        CHECK_FALSE(found); // once, and no more
        found = entry.substr(key.size() + 1);
    }
    return found;
}

// A variable of ours for the length of a scope.
class our_variable {
public:
    our_variable(const char* key, const char* value) : key_(key) {
        if (const char* before = std::getenv(key)) before_ = before;
        if (value != nullptr) ::setenv(key, value, 1);
        else ::unsetenv(key);
    }
    our_variable(const our_variable&) = delete;
    our_variable& operator=(const our_variable&) = delete;
    ~our_variable() {
        if (before_) ::setenv(key_, before_->c_str(), 1);
        else ::unsetenv(key_);
    }

private:
    const char* key_;
    std::optional<std::string> before_;
};

} // namespace

// ---- words ----

TEST_CASE("arguments arrive byte for byte", "[process][spawn_fork]") {
    const nothing_leaks check;
    words hard{"",     " ",  "a b",         "\"",           "'",  "$HOME", "`id`", "*",
               "a\nb", "\\", "caf\xc3\xa9", "\xff\xfe\x80", "-x", "--",    ""};
    std::string all;
    for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
    hard.push_back(all);
    hard.emplace_back(100000, 'x');
    words expected{child("echo_args")};
    expected.insert(expected.end(), hard.begin(), hard.end());
    CHECK(pieces(output_of(command(child("echo_args")).args(hard))) == expected);
}

TEST_CASE("thousands of arguments arrive", "[process][spawn_fork]") {
    words many;
    for (int i = 0; i < 5000; ++i) many.push_back(std::to_string(i));
    words seen = pieces(output_of(command(child("echo_args")).args(many)));
    REQUIRE_FALSE(seen.empty());
    seen.erase(seen.begin());
    CHECK(seen == many);
}

TEST_CASE("a program can be told another name of its own", "[process][spawn_fork]") {
    CHECK(pieces(output_of(command(child("echo_args"), "x").arg0("other name"))) == words{"other name", "x"});
    CHECK(pieces(output_of(command(child("echo_args"), "x").arg0(""))) == words{"", "x"});
}

TEST_CASE("a program that was looked up finds the name it was called by", "[process][spawn_fork]") {
    CHECK(pieces(output_of(command("echo_args").env("PATH", COPROC_TEST_CHILDREN))) == words{"echo_args"});
}

// ---- environment ----

TEST_CASE("a child that is told nothing has our environment", "[process][spawn_fork]") {
    const nothing_leaks check;
    const our_variable ours("COPROC_TEST", "one=two\nthree \xff");
    CHECK(environment_of(command(child("print_env"))) == our_environment());
}

TEST_CASE("an empty environment is really empty", "[process][spawn_fork]") {
    CHECK(output_of(command(child("print_env")).clear_env()).empty());
}

TEST_CASE("setting one variable keeps the others", "[process][spawn_fork]") {
    const our_variable ours("COPROC_TEST", "ours");
    words expected = our_environment();
    std::replace(expected.begin(), expected.end(), std::string("COPROC_TEST=ours"), std::string("COPROC_TEST=theirs"));
    expected.emplace_back("COPROC_TEST_NEW=");
    std::sort(expected.begin(), expected.end());
    const command c = command(child("print_env")).env("COPROC_TEST", "theirs").env("COPROC_TEST_NEW", "");
    CHECK(environment_of(c) == expected);
    CHECK(std::string(std::getenv("COPROC_TEST")) == "ours");
}

TEST_CASE("the last word on a variable counts", "[process][spawn_fork]") {
    const our_variable ours("COPROC_TEST", "ours");
    command c(child("print_env"));
    c.env("COPROC_TEST", "1").env("COPROC_TEST", "2");
    CHECK(value_of(environment_of(c), "COPROC_TEST") == "2");
    c.unset_env("COPROC_TEST");
    CHECK_FALSE(value_of(environment_of(c), "COPROC_TEST"));
    c.env("COPROC_TEST", "3");
    CHECK(value_of(environment_of(c), "COPROC_TEST") == "3");
    CHECK(environment_of(c.clear_env()).empty());
    CHECK(environment_of(c.env("B", "b=c").env("A", "a")) == words{"A=a", "B=b=c"});
    CHECK(environment_of(c.unset_env("A").unset_env("nothing")) == words{"B=b=c"});
}

TEST_CASE("a variable is not taken for one whose name it begins", "[process][spawn_fork]") {
    const our_variable shorter("COPROC_TEST", "1");
    const our_variable longer("COPROC_TEST_LONGER", "2");
    const words seen = environment_of(command(child("print_env")).unset_env("COPROC_TEST"));
    CHECK_FALSE(value_of(seen, "COPROC_TEST"));
    CHECK(value_of(seen, "COPROC_TEST_LONGER") == "2");
}

TEST_CASE("a name is looked up in the path that the child will have", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const our_variable ours("PATH", "/nowhere");
    CHECK_THROWS_AS(output_of(command("echo_args")), spawn_error);
    CHECK(pieces(output_of(command("echo_args").env("PATH", COPROC_TEST_CHILDREN))) == words{"echo_args"});
    {
        const our_variable good("PATH", COPROC_TEST_CHILDREN);
        CHECK(pieces(output_of(command("echo_args"))) == words{"echo_args"});
        CHECK_THROWS_AS(output_of(command("echo_args").env("PATH", "")), spawn_error);
        CHECK_THROWS_AS(output_of(command("echo_args").env("PATH", "/nowhere")), spawn_error);
        CHECK_THROWS_AS(output_of(command("echo_args").unset_env("PATH")), spawn_error);
        CHECK_THROWS_AS(output_of(command("echo_args").clear_env()), spawn_error);
    }
    CHECK(output_of(command("true").unset_env("PATH")).empty()); // the system's default
    CHECK(output_of(command("true").clear_env()).empty());
}

TEST_CASE("neither our directory nor that of the child is searched for a name", "[process][spawn_fork]") {
    const other_directory inside(COPROC_TEST_CHILDREN);
    for (const char* path : {"", ".", ":", "::/nowhere"}) {
        CHECK_THROWS_AS(output_of(command("echo_args").env("PATH", path)), spawn_error);
        CHECK_THROWS_AS(output_of(command("echo_args").env("PATH", path).cwd(COPROC_TEST_CHILDREN)), spawn_error);
    }
}

// ---- directory ----

TEST_CASE("a child starts in the directory it is told and ours stays", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::filesystem::path before = std::filesystem::current_path();
    CHECK(output_of(command(child("print_cwd"))) == before.string());
    CHECK(output_of(command(child("print_cwd")).cwd(directory.path())) == directory.path().string());
    CHECK(output_of(command(child("print_cwd")).cwd("/")) == "/");
    CHECK(std::filesystem::current_path() == before);
    {
#if defined(__APPLE__)
        const std::string name = "a b\n"; // its file systems want UTF-8
#else
        const std::string name = "a b\n\xff";
#endif
        const std::string odd = directory.directory(name);
        CHECK(output_of(command(child("print_cwd")).cwd(odd)) == odd);
        const other_directory inside(directory.path());
        CHECK(output_of(command(child("print_cwd")).cwd(name)) == odd); // relative to ours
    }
}

TEST_CASE("a relative program is relative to our directory and not to that of the child", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory ours;
    const temporary_directory theirs;
    std::filesystem::create_symlink(child("print_cwd"), ours / "prog");
    const other_directory inside(ours.path());
    CHECK(output_of(command("./prog").cwd(theirs.path())) == theirs.path().string());
    CHECK(output_of(command("./prog")) == ours.path().string());
    const other_directory elsewhere(theirs.path());
    CHECK_THROWS_AS(output_of(command("./prog").cwd(ours.path())), spawn_error);
    const std::string back = "../" + ours.path().filename().string() + "/prog";
    CHECK(output_of(command(back).cwd("/")) == "/");
}

TEST_CASE("a relative program still finds the name it was called by", "[process][spawn_fork]") {
    const other_directory inside(COPROC_TEST_CHILDREN);
    CHECK(pieces(output_of(command("./echo_args").cwd("/"))) == words{"./echo_args"});
}

// ---- streams ----

TEST_CASE("null is nothing to read and a place to write", "[process][spawn_fork]") {
    const nothing_leaks check;
    CHECK(output_of(command(child("cat")).in(stdio::null)).empty());
    const result r =
        run_in_time(run_it(command(child("flood"), "1:1048576", "2:1048576").out(stdio::null).err(stdio::null)));
    CHECK(r.status.success());
    CHECK(r.out.empty());
}

TEST_CASE("each stream can be a file", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string in = directory.file("in", alphabet(200000));
    const std::string out = directory.file("out", std::string(500000, 'o')); // longer, so that truncation shows
    const std::string err = directory / "err";
    CHECK((output_of(command(child("cat")).in(stdio::file(in))) == alphabet(200000)));
    const command both = command(child("shout")).out(stdio::file(out)).err(stdio::file(err));
    CHECK(run_in_time(run_it(both)).status.success());
    CHECK(content_of(out) == "out\n");
    CHECK(content_of(err) == "err\n");
    CHECK(run_in_time(run_it(command(child("cat")).in(stdio::file(in)).out(stdio::file(out)))).status.success());
    CHECK((content_of(out) == alphabet(200000)));
}

TEST_CASE("the path of a file is relative to our directory", "[process][spawn_fork]") {
    const temporary_directory ours;
    const temporary_directory theirs;
    const other_directory inside(ours.path());
    const command c = command(child("shout")).out(stdio::file("out")).err(stdio::null).cwd(theirs.path());
    CHECK(run_in_time(run_it(c)).status.success());
    CHECK(content_of(ours / "out") == "out\n");
}

TEST_CASE("only what is piped is there", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process all(child("cat"));
        CHECK(all.has_in());
        CHECK(all.has_out());
        CHECK(all.has_err());
        all.close_stdin();
        async_process none(command(child("cat")).in(stdio::null).out(stdio::null).err(stdio::null));
        CHECK_FALSE(none.has_in());
        CHECK_FALSE(none.has_out());
        CHECK_FALSE(none.has_err());
        std::string message;
        try {
            static_cast<void>(none.in());
        } catch (const usage_error& e) {
            message = e.what();
        }
        CHECK(message == "stdin of " + child("cat") + " is not piped: say stdio::pipe, or nothing");
        CHECK_THROWS_AS(static_cast<void>(none.out()), usage_error);
        CHECK_THROWS_AS(static_cast<void>(none.err()), usage_error);
        CHECK_THROWS_AS(static_cast<void>(none.read_line()), usage_error);
        CHECK_THROWS_AS(static_cast<void>(none.read_stdout()), usage_error);
        CHECK_THROWS_AS(static_cast<void>(none.read_stderr()), usage_error);
        CHECK_THROWS_AS(static_cast<void>(none.stream_stdout()), usage_error);
        CHECK_THROWS_AS(static_cast<void>(none.stream_stderr()), usage_error);
        CHECK_THROWS_AS(static_cast<void>(none.write_stdin("x")), usage_error);
        CHECK_THROWS_AS(none.close_stdin(), usage_error);
        co_await all.wait();
        co_await none.wait();
    };
    run_in_time(talk());
}

TEST_CASE("inherited streams are ours", "[process][spawn_fork]") {
    const nothing_leaks check;
    const temporary_directory directory;
    const std::string in = directory.file("in", "from our stdin");
    const std::string out = directory / "out";
    const std::string err = directory / "err";
    CHECK(in_a_fork([&] {
              ::dup2(::open(in.c_str(), O_RDONLY), 0);
              ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), 1);
              ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2);
              const auto talk = []() -> task<bool> {
                  async_process cat(command(child("cat")).in(stdio::inherit).out(stdio::inherit).err(stdio::inherit));
                  const exit_status s = co_await cat.wait();
                  async_process shout(command(child("shout")).in(stdio::null).out(stdio::inherit).err(stdio::inherit));
                  const exit_status t = co_await shout.wait();
                  co_return s.success() && t.success();
              };
              return run(talk()) ? 0 : 1;
          }) == 0);
    CHECK(content_of(out) == "from our stdinout\n");
    CHECK(content_of(err) == "err\n");
}

TEST_CASE("the child finds its pipes blocking as programs expect them", "[process][spawn_fork]") {
    CHECK(output_of(command(child("describe_stdio"), "1")) == "blocking\nblocking\nblocking\n");
}

TEST_CASE("starting a child leaves the flags of our own streams alone", "[process][spawn_fork]") {
    const auto flags = [] {
        std::vector<int> all;
        for (int fd = 0; fd < 3; ++fd) {
            all.push_back(::fcntl(fd, F_GETFL));
            all.push_back(::fcntl(fd, F_GETFD));
        }
        return all;
    };
    const std::vector<int> before = flags();
    CHECK(run_in_time(run_it(command(child("hold")).in(stdio::null).out(stdio::inherit).err(stdio::inherit)))
              .status.success());
    CHECK(flags() == before);
}

// ---- descriptors ----

TEST_CASE("a child has its three descriptors and no other", "[process][spawn_fork]") {
    const nothing_leaks check;
    // Open, and not close-on-exec: as the host's other libraries leave them behind.
    std::vector<unique_fd> careless;
    for (int i = 0; i < 50; ++i) careless.emplace_back(::open("/dev/null", O_RDONLY));
    careless.emplace_back(::fcntl(careless.front().get(), F_DUPFD, 500));
    careless.emplace_back(::fcntl(careless.front().get(), F_DUPFD, 1000));
    const auto talk = []() -> task<std::string> {
        async_process sibling(child("hold")); // its pipes are not for others
        async_process list(child("list_fds"));
        std::string seen = co_await list.read_stdout();
        sibling.close_stdin();
        co_await sibling.wait();
        co_return seen;
    };
    CHECK(run_in_time(talk()) == "0\n1\n2\n");
    CHECK(output_of(command(child("list_fds")).in(stdio::null).err(stdio::inherit)) == "0\n1\n2\n");
}

TEST_CASE("a descriptor above a limit that was lowered since is closed as well", "[process][spawn_fork]") {
    const int code = in_a_fork([] {
        // A child that had the high copy of the writing end would keep the pipe from its end.
        platform::pipe_ends pipe = platform::make_pipe();
        unique_fd high(::fcntl(pipe.write.get(), F_DUPFD, 900));
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 100;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        event_loop loop;
        async_process p(child("hold"));
        pipe.write.reset();
        high.reset();
        // Waits, since exec may close them when we are running again already.
        char byte = 0;
        return ::read(pipe.read.get(), &byte, 1) == 0 ? 0 : 1;
    });
    CHECK(code == 0);
}

TEST_CASE("a child does not keep the pipes of its siblings open", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        async_process first(child("cat"));
        async_process second(child("hold")); // if this one held first's stdin, first would never see its end
        first.close_stdin();
        const exit_status s = co_await first.wait();
        CHECK(s.success());
        second.close_stdin();
        co_await second.wait();
    };
    run_in_time(talk());
}

TEST_CASE("a host without stdin stdout or stderr can start children", "[process][spawn_fork]") {
    const nothing_leaks check;
    for (int closed = 0; closed < 8; ++closed) {
        CAPTURE(closed);
        CHECK(in_a_fork([closed] {
                  for (int fd = 0; fd < 3; ++fd) {
                      if ((closed & 1 << fd) != 0) ::close(fd);
                  }
                  const auto talk = []() -> task<int> {
                      async_process cat(child("cat"));
                      const result r = co_await cat.communicate("through");
                      if (!r.status.success() || r.out != "through" || !r.err.empty()) co_return 1;
                      async_process shout(child("shout"));
                      const result s = co_await shout.communicate();
                      if (s.out != "out\n" || s.err != "err\n") co_return 2;
                      async_process list(child("list_fds"));
                      const std::string seen = co_await list.read_stdout();
                      if (seen != "0\n1\n2\n") co_return 3;
                      co_return 0;
                  };
                  return run(talk());
              }) == 0);
    }
}

TEST_CASE("nothing of ours takes the place of a stream that a host has closed",
          "[process][spawn_fork][own_descriptors]") {
    for (int closed = 0; closed < 8; ++closed) {
        CAPTURE(closed);
        CHECK(in_a_fork([closed] {
                  for (int fd = 0; fd < 3; ++fd) {
                      if ((closed & 1 << fd) != 0) ::close(fd);
                  }
                  const auto free_places = [] {
                      int mask = 0;
                      for (int fd = 0; fd < 3; ++fd) mask |= ::fcntl(fd, F_GETFD) < 0 ? 1 << fd : 0;
                      return mask;
                  };
                  const auto talk = [&]() -> task<int> {
                      async_process cat(child("cat"));
                      if (free_places() != closed) co_return 1;
                      co_await cat.write_stdin("through");
                      cat.close_stdin();
                      co_await cat.read_stdout(); // with everything watched
                      co_return free_places() == closed ? 0 : 2;
                  };
                  return run(talk());
              }) == 0);
    }
}

TEST_CASE("a stream that a host has closed is closed in a child that inherits it", "[process][spawn_fork]") {
    for (int closed = 0; closed < 8; ++closed) {
        CAPTURE(closed);
        CHECK(in_a_fork([closed] {
                  for (int fd = 0; fd < 3; ++fd) {
                      if ((closed & 1 << fd) != 0) ::close(fd);
                  }
                  const auto talk = [](int mask) -> task<bool> {
                      // One pipe to hear it by; the other two as the host has them.
                      async_process one(command(child("describe_stdio"), "1").in(stdio::inherit).err(stdio::inherit));
                      const std::string seen = co_await one.read_stdout();
                      const words lines = pieces(seen, '\n');
                      co_return lines.size() == 3 && (lines[0] == "closed") == ((mask & 1) != 0) &&
                          lines[1] == "blocking" && (lines[2] == "closed") == ((mask & 4) != 0);
                  };
                  return run(talk(closed)) ? 0 : 1;
              }) == 0);
    }
}

TEST_CASE("files and null work in a host that has closed its streams", "[process][spawn_fork]") {
    const temporary_directory directory;
    const std::string in = directory.file("in", "content");
    for (int closed = 0; closed < 8; ++closed) {
        CAPTURE(closed);
        const std::string out = directory / ("out" + std::to_string(closed));
        CHECK(in_a_fork([&] {
                  for (int fd = 0; fd < 3; ++fd) {
                      if ((closed & 1 << fd) != 0) ::close(fd);
                  }
                  const command c = command(child("cat")).in(stdio::file(in)).out(stdio::file(out)).err(stdio::null);
                  return run(run_it(c)).status.success() ? 0 : 1;
              }) == 0);
        CHECK(content_of(out) == "content");
    }
}

// ---- signals ----

TEST_CASE("a child starts with no signal blocked or ignored whatever the host does", "[process][spawn_fork]") {
    const nothing_leaks check;
    const int code = in_a_fork([] {
        ::signal(SIGPIPE, SIG_IGN);
        ::signal(SIGUSR1, SIG_IGN);
        ::signal(SIGTERM, SIG_IGN);
#if defined(SIGRTMIN)
        ::signal(SIGRTMIN + 3, SIG_IGN);
#endif
        ::signal(SIGUSR2, [](int) {});
        sigset_t some;
        sigemptyset(&some);
        sigaddset(&some, SIGTERM);
        sigaddset(&some, SIGUSR1);
        ::sigprocmask(SIG_BLOCK, &some, nullptr);
        const std::string seen = run(run_it(command(child("signal_state")))).out;
        if (!seen.empty()) {
            std::fprintf(stderr, "%s", seen.c_str());
            return 1;
        }
        // And ours are as they were.
        sigset_t now;
        ::sigprocmask(SIG_BLOCK, nullptr, &now);
        if (sigismember(&now, SIGTERM) != 1 || sigismember(&now, SIGINT) != 0) return 2;
        struct sigaction action {};
        ::sigaction(SIGPIPE, nullptr, &action);
        return action.sa_handler == SIG_IGN ? 0 : 3;
    });
    CHECK(code == 0);
}

TEST_CASE("a child can be terminated although the host blocks and ignores that", "[process][spawn_fork]") {
    CHECK(in_a_fork([] {
              ::signal(SIGTERM, SIG_IGN);
              sigset_t some;
              sigemptyset(&some);
              sigaddset(&some, SIGTERM);
              ::sigprocmask(SIG_BLOCK, &some, nullptr);
              const auto talk = []() -> task<bool> {
                  async_process p(child("hold"));
                  p.terminate();
                  const exit_status s = co_await p.wait();
                  co_return s.signal() == SIGTERM;
              };
              return run(talk()) ? 0 : 1;
          }) == 0);
}

TEST_CASE("a child can begin with what the host blocks and ignores as nohup has it", "[process][spawn_fork]") {
    CHECK(in_a_fork([] {
              ::signal(SIGHUP, SIG_IGN);
              ::signal(SIGUSR2, [](int) {}); // a handler cannot be inherited
              sigset_t some;
              sigemptyset(&some);
              sigaddset(&some, SIGUSR1);
              ::sigprocmask(SIG_BLOCK, &some, nullptr);
              const std::string seen = run(run_it(command(child("signal_state")).inherit_signals())).out;
              const std::string expected =
                  "ignored " + std::to_string(SIGHUP) + "\nblocked " + std::to_string(SIGUSR1) + "\n";
              if (seen != expected) std::fprintf(stderr, "%s", seen.c_str());
              return seen == expected ? 0 : 1;
          }) == 0);
}

// ---- many ----

TEST_CASE("hundreds of starts leave nothing behind", "[process][spawn_fork]") {
    const nothing_leaks check;
    const auto talk = []() -> task<> {
        for (int i = 0; i < 200; ++i) {
            async_process p(child("exit_with"), std::to_string(i));
            const exit_status s = co_await p.wait();
            CHECK(s == exit_status::exited(i));
        }
    };
    run_in_time(talk());
}
