#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// json: a value of JSON (RFC 8259). What it does with text is in json_parser.hpp and json_writer.hpp.

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "../core/error.hpp"
#include "decode_error.hpp"
#include "json_number.hpp"
#include "utf8.hpp"

namespace coproc {

class json;

/// A value is not of the kind, or has not the part, that it was asked for. `subject()` is the way to it, as far as it
/// is known: `ports[3].name`.
class json_error : public error {
public:
    /// `problem`: what it is, or what it has not.
    json_error(std::string operation, std::string path, std::string problem)
        : error(std::move(operation), path.empty() ? std::string("json") : path, problem, errc::unexpected),
          facts_(std::make_shared<const facts>(facts{std::move(path), std::move(problem)})) {}

    /// Empty if the value itself was asked.
    [[nodiscard]] const std::string& path() const noexcept { return facts_->path; }
    [[nodiscard]] const std::string& problem() const noexcept { return facts_->problem; }

    /// The same of a value that is found by going `outer` first.
    [[nodiscard]] json_error inside(const std::string& outer) const {
        const bool needs_dot = !path().empty() && path().front() != '[' && !outer.empty();
        return {operation(), detail::concat({outer, needs_dot ? "." : "", path()}), problem()};
    }

private:
    struct facts {
        std::string path, problem;
    };
    std::shared_ptr<const facts> facts_;
};

namespace detail {

class json_parser;
class json_writer;

template <class T>
concept character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
    std::same_as<T, char16_t> || std::same_as<T, char32_t>;
template <class T>
concept whole_number = std::integral<T> && !std::same_as<T, bool> && !character<T>;

/// A step from a value to one in it: a key or an index.
class json_step {
public:
    template <std::convertible_to<std::string_view> Key>
    json_step(const Key& key) noexcept : key_(key), is_key_(true) {} // NOLINT(google-explicit-constructor)
    template <whole_number Index>
    json_step(Index index) noexcept // NOLINT(google-explicit-constructor)
        : index_(std::in_range<long long>(index) ? static_cast<long long>(index) : -1) {}

    [[nodiscard]] bool is_key() const noexcept { return is_key_; }
    [[nodiscard]] std::string_view key() const noexcept { return key_; }
    /// Less than 0: there is none.
    [[nodiscard]] long long index() const noexcept { return index_; }

    [[nodiscard]] static std::string path(std::span<const json_step> steps) {
        std::string text;
        for (const json_step& s : steps) {
            if (!s.is_key_) text += concat({"[", s.index_, "]"});
            else if (is_plain(s.key_)) text.append(text.empty() ? "" : ".").append(s.key_);
            else text += concat({"[", in_quotes(s.key_), "]"});
        }
        return text;
    }

private:
    static bool is_plain(std::string_view key) noexcept {
        return !key.empty() && key.find_first_of(" .[]\"\\\n\t\r") == std::string_view::npos;
    }

    std::string_view key_;
    long long index_ = 0;
    bool is_key_ = false;
};

template <class T>
struct json_list_of : std::false_type {};
template <class T>
struct json_list_of<std::vector<T>> : std::true_type {
    using element = T;
};
template <class T>
struct json_maybe {
    static constexpr bool is = false;
};
template <class T>
struct json_maybe<std::optional<T>> {
    static constexpr bool is = true;
    using content = T;
};

} // namespace detail

/// A value: null, a boolean, a number, a string, an array or an object. Sixteen bytes and what they own; a copy is
/// deep.
///
/// - Integers of 64 bits, signed or not, are kept exactly, other numbers as a double. There is no NaN and no infinity.
/// - Strings and keys are UTF-8, checked where they come in, so that whatever there is can be written.
/// - An object keeps its members in the order in which they came, each key once. Looking for one takes time in
///   proportion to their number: what has thousands is better gone through.
/// - However deep a value is, to copy, compare, write or destroy it takes no more of the stack.
class json {
public:
    enum class kind : unsigned char {
        null,
        boolean,
        integer,          ///< fits std::int64_t
        unsigned_integer, ///< larger, and fits std::uint64_t
        real,             ///< a double
        string,
        array,
        object,
    };
    struct member; // { std::string key; json value; }

    // ---- making one ----

