// SPDX-License-Identifier: BSL-1.0
// hold: says nothing and stays until the end of its stdin.
#include <unistd.h>

int main() {
    char buffer[4096];
    while (::read(0, buffer, sizeof buffer) > 0) {
    }
}
