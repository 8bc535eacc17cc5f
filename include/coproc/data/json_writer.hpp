#pragma once
// SPDX-License-Identifier: BSL-1.0
//
// From json to text.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/concat.hpp"
#include "json_number.hpp"
#include "json_value.hpp"

namespace coproc {

class detail::json_writer {
public:
    explicit json_writer(bool on_lines, std::size_t indent) noexcept : on_lines_(on_lines), indent_(indent) {}

    std::string write(const json& root) {
        put(root);
        while (!open_.empty()) {
            level& top = open_.back();
            const bool is_array = top.value->is_array();
            if (top.next == top.value->size()) {
                open_.pop_back();
                break_line();
                text_ += is_array ? ']' : '}';
                continue;
            }
            if (top.next != 0) text_ += ',';
            break_line();
            const std::size_t i = top.next++;
            if (is_array) {
                put(top.value->elements().items[i]); // top is not to be touched any more
            } else {
                const json::member& m = top.value->members().items[i];
                put(m.key);
                text_ += on_lines_ ? ": " : ":";
                put(m.value);
            }
        }
        return std::move(text_);
    }

private:
    struct level {
        const json* value;
        std::size_t next;
    };

    // What has others in it is opened only.
    void put(const json& value) {
        switch (value.is_) {
        case json::kind::null: text_ += "null"; break;
        case json::kind::boolean: text_ += value.has_.boolean ? "true" : "false"; break;
        case json::kind::integer: text_ += piece(value.has_.integer).view(); break;
        case json::kind::unsigned_integer: text_ += piece(value.has_.unsigned_integer).view(); break;
        case json::kind::real: append_real(text_, value.has_.real); break;
        case json::kind::string: put(*value.has_.string); break;
        case json::kind::array:
        case json::kind::object:
            text_ += value.is_array() ? '[' : '{';
            if (value.size() != 0) open_.push_back({&value, 0});
            else text_ += value.is_array() ? ']' : '}';
        }
    }

    void put(const std::string& string) {
        text_ += '"';
        std::size_t begin = 0;
        for (std::size_t i = 0; i < string.size(); ++i) {
            const auto byte = static_cast<unsigned char>(string[i]);
            if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
            text_.append(string, begin, i - begin);
            begin = i + 1;
            put_escaped(byte);
        }
        text_.append(string, begin).append(1, '"');
    }
    void put_escaped(unsigned char byte) {
        constexpr std::string_view with_letter = "\"\\\b\f\n\r\t";
        const std::size_t which = with_letter.find(static_cast<char>(byte));
        text_ += '\\';
        if (which != std::string_view::npos) {
            text_ += "\"\\bfnrt"[which];
        } else {
            constexpr char digits[] = "0123456789abcdef";
            text_.append("u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
        }
    }

    void break_line() {
        if (on_lines_) text_.append(1, '\n').append(indent_ * open_.size(), ' ');
    }

    bool on_lines_;
    std::size_t indent_;
    std::string text_;
    std::vector<level> open_;
};

inline std::string json::dump() const { return detail::json_writer(false, 0).write(*this); }
inline std::string json::dump(std::size_t indent) const { return detail::json_writer(true, indent).write(*this); }

} // namespace coproc
