#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// async_generator<T>: a sequence whose author may wait between two values.
//
//     async_generator<int> countdown(int n) {
//         for (; n > 0; --n) { co_await sleep_for(1s); co_yield n; }
//     }
//     auto numbers = countdown(3);
//     while (auto n = co_await numbers.next()) use(*n);

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "../core/error.hpp"
#include "first_suspension.hpp"
#include "unique_frame.hpp"

namespace coproc {

template <class T>
class async_generator;

namespace detail {

template <class T>
class generator_promise {
public:
    async_generator<T> get_return_object() noexcept;
    first_suspension<generator_promise> initial_suspend() const noexcept {
        return first_suspension<generator_promise>(*this);
    }

    // A value, or the end: whoever waits in next() goes on. Nobody does while the generator is still inside the call
    // that next() made, and then next() sees for itself.
    struct hand_over {
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<generator_promise> self) const noexcept {
            self.promise().stepping_ = false;
            const std::coroutine_handle<> consumer = std::exchange(self.promise().consumer_, nullptr);
            return consumer ? consumer : std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };

    hand_over final_suspend() noexcept {
        value_ = nullptr;
        return {};
    }
    hand_over yield_value(const T& value) { // by name: the author keeps his
        value_ = std::addressof(copy_.emplace(value));
        return {};
    }
    hand_over yield_value(T&& value) noexcept { // lives in the frame until the generator is resumed
        value_ = std::addressof(value);
        return {};
    }
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }

    // From one value to the next. A step outlives a next() that was cancelled in it; the one after it joins the step.
    void start_step() noexcept {
        value_ = nullptr;
        stepping_ = true;
    }
    [[nodiscard]] bool stepping() const noexcept { return stepping_; }
    [[nodiscard]] bool has_value() const noexcept { return value_ != nullptr; }
    void resume_at_value(std::coroutine_handle<> consumer) noexcept { consumer_ = consumer; }
    [[nodiscard]] bool has_consumer() const noexcept { return static_cast<bool>(consumer_); }
    void forget_consumer() noexcept { consumer_ = nullptr; }

    std::optional<T> take() {
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        if (value_ == nullptr) return std::nullopt;
        return std::optional<T>(std::move(*std::exchange(value_, nullptr)));
    }

private:
    T* value_ = nullptr;
    std::optional<T> copy_;
    std::coroutine_handle<> consumer_;
    std::exception_ptr error_;
    bool stepping_ = false;
};

} // namespace detail

/// Lazy, move-only. Destroying it destroys the coroutine where it stands.
template <class T>
class [[nodiscard]] async_generator {
    static_assert(std::is_object_v<T>, "values are handed over by moving; yield a pointer to share an object");

public:
    using promise_type = detail::generator_promise<T>;

    class next_awaiter {
    public:
        explicit next_awaiter(std::coroutine_handle<promise_type> generator) noexcept : generator_(generator) {}
        next_awaiter(next_awaiter&& other) noexcept : generator_(other.generator_) {}
        next_awaiter& operator=(next_awaiter&&) = delete;
        ~next_awaiter() {
            if (waiting_) generator_.promise().forget_consumer(); // the value, when it comes, waits for the next next()
        }

        bool await_ready() const noexcept { return generator_.done() || generator_.promise().has_value(); }
        bool await_suspend(std::coroutine_handle<> consumer) {
            promise_type& promise = generator_.promise();
            if (promise.has_consumer()) throw usage_error("a second next() while the first one waits");
            if (!promise.stepping()) {
                promise.start_step();
                generator_.resume();
                if (!promise.stepping()) return false;
            }
            promise.resume_at_value(consumer);
            waiting_ = true;
            return true;
        }
        /// The next value, or nothing once the coroutine has ended. Throws what it threw, once.
        std::optional<T> await_resume() {
            waiting_ = false;
            return generator_.promise().take();
        }

    private:
        std::coroutine_handle<promise_type> generator_;
        bool waiting_ = false;
    };

    /// One at a time. Throws usage_error if the generator was moved from, or, when awaited, if another one waits.
    [[nodiscard]] next_awaiter next() {
        if (!frame_) throw usage_error("next() on an empty generator: it was moved from");
        return next_awaiter(frame_.get());
    }

private:
    friend promise_type;
    explicit async_generator(std::coroutine_handle<promise_type> handle) noexcept : frame_(handle) {}

    detail::unique_frame<promise_type> frame_;
};

template <class T>
async_generator<T> detail::generator_promise<T>::get_return_object() noexcept {
    return async_generator<T>(std::coroutine_handle<generator_promise>::from_promise(*this));
}

} // namespace coproc
