// SPDX-License-Identifier: BSL-1.0
#include <coproc.hpp>
int main() { return 0; }
