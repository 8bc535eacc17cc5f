#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// How a coroutine ended: with a value or with an exception. The half of every promise that keeps it.

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace coproc::detail {

template <class T>
class outcome {
public:
    template <class U = T> // the default for `co_return {…}`
    requires std::is_constructible_v<T, U>
    void return_value(U&& value) { value_.emplace(std::forward<U>(value)); }
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

    [[nodiscard]] std::exception_ptr error() const noexcept { return error_; }

    /// The value, moved out, or the exception. Once.
    T take() {
        if (error_) std::rethrow_exception(error_);
        return std::move(*value_);
    }

private:
    std::optional<T> value_;
    std::exception_ptr error_;
};

template <class T>
class outcome<T&> {
public:
    void return_value(T& value) noexcept { value_ = std::addressof(value); }
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

    [[nodiscard]] std::exception_ptr error() const noexcept { return error_; }
    T& take() {
        if (error_) std::rethrow_exception(error_);
        return *value_;
    }

private:
    T* value_ = nullptr;
    std::exception_ptr error_;
};

template <>
class outcome<void> {
public:
    void return_void() noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

    [[nodiscard]] std::exception_ptr error() const noexcept { return error_; }
    void take() const {
        if (error_) std::rethrow_exception(error_);
    }

private:
    std::exception_ptr error_;
};

} // namespace coproc::detail