    json() noexcept = default; ///< null
    json(const json& other) : json() { copy(other); }
    json(json&& other) noexcept : is_(other.is_), has_(other.has_) { other.is_ = kind::null; }
    json& operator=(const json& other) { return *this = json(other); }
    json& operator=(json&& other) noexcept {
        json old(std::move(other)); // it may be a part of this
        std::swap(is_, old.is_);
        std::swap(has_, old.has_);
        return *this;
    }
    ~json() {
        if (is_ >= kind::string) release();
    }

    // NOLINTBEGIN(google-explicit-constructor): a value is what it is made of
    json(std::nullptr_t) noexcept {}
    template <std::same_as<bool> Bool>
    json(Bool value) noexcept : is_(kind::boolean) {
        has_.boolean = value;
    }
    template <detail::whole_number Number>
    json(Number value) noexcept : is_(kind::integer) {
        if (std::in_range<std::int64_t>(value)) {
            has_.integer = static_cast<std::int64_t>(value);
        } else {
            is_ = kind::unsigned_integer;
            has_.unsigned_integer = static_cast<std::uint64_t>(value);
        }
    }
    /// Throws std::invalid_argument for what is not finite: JSON has no such number.
    template <std::floating_point Real>
    json(Real value) : is_(kind::real) {
        has_.real = static_cast<double>(value);
        if (!detail::is_finite(has_.real)) throw std::invalid_argument("json: a number is not finite");
    }
    /// Throws decode_error if it is no UTF-8.
    json(std::string text) : json() {
        check_utf8(text);
        adopt(new std::string(std::move(text)));
    }
    json(std::string_view text) : json(std::string(text)) {}
    json(const char* text) : json(std::string(text)) {}
    json(std::vector<json> elements);
    template <class T>
    requires(!std::same_as<T, json> && std::convertible_to<const T&, json>) json(const std::vector<T>& elements)
        : json(std::vector<json>(elements.begin(), elements.end())) {}
    // NOLINTEND(google-explicit-constructor)

    /// `json::array({1, "two", nullptr})`. Neither this nor `object` is what braces alone mean, since `{{"a", 1}}`
    /// could be either.
    [[nodiscard]] static json array(std::initializer_list<json> elements = {}) { return std::vector<json>(elements); }
    /// `json::object({{"name", "x"}, {"ports", json::array({80, 443})}})`; of a key that comes twice the last one
    /// counts.
    [[nodiscard]] static json object(std::initializer_list<member> members = {});

    /// The value that `text` is: all of it, strictly as RFC 8259 has it. Throws decode_error, with the place, also for
    /// a number beyond a double (1e400) and for more than `deepest` arrays and objects within each other. Of a key that
    /// comes twice the last value counts, in the place of the first.
    [[nodiscard]] static json parse(std::string_view text, std::size_t deepest = 512);

    // ---- what it is ----

    [[nodiscard]] kind type() const noexcept { return is_; }
    [[nodiscard]] bool is_null() const noexcept { return is_ == kind::null; }
    [[nodiscard]] bool is_bool() const noexcept { return is_ == kind::boolean; }
    [[nodiscard]] bool is_number() const noexcept { return is_ >= kind::integer && is_ <= kind::real; }
    /// Whether it is kept as an integer: 1, and not 1.0.
    [[nodiscard]] bool is_integer() const noexcept { return is_number() && is_ != kind::real; }
    [[nodiscard]] bool is_string() const noexcept { return is_ == kind::string; }
    [[nodiscard]] bool is_array() const noexcept { return is_ == kind::array; }
    [[nodiscard]] bool is_object() const noexcept { return is_ == kind::object; }

    // ---- taking it: json_error if it is something else ----

    [[nodiscard]] bool as_bool() const {
        if (!is_bool()) refuse("a boolean");
        return has_.boolean;
    }
    /// A number that is an integer, 1.0 and 1e3 among them, and fits.
    [[nodiscard]] std::int64_t as_int() const { return as_integer<std::int64_t>(); }
    [[nodiscard]] std::uint64_t as_uint() const { return as_integer<std::uint64_t>(); }
    /// Any number; an integer beyond 2^53 is rounded.
    [[nodiscard]] double as_double() const {
        switch (is_) {
        case kind::integer: return static_cast<double>(has_.integer);
        case kind::unsigned_integer: return static_cast<double>(has_.unsigned_integer);
        case kind::real: return has_.real;
        default: refuse("a number");
        }
    }
    [[nodiscard]] const std::string& as_string() const& {
        if (!is_string()) refuse("a string");
        return *has_.string;
    }
    [[nodiscard]] std::string as_string() && {
        if (!is_string()) refuse("a string");
        return std::move(*has_.string);
    }
    /// `for (const json& element : value.as_array())`; of a temporary it is the vector itself.
    [[nodiscard]] const std::vector<json>& as_array() const&;
    [[nodiscard]] std::vector<json>& as_array() &;
    [[nodiscard]] std::vector<json> as_array() &&;
    /// `for (const auto& [key, value] : value.as_object())`.
    [[nodiscard]] const std::vector<member>& as_object() const&;
    [[nodiscard]] std::vector<member> as_object() &&;

