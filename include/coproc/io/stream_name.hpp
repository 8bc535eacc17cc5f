#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// What a stream is called in errors: "stdout of cat". Put together only when there is an error to tell.

#include <string>

namespace coproc {

class stream_name {
public:
    constexpr stream_name() noexcept = default;
    /// `program` must outlive the stream.
    constexpr stream_name(const char* role, const char* program) noexcept : role_(role), program_(program) {}

    [[nodiscard, gnu::cold]] std::string to_string() const {
        std::string text = role_;
        if (program_ != nullptr) text.append(" of ").append(program_);
        return text;
    }

private:
    const char* role_ = "stream";
    const char* program_ = nullptr;
};

} // namespace coproc
