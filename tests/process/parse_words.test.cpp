// SPDX-License-Identifier: BSL-1.0
//
// command::parse: the words of a line by the rules of a shell but without one. The judge is the system's own.
#include <coproc/process/parse_words.hpp>

#include <cstddef>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <coproc/process/async_process.hpp>
#include <coproc/process/shell.hpp>

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;
using namespace std::string_literals;

namespace {

using parsed = std::vector<std::string>;

parsed words_of_line(std::string_view line) {
    const command c = command::parse(line);
    parsed all{c.program()};
    all.insert(all.end(), c.args().begin(), c.args().end());
    return all;
}

// What is said of a line that is refused; empty if it is not.
std::string parse_refusal(std::string_view line) {
    try {
        static_cast<void>(command::parse(line));
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return {};
}
std::string for_a_shell(const std::string& line, const std::string& what, std::size_t offset) {
    return "cannot take the words of " + in_quotes(line) + ": the unquoted " + what + " at offset " +
           std::to_string(offset) + " is for a shell: quote it, or use shell()";
}

std::string random_text(std::mt19937& random, std::string_view alphabet_of_it, std::size_t longest) {
    std::string text(random() % (longest + 1), ' ');
    for (char& c : text) c = alphabet_of_it[random() % alphabet_of_it.size()];
    return text;
}

task<result> run_line(command c) {
    async_process p(c);
    co_return co_await p.communicate();
}

} // namespace

TEST_CASE("a line is taken apart at its blanks", "[process]") {
    CHECK(words_of_line("ls") == parsed{"ls"});
    CHECK(words_of_line("cc -O2  -c\tx.c") == parsed{"cc", "-O2", "-c", "x.c"});
    CHECK(words_of_line(" \t ls \t ") == parsed{"ls"});
    CHECK(words_of_line("cc -o 'my app' x.c") == parsed{"cc", "-o", "my app", "x.c"});
    CHECK(words_of_line("a\rb \v \x01") == parsed{"a\rb", "\v", "\x01"}); // no blanks to a shell
}

TEST_CASE("single quotes take the meaning of everything", "[process]") {
    CHECK(words_of_line("x '|&;<>()$`\\\"*?[#~={}! \t\n'") == parsed{"x", "|&;<>()$`\\\"*?[#~={}! \t\n"});
    CHECK(words_of_line("x 'it'\\''s'") == parsed{"x", "it's"});
}

TEST_CASE("in double quotes a backslash counts only where it takes a meaning away", "[process]") {
    CHECK(words_of_line(R"(x "a b" "\$\`\"\\" "\a\'\n\ " "|&;<>()*?[#~={}!'")") ==
          parsed{"x", "a b", "$`\"\\", "\\a\\'\\n\\ ", "|&;<>()*?[#~={}!'"});
    CHECK(words_of_line("x \"a\\\nb\nc\"") == parsed{"x", "ab\nc"});
    CHECK(words_of_line("x \"\\\\\"") == parsed{"x", "\\"});
}

TEST_CASE("a backslash takes the meaning of what follows it", "[process]") {
    CHECK(words_of_line(R"(x a\ b \' \" \\ \$HOME \*\?\[a\] \| \#c \~)") ==
          parsed{"x", "a b", "'", "\"", "\\", "$HOME", "*?[a]", "|", "#c", "~"});
    CHECK(words_of_line("\\ls") == parsed{"ls"});
}

TEST_CASE("a line goes on behind a backslash at its end", "[process]") {
    CHECK(words_of_line("cc -c \\\n  x.c") == parsed{"cc", "-c", "x.c"});
    CHECK(words_of_line("ab\\\ncd") == parsed{"abcd"});
    CHECK(words_of_line("\\\nls \\\n") == parsed{"ls"}); // and no empty words
}

TEST_CASE("pieces that touch are one word and empty quotes are an empty one", "[process]") {
    CHECK(words_of_line(R"(x a'b c'"d e"\ f)") == parsed{"x", "ab cd e f"});
    CHECK(words_of_line(R"(x '' "" ''"" a'')") == parsed{"x", "", "", "", "a"});
}

TEST_CASE("what a shell takes as it stands is taken as it stands", "[process]") {
    CHECK(words_of_line("dd if=/dev/zero of=x bs=1M") == parsed{"dd", "if=/dev/zero", "of=x", "bs=1M"});
    CHECK(words_of_line("find . -name x -exec rm {} +") == parsed{"find", ".", "-name", "x", "-exec", "rm", "{}", "+"});
    CHECK(words_of_line("find . ! -name x") == parsed{"find", ".", "!", "-name", "x"});
    CHECK(words_of_line("git diff HEAD~1 HEAD@{1}..HEAD@{0} a#b x^2 50% {a b}") ==
          parsed{"git", "diff", "HEAD~1", "HEAD@{1}..HEAD@{0}", "a#b", "x^2", "50%", "{a", "b}"});
    CHECK(words_of_line("[ -f x ]") == parsed{"[", "-f", "x", "]"});
    CHECK(words_of_line("echo if then { } ! time") == parsed{"echo", "if", "then", "{", "}", "!", "time"});
    CHECK(words_of_line("time ls") == parsed{"time", "ls"}); // a program, too
    CHECK(words_of_line("-x=1 --y=2 1a=b caf\xc3\xa9=x") == parsed{"-x=1", "--y=2", "1a=b", "caf\xc3\xa9=x"});
    CHECK(words_of_line("\xff\x80 \xc3\xa9") == parsed{"\xff\x80", "\xc3\xa9"});
}

TEST_CASE("what only a shell can do is refused and named with its offset", "[process]") {
    for (const char c : "|&;<>()$`*?"s) {
        INFO(c);
        const std::string line = "ab \"c\" d"s + c + "e";
        CHECK(parse_refusal(line) == for_a_shell(line, in_quotes({&c, 1}), 8));
        CHECK(parse_refusal("x '"s + c + "'").empty());
        CHECK(parse_refusal("x \\"s + c).empty());
    }
    CHECK(parse_refusal("ls\nrm") == for_a_shell("ls\nrm", "newline", 2));
    CHECK(parse_refusal("ls\n") == for_a_shell("ls\n", "newline", 2));
    CHECK(parse_refusal("echo #x") == for_a_shell("echo #x", "\"#\"", 5));
    CHECK(parse_refusal("echo \\\n#x") == for_a_shell("echo \\\n#x", "\"#\"", 7));
    CHECK(parse_refusal("cat ~/x") == for_a_shell("cat ~/x", "\"~\"", 4));
    CHECK(parse_refusal("~/x") == for_a_shell("~/x", "\"~\"", 0));
    CHECK(parse_refusal("rm [a-z].c") == for_a_shell("rm [a-z].c", "\"[\"", 3));
    CHECK(parse_refusal("rm a[") == for_a_shell("rm a[", "\"[\"", 4));
    CHECK(parse_refusal("[[ -f x ]]") == for_a_shell("[[ -f x ]]", "\"[\"", 0));
    CHECK(parse_refusal("rm x{a,b}") == for_a_shell("rm x{a,b}", "\"{\"", 4));
    CHECK(parse_refusal("rm {1..9}") == for_a_shell("rm {1..9}", "\"{\"", 3));
    CHECK(parse_refusal("rm {{a},b}") == for_a_shell("rm {{a},b}", "\"{\"", 3));
    CHECK(parse_refusal("rm {a},}") == for_a_shell("rm {a},}", "\"{\"", 3));
    CHECK(parse_refusal("rm {\"a,b\"}").empty());
    CHECK(parse_refusal("rm {}{1..9}") == for_a_shell("rm {}{1..9}", "\"{\"", 5));
}

TEST_CASE("in double quotes an expansion is refused as well", "[process]") {
    CHECK(parse_refusal("echo \"$HOME\"") == for_a_shell("echo \"$HOME\"", "\"$\"", 6));
    CHECK(parse_refusal("echo \"a`id`\"") == for_a_shell("echo \"a`id`\"", "\"`\"", 7));
    CHECK(parse_refusal("echo \"5$\"") == for_a_shell("echo \"5$\"", "\"$\"", 7)); // which POSIX leaves open
}

TEST_CASE("what begins no command is refused in front and only there", "[process]") {
    CHECK(parse_refusal("FOO=bar make") ==
          "cannot take the words of \"FOO=bar make\": the assignment to FOO at offset 0 is for a shell: use env(), or "
          "quote it");
    CHECK(parse_refusal(" _a1= x").find("the assignment to _a1 at offset 1 ") != std::string::npos);
    CHECK(parse_refusal("a+=b").find("the assignment to a+ at offset 0 ") != std::string::npos);
    CHECK(parse_refusal("A\\\nB=c").find("the assignment to AB at offset 0 ") != std::string::npos);
    CHECK(words_of_line("'FOO=bar' make") == parsed{"FOO=bar", "make"});
    CHECK(words_of_line("F\\OO=bar") == parsed{"FOO=bar"});
    CHECK(words_of_line("make FOO=bar") == parsed{"make", "FOO=bar"});
    for (const char* word : {"if", "while", "for", "case", "{", "}", "!", "fi", "do"}) {
        INFO(word);
        CHECK(parse_refusal(" "s + word + " x") == for_a_shell(" "s + word + " x", in_quotes(word), 1));
        CHECK(words_of_line("x "s + word) == parsed{"x", word});
        CHECK(words_of_line("'"s + word + "' x") == parsed{word, "x"});
    }
    CHECK(words_of_line("iffy") == parsed{"iffy"});
}

TEST_CASE("a quote that is never closed is refused with its offset", "[process]") {
    CHECK(parse_refusal("x 'a b") == "cannot take the words of \"x 'a b\": the \"'\" at offset 2 is never closed");
    CHECK(parse_refusal("x a\"b") == "cannot take the words of \"x a\\\"b\": the \"\\\"\" at offset 3 is never closed");
    CHECK(parse_refusal("x \"a\\\"").find("at offset 2 is never closed") != std::string::npos);
    CHECK(parse_refusal("x \"a\\").find("at offset 2 is never closed") != std::string::npos);
    CHECK(parse_refusal("x \\") == "cannot take the words of \"x \\\\\": the backslash at its end quotes nothing");
}

TEST_CASE("a line without words or with an empty program or with a NUL is refused", "[process]") {
    for (const char* line : {"", " \t ", "\\\n"}) CHECK(parse_refusal(line).find(": it has none") != std::string::npos);
    CHECK(parse_refusal("'' x") == "the program of a command is empty");
    CHECK(parse_refusal("a '\0'"s) ==
          "cannot take the words of \"a '\\x00'\": the NUL byte at offset 3 can be in no word");
}

// Seen to fail: words in quotes without the `'\''` of a quote.
TEST_CASE("what a command is shown as is read back as the same words", "[process]") {
    std::mt19937 random(20240601);
    std::string every_byte;
    for (int c = 1; c < 256; ++c) every_byte += static_cast<char>(c);
    const std::string special = "|&;<>()$`\\\"' \t\n*?[#~={}!a,.%";
    for (int i = 0; i < 5000; ++i) {
        const std::string& letters = i % 2 == 0 ? every_byte : special;
        command c("p" + random_text(random, letters, 5));
        if (i % 7 == 0) c = command(random_text(random, letters, 5) + "x");
        for (auto n = random() % 5; n > 0; --n) c.arg(random_text(random, letters, 6));
        const command again = command::parse(c.to_string());
        if (again.program() != c.program() || again.args() != c.args()) FAIL(c.to_string());
    }
    for (const char* word : {"if", "time", "!", "{", "}", "A=b", "[", "#", "~", "-"}) {
        CHECK(words_of_line(command(word, word).to_string()) == parsed{word, word});
    }
}

// A line that is taken means the same to the shell of this system. Seen to fail: a backslash in double quotes that is
// always dropped; a `#` that is taken in front of a word.
TEST_CASE("a shell takes the same words from any line that is not refused", "[process]") {
    const nothing_leaks check;
    std::mt19937 random(20240602);
    const std::string letters = "|$`&\\\\\\\\\"\"\"''''    \t\n*[]#~=={}!aabb,..c%-+:@/^";
    std::string shell_lines = "p() { for w do printf '%s\\0' \"$w\"; done; printf 'end\\0'; }\n";
    parsed expected;
    int refused = 0;
    for (int i = 0; i < 30000; ++i) {
        const std::string line = "p " + random_text(random, letters, 12);
        if (!parse_refusal(line).empty()) {
            ++refused;
            continue;
        }
        const command c = command::parse(line);
        expected.insert(expected.end(), c.args().begin(), c.args().end());
        expected.emplace_back("end");
        shell_lines += line + "\n";
    }
    CHECK(refused > 1000);
    CHECK(expected.size() > 5000);
    const result r = run_in_time(run_line(command("/bin/sh").in(stdio::text(shell_lines))));
    CHECK(r.err.empty());
    const parsed got = pieces(r.out);
    CHECK(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size() && i < expected.size(); ++i) {
        if (got[i] != expected[i])
            FAIL("word " << i << ": " << in_quotes(got[i]) << ", not " << in_quotes(expected[i]));
    }
}

TEST_CASE("a line without a shell starts what it names", "[process]") {
    const nothing_leaks check;
    const std::string program = child("echo_args");
    const result r = run_in_time(run_line(command::parse(shell_quoted(program) + " 'a b' \"\" c\\ d")));
    CHECK(pieces(r.out) == parsed{program, "a b", "", "c d"});
}

TEST_CASE("a shell does what only a shell can", "[process]") {
    const nothing_leaks check;
    const result r = run_in_time(run_line(shell("echo one two | { read a b; echo $b; }; exit 3")));
    CHECK(r.out == "two\n");
    CHECK(r.status == exit_status::exited(3));
}

TEST_CASE("the arguments of a shell are what they are and not its language", "[process]") {
    const nothing_leaks check;
    const result r = run_in_time(run_line(shell("printf '<%s>' \"$@\"", "a b", "$(id); *", "")));
    CHECK(r.out == "<a b><$(id); *><>");
}

TEST_CASE("a line that looks like an option is a line", "[process]") {
    const nothing_leaks check;
    for (const char* line : {"-x", "+x", "--help"}) {
        const result r = run_in_time(run_line(shell(line)));
        CHECK(r.status == exit_status::exited(127)); // not found, and not a wrong use of the shell
        CHECK(r.out.empty());
    }
}

TEST_CASE("a shell is worded with its line as one word", "[process]") {
    CHECK(shell("ls *.c | wc -l").to_string() == "/bin/sh -c 'ls *.c | wc -l'");
    CHECK(shell("echo \"$1\"", "a b").to_string() == "/bin/sh -c 'echo \"$1\"' sh 'a b'");
    CHECK(shell("-x").to_string() == "/bin/sh -c -- -x");
    CHECK_THROWS_AS(shell("a\0b"s), std::invalid_argument);
}
