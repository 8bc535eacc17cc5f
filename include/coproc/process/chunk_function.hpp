#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// chunk_function: a function of the user's that is given what an output brings. (A std::function would cost every
// user's compiler its header.)

#include <memory>
#include <string_view>
#include <utility>

namespace coproc::detail {

class chunk_function {
public:
    chunk_function() noexcept = default;
    chunk_function(const chunk_function&) = delete;
    chunk_function& operator=(const chunk_function&) = delete;
    virtual ~chunk_function() = default;
    virtual void call(std::string_view chunk) = 0;
};

template <class F>
[[nodiscard]] std::shared_ptr<chunk_function> make_chunk_function(F f) {
    struct holder final : chunk_function {
        explicit holder(F g) : function(std::move(g)) {}
        void call(std::string_view chunk) override { static_cast<void>(function(chunk)); }
        F function;
    };
    return std::make_shared<holder>(std::move(f));
}

} // namespace coproc::detail