    /// As one of bool, integers and floating point (it must fit), std::string, std::string_view (which refers to this
    /// value), json, and std::vector and std::optional (null: nothing) of those.
    template <class T>
    [[nodiscard]] T as() const;

    // ---- what is in it ----

    /// `value.at("ports", 3, "name")`: any number of keys and indices. Throws json_error, which says how far the way
    /// goes.
    template <class... Steps>
    [[nodiscard]] const json& at(const Steps&... steps) const& {
        return walk(std::array<detail::json_step, sizeof...(Steps)>{steps...});
    }
    template <class... Steps>
    [[nodiscard]] json& at(const Steps&... steps) & {
        return const_cast<json&>(std::as_const(*this).at(steps...));
    }
    template <class... Steps>
    [[nodiscard]] json at(const Steps&... steps) && {
        return std::move(at(steps...));
    }
    /// The same, taken as a T: `value.get<int>("ports", 3, "number")`. What it throws has the whole way.
    template <class T, class... Steps>
    [[nodiscard]] T get(const Steps&... steps) const {
        const std::array<detail::json_step, sizeof...(Steps)> way{steps...};
        const json& found = walk(way);
        try {
            return found.as<T>();
        } catch (const json_error& e) {
            throw e.inside(detail::json_step::path(way));
        }
    }
    /// Null if the way ends before.
    template <class... Steps>
    [[nodiscard]] const json* find(const Steps&... steps) const& noexcept {
        const json* here = this;
        for (const detail::json_step& s : std::array<detail::json_step, sizeof...(Steps)>{steps...}) {
            if ((here = here->step(s)) == nullptr) return nullptr;
        }
        return here;
    }
    template <class... Steps>
    [[nodiscard]] json* find(const Steps&... steps) & noexcept {
        return const_cast<json*>(std::as_const(*this).find(steps...));
    }
    template <class... Steps>
    const json* find(const Steps&...) && = delete; // it would be gone
    template <class... Steps>
    [[nodiscard]] bool contains(const Steps&... steps) const noexcept {
        return find(steps...) != nullptr;
    }

    /// The member, made as null where there is none; null becomes an object by that. A member that is made ends every
    /// reference to another one, so `j["new"] = j["old"]` reads what is gone (the right side is evaluated first): copy
    /// before, `json old = j["old"];`.
    json& operator[](std::string_view key) &;
    /// As `at`: a value that is const gets no new members.
    const json& operator[](std::string_view key) const& { return at(key); }
    json operator[](std::string_view key) && { return std::move(*this).at(key); }
    template <detail::whole_number Index>
    json& operator[](Index index) & {
        return at(index);
    }
    template <detail::whole_number Index>
    const json& operator[](Index index) const& {
        return at(index);
    }
    template <detail::whole_number Index>
    json operator[](Index index) && {
        return std::move(*this).at(index);
    }

    /// Adds an element; null becomes an array by that.
    json& push_back(json element) &;
    /// Whether there was such a member.
    bool erase(std::string_view key);
    /// Of elements or members; 0 for null. json_error for what has none.
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] bool empty() const { return size() == 0; }

    // ---- the whole of it ----

    /// Equal are numbers of the same value, 1 and 1.0, and objects with the same members in whatever order.
    friend bool operator==(const json& a, const json& b) {
        if (a.is_container() && b.is_container()) return same_trees(a, b);
        return same_scalars(a, b);
    }

    /// On one line, without a space. Doubles have as few digits as lead back to them.
    [[nodiscard]] std::string dump() const;
    /// On many lines, each level `indent` spaces further in.
    [[nodiscard]] std::string dump(std::size_t indent) const;

private:
    friend detail::json_parser;
    friend detail::json_writer;

    // What has others in it is on the heap, where it can be put into a list: so a tree is taken down without recursion
    // and without memory.
    struct container {
        explicit container(kind k) noexcept : is(k) {}
        container* next = nullptr;
        kind is;
    };
    struct array_box;
    struct object_box;

