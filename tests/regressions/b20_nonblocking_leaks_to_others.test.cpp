// SPDX-License-Identifier: BSL-1.0
//
// O_NONBLOCK that leaks to others.
//
// What users saw: `cat`, or the shell after the program had ended, said EAGAIN; a broken terminal.
// Root cause: O_NONBLOCK belongs to the open file description, and that is shared with everybody who has inherited it.
// Reports: nodejs/node #42826; libuv #2062, #3602, #5080, #5089; bun #33560.
// Why not here: only our own end of a pipe that we have made is made non-blocking (detail::spawn), and the two ends of
// a pipe are two descriptions; a descriptor that is lent or inherited is not touched.
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include <coproc.hpp>

#include "support/catch.hpp"
#include "support/children.hpp"
#include "support/forked.hpp"
#include "support/resources.hpp"
#include "support/run_in_time.hpp"

using namespace coproc;

// Seen to fail: make_pipe with O_NONBLOCK for both ends; the child found its streams non-blocking.
TEST_CASE("a child finds no stream of its own non-blocking", "[regression][process]") {
    const nothing_leaks check;
    const auto talk = []() -> task<std::string> {
        async_process p(child("describe_stdio"), "1");
        const result r = co_await p.communicate();
        co_return r.out;
    };
    CHECK(run_in_time(talk()) == "blocking\nblocking\nblocking\n");
}

// Seen to fail: detail::borrow making what is lent non-blocking as well; 1 == 0.
TEST_CASE("what is shared with a child is as blocking after it as before", "[regression][process]") {
    const int code = in_a_fork([] {
        platform::pipe_ends terminal = platform::make_pipe(); // that all of us write to, as to a terminal
        ::dup2(terminal.write.get(), 1);
        const auto is_blocking = [](int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0; };
        const auto talk = [&]() -> task<int> {
            async_process inherits(command(child("hold")).out(stdio::inherit));
            async_process is_lent(command(child("hold")).out(stdio::null).err(stdio::fd(terminal.write.get())));
            if (!is_blocking(1) || !is_blocking(terminal.write.get())) co_return 1; // while they run
            inherits.close_stdin();
            is_lent.close_stdin();
            co_await inherits.wait();
            co_await is_lent.wait();
            co_return is_blocking(1) && is_blocking(terminal.read.get()) ? 0 : 2;
        };
        return run(talk());
    });
    CHECK(code == 0);
}
