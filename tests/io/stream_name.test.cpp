// SPDX-License-Identifier: BSL-1.0
#include <coproc/io/stream_name.hpp>

#include "support/catch.hpp"

using coproc::stream_name;

TEST_CASE("a stream is called by its role and by its program", "[io]") {
    const std::string program = "cat";
    CHECK(stream_name().to_string() == "stream");
    CHECK(stream_name("stdout", program.c_str()).to_string() == "stdout of cat");
}