    union content {
        bool boolean;
        std::int64_t integer;
        std::uint64_t unsigned_integer;
        double real;
        std::string* string;
        container* box;
    };

    [[nodiscard]] bool is_container() const noexcept { return is_ >= kind::array; }
    [[nodiscard]] array_box& elements() const noexcept;
    [[nodiscard]] object_box& members() const noexcept;

    void adopt(std::string* text) noexcept {
        is_ = kind::string;
        has_.string = text;
    }
    void adopt(container* box) noexcept {
        is_ = box->is;
        has_.box = box;
    }
    // Of null, which it takes the place of.
    template <class Box>
    Box& become() {
        auto* const box = new Box;
        adopt(box);
        return *box;
    }

    static void check_utf8(std::string_view text) {
        const std::size_t good = detail::utf8_prefix(text);
        if (good != text.size()) throw decode_error("UTF-8", "no character", text, good);
    }

    void release() noexcept;
    static void bury(container* first) noexcept;
    void copy(const json& other);
    struct pending_copy;
    void copy_shallow(const json& other, std::vector<pending_copy>& pending);
    static bool same_trees(const json& a, const json& b);
    static bool same_scalars(const json& a, const json& b) noexcept;

    [[nodiscard]] const json* step(const detail::json_step& s) const noexcept;
    [[nodiscard]] const json& walk(std::span<const detail::json_step> steps) const;

    template <class Integer>
    [[nodiscard]] Integer as_integer() const;
    [[noreturn, gnu::cold]] void refuse(std::string_view wanted) const;
    [[nodiscard, gnu::cold]] std::string describe() const;

    kind is_ = kind::null;
    content has_{};
};

/// Of an object.
struct json::member {
    std::string key;
    json value;
};

struct json::array_box : container {
    array_box() noexcept : container(kind::array) {}
    std::vector<json> items;
};

struct json::object_box : container {
    object_box() noexcept : container(kind::object) {}
    std::vector<member> items;

    [[nodiscard]] json* find(std::string_view key) noexcept {
        for (member& m : items) {
            if (m.key == key) return &m.value;
        }
        return nullptr;
    }
    // By key, and by place where that is the same.
    [[nodiscard]] std::vector<member*> sorted() {
        std::vector<member*> all;
        all.reserve(items.size());
        for (member& m : items) all.push_back(&m);
        std::sort(all.begin(), all.end(), [](const member* a, const member* b) {
            const int order = a->key.compare(b->key);
            return order != 0 ? order < 0 : a < b;
        });
        return all;
    }
};

inline json::array_box& json::elements() const noexcept { return *static_cast<array_box*>(has_.box); }
inline json::object_box& json::members() const noexcept { return *static_cast<object_box*>(has_.box); }

// ---- made, copied, destroyed ----

inline json::json(std::vector<json> elements) : json() { become<array_box>().items = std::move(elements); }

inline json json::object(std::initializer_list<member> members) {
    json made;
    made.become<object_box>().items.reserve(members.size());
    for (const member& m : members) made[m.key] = m.value;
    return made;
}

inline void json::release() noexcept {
    if (is_ == kind::string) delete has_.string;
    else if (is_container()) bury(has_.box);
    is_ = kind::null;
}

inline void json::bury(container* first) noexcept {
    const auto take = [&first](json& part) noexcept {
        if (!part.is_container()) return;
        part.is_ = kind::null;
        part.has_.box->next = std::exchange(first, part.has_.box);
    };
    while (first != nullptr) {
        container* const box = std::exchange(first, first->next);
        if (box->is == kind::array) {
            auto* const a = static_cast<array_box*>(box);
            for (json& element : a->items) take(element);
            delete a;
        } else {
            auto* const o = static_cast<object_box*>(box);
            for (member& m : o->items) take(m.value);
            delete o;
        }
    }
}

struct json::pending_copy {
    const json* from;
    json* to;
};

