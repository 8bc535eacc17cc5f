#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// Our own small child programs, tests/children/*.cpp.

#include <string>

/// The path of a child program: `child("cat")` is the one built from tests/children/cat.cpp.
inline std::string child(const char* name) { return std::string(COPROC_TEST_CHILDREN) + "/" + name; }
