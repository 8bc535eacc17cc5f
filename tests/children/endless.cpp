// SPDX-License-Identifier: BSL-1.0
// endless: the letter y and a newline, over and over, until nobody reads.
#include <unistd.h>

#include <string>

int main() {
    std::string text;
    while (text.size() < 32768) text += "y\n";
    while (::write(1, text.data(), text.size()) > 0) {
    }
}