inline void json::copy(const json& other) {
    std::vector<pending_copy> pending;
    copy_shallow(other, pending);
    while (!pending.empty()) {
        const pending_copy next = pending.back();
        pending.pop_back();
        if (next.from->is_array()) {
            const std::vector<json>& from = next.from->elements().items;
            std::vector<json>& to = next.to->become<array_box>().items;
            to.resize(from.size()); // at once: what is pending points into it
            for (std::size_t i = 0; i < from.size(); ++i) to[i].copy_shallow(from[i], pending);
        } else {
            const std::vector<member>& from = next.from->members().items;
            std::vector<member>& to = next.to->become<object_box>().items;
            to.resize(from.size());
            for (std::size_t i = 0; i < from.size(); ++i) {
                to[i].key = from[i].key;
                to[i].value.copy_shallow(from[i].value, pending);
            }
        }
    }
}
inline void json::copy_shallow(const json& other, std::vector<pending_copy>& pending) {
    if (other.is_container()) {
        pending.push_back({&other, this});
    } else if (other.is_string()) {
        adopt(new std::string(*other.has_.string));
    } else {
        is_ = other.is_;
        has_ = other.has_;
    }
}

// ---- compared ----

inline bool json::same_scalars(const json& a, const json& b) noexcept {
    if (a.is_ != b.is_) {
        if (a.is_ == kind::real && b.is_number()) return same_scalars(b, a);
        if (b.is_ != kind::real) return false;
        if (a.is_ == kind::integer) return detail::exact_int(b.has_.real) == a.has_.integer;
        return a.is_ == kind::unsigned_integer && detail::exact_unsigned(b.has_.real) == a.has_.unsigned_integer;
    }
    switch (a.is_) {
    case kind::boolean: return a.has_.boolean == b.has_.boolean;
    case kind::integer: return a.has_.integer == b.has_.integer;
    case kind::unsigned_integer: return a.has_.unsigned_integer == b.has_.unsigned_integer;
    case kind::real: return a.has_.real == b.has_.real;
    case kind::string: return *a.has_.string == *b.has_.string;
    default: return true; // null; containers are not asked here
    }
}

inline bool json::same_trees(const json& a, const json& b) {
    std::vector<std::pair<const json*, const json*>> pending;
    const auto differ = [&pending](const json& x, const json& y) {
        if (!x.is_container() || !y.is_container()) return !same_scalars(x, y);
        pending.emplace_back(&x, &y);
        return false;
    };
    const auto in_order = [](const std::vector<member>& x, const std::vector<member>& y) {
        return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                          [](const member& m, const member& n) { return m.key == n.key; });
    };
    pending.emplace_back(&a, &b);
    while (!pending.empty()) {
        const auto [x, y] = pending.back();
        pending.pop_back();
        if (x->is_ != y->is_ || x->size() != y->size()) return false;
        const std::size_t size = x->size();
        if (x->is_array()) {
            for (std::size_t i = 0; i < size; ++i) {
                if (differ(x->elements().items[i], y->elements().items[i])) return false;
            }
        } else if (in_order(x->members().items, y->members().items)) {
            for (std::size_t i = 0; i < size; ++i) {
                if (differ(x->members().items[i].value, y->members().items[i].value)) return false;
            }
        } else {
            const std::vector<member*> xs = x->members().sorted();
            const std::vector<member*> ys = y->members().sorted();
            for (std::size_t i = 0; i < size; ++i) {
                if (xs[i]->key != ys[i]->key || differ(xs[i]->value, ys[i]->value)) return false;
            }
        }
    }
    return true;
}

// ---- what is in it ----

inline const std::vector<json>& json::as_array() const& {
    if (!is_array()) refuse("an array");
    return elements().items;
}
inline std::vector<json>& json::as_array() & {
    if (!is_array()) refuse("an array");
    return elements().items;
}
inline std::vector<json> json::as_array() && {
    if (!is_array()) refuse("an array");
    return std::move(elements().items);
}
inline const std::vector<json::member>& json::as_object() const& {
    if (!is_object()) refuse("an object");
    return members().items;
}
inline std::vector<json::member> json::as_object() && {
    if (!is_object()) refuse("an object");
    return std::move(members().items);
}

inline const json* json::step(const detail::json_step& s) const noexcept {
    if (s.is_key()) return is_object() ? members().find(s.key()) : nullptr;
    if (!is_array() || s.index() < 0 || static_cast<std::size_t>(s.index()) >= elements().items.size()) return nullptr;
    return &elements().items[static_cast<std::size_t>(s.index())];
}

