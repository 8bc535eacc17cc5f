#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// outlets: the places besides our stream to which an output goes, by stdio::sink and stdio::tee.

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/unique_fd.hpp"
#include "../io/stream_tap.hpp"
#include "../platform/patient_write.hpp"
#include "chunk_function.hpp"

namespace coproc::detail {

/// Every chunk goes to each of them, in the order in which they were added. One that fails gets no more, and the others
/// go on.
class outlets final : public stream_tap {
public:
    explicit outlets(bool keeps) noexcept : keeps_(keeps) {}

    void add(std::shared_ptr<chunk_function> function) { all_.push_back({std::move(function), {}, {}}); }
    /// `name` is for errors.
    void add(unique_fd fd, std::string name) { all_.push_back({nullptr, std::move(fd), std::move(name)}); }

    void take(std::string_view bytes) override {
        std::exception_ptr failure;
        for (outlet& each : all_) {
            try {
                each.put(bytes);
            } catch (...) {
                each = {};
                if (!failure) failure = std::current_exception();
            }
        }
        if (failure) std::rethrow_exception(failure);
    }
    /// Who reads what we write sees its end.
    void end() noexcept override {
        for (outlet& each : all_) each.fd.reset();
    }
    [[nodiscard]] bool keeps() const noexcept override { return keeps_; }

private:
    // One or the other, or none any more.
    struct outlet {
        std::shared_ptr<chunk_function> function;
        unique_fd fd;
        std::string name;

        void put(std::string_view bytes) {
            if (function) function->call(bytes);
            if (!fd) return;
            const int error = platform::write_patiently(fd.get(), bytes);
            if (error != 0) throw stream_error("write", name, {error, std::system_category()});
        }
    };

    std::vector<outlet> all_;
    bool keeps_;
};

} // namespace coproc::detail