inline const json& json::walk(std::span<const detail::json_step> steps) const {
    const json* here = this;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const json* const next = here->step(steps[i]);
        if (next == nullptr) {
            const bool is_key = steps[i].is_key();
            std::string problem = here->describe();
            if (is_key && here->is_object()) problem += detail::concat({" without ", in_quotes(steps[i].key())});
            throw json_error(is_key ? detail::concat({"take ", in_quotes(steps[i].key()), " of"})
                                    : detail::concat({"take [", steps[i].index(), "] of"}),
                             detail::json_step::path(steps.first(i)), std::move(problem));
        }
        here = next;
    }
    return *here;
}

inline json& json::operator[](std::string_view key) & {
    if (is_null()) become<object_box>();
    if (!is_object()) refuse("an object");
    if (json* const found = members().find(key)) return *found;
    check_utf8(key);
    members().items.push_back({std::string(key), json()});
    return members().items.back().value;
}

inline json& json::push_back(json element) & {
    if (is_null()) become<array_box>();
    if (!is_array()) refuse("an array");
    elements().items.push_back(std::move(element));
    return *this;
}

inline bool json::erase(std::string_view key) {
    if (!is_object()) refuse("an object");
    return std::erase_if(members().items, [key](const member& m) { return m.key == key; }) != 0;
}

inline std::size_t json::size() const {
    if (is_array()) return elements().items.size();
    if (is_object()) return members().items.size();
    if (!is_null()) refuse("an array or an object");
    return 0;
}

// ---- taken ----

template <class Integer>
Integer json::as_integer() const {
    const auto fit = [](auto number) -> std::optional<Integer> {
        if (!std::in_range<Integer>(number)) return std::nullopt;
        return static_cast<Integer>(number);
    };
    std::optional<Integer> found;
    if (is_ == kind::integer) {
        found = fit(has_.integer);
    } else if (is_ == kind::unsigned_integer) {
        found = fit(has_.unsigned_integer);
    } else if (is_ == kind::real) {
        if (const auto whole = detail::exact_int(has_.real)) found = fit(*whole);
        else if (const auto large = detail::exact_unsigned(has_.real)) found = fit(*large);
    }
    if (!found) {
        refuse(detail::concat(
            {"an integer (", +std::numeric_limits<Integer>::min(), " to ", +std::numeric_limits<Integer>::max(), ")"}));
    }
    return *found;
}

template <class T>
T json::as() const {
    if constexpr (std::same_as<T, bool>) {
        return as_bool();
    } else if constexpr (detail::whole_number<T>) {
        return as_integer<T>();
    } else if constexpr (std::floating_point<T>) {
        const auto number = static_cast<T>(as_double());
        if (!detail::is_finite(static_cast<double>(number))) refuse("a number that fits");
        return number;
    } else if constexpr (std::same_as<T, std::string> || std::same_as<T, std::string_view>) {
        return as_string();
    } else if constexpr (std::same_as<T, json>) {
        return *this;
    } else if constexpr (detail::json_maybe<T>::is) {
        if (is_null()) return std::nullopt;
        return as<typename detail::json_maybe<T>::content>();
    } else {
        static_assert(detail::json_list_of<T>::value, "json::as() knows no such type");
        T list;
        list.reserve(as_array().size());
        for (const json& element : as_array()) {
            try {
                list.push_back(element.as<typename detail::json_list_of<T>::element>());
            } catch (const json_error& e) {
                throw e.inside(detail::concat({"[", list.size(), "]"}));
            }
        }
        return list;
    }
}

// ---- told in errors ----

inline std::string json::describe() const {
    switch (is_) {
    case kind::null: return "it is null";
    case kind::boolean: return has_.boolean ? "it is true" : "it is false";
    case kind::integer: return detail::concat({"it is ", has_.integer});
    case kind::unsigned_integer: return detail::concat({"it is ", has_.unsigned_integer});
    case kind::real: {
        std::string text = "it is ";
        detail::append_real(text, has_.real);
        return text;
    }
    case kind::string: {
        constexpr std::size_t most = 40;
        std::string_view shown = *has_.string;
        if (shown.size() <= most) return detail::concat({"it is ", in_quotes(shown)});
        std::size_t cut = most;
        while (cut > 0 && detail::is_utf8_continuation(shown[cut])) --cut;
        return detail::concat({"it is ", in_quotes(shown.substr(0, cut)), "..."});
    }
    case kind::array: return detail::concat({"it is an array of ", size()});
    case kind::object: return detail::concat({"it is an object of ", size()});
    }
    return {};
}

inline void json::refuse(std::string_view wanted) const {
    throw json_error(detail::concat({"take ", wanted, " from"}), {}, describe());
}

} // namespace coproc
