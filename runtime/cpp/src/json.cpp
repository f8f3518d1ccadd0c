// SPDX-License-Identifier: Apache-2.0
#include "json.h"

#include <locale>
#include <sstream>

namespace fmmp::runtime {
namespace {

constexpr int kDeepest = 64;

class Reader {
public:
    explicit Reader(std::string_view text) : text_(text) {}

    Json document()
    {
        Json value = this->value(0);
        space();
        if (at_ != text_.size()) {
            fail("something follows the value");
        }
        return value;
    }

private:
    [[noreturn]] void fail(std::string const& what) const
    {
        throw JsonError(what + " at byte " + std::to_string(at_));
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void space()
    {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
            ++at_;
        }
    }

    bool take(std::string_view word)
    {
        if (text_.substr(at_, word.size()) != word) {
            return false;
        }
        at_ += word.size();
        return true;
    }

    void expect(char sign)
    {
        space();
        if (at_ == text_.size() || text_[at_] != sign) {
            fail(std::string("expected ") + sign);
        }
        ++at_;
    }

    Json value(int depth)
    {
        if (depth > kDeepest) {
            fail("more than 64 values inside each other");
        }
        space();
        switch (peek()) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"':
                return Json(string());
            default:
                break;
        }
        if (take("true")) {
            return Json(true);
        }
        if (take("false")) {
            return Json(false);
        }
        if (take("null")) {
            return Json();
        }
        return number();
    }

    Json object(int depth)
    {
        Json::Object members;
        expect('{');
        space();
        if (take("}")) {
            return Json(std::move(members));
        }
        do {
            space();
            std::string key = string();
            expect(':');
            Json member = value(depth + 1);
            if (!members.emplace(std::move(key), std::move(member)).second) {
                fail("a key is there twice");
            }
            space();
        } while (take(","));
        expect('}');
        return Json(std::move(members));
    }

    Json array(int depth)
    {
        Json::Array items;
        expect('[');
        space();
        if (take("]")) {
            return Json(std::move(items));
        }
        do {
            items.push_back(value(depth + 1));
            space();
        } while (take(","));
        expect(']');
        return Json(std::move(items));
    }

    std::string string()
    {
        expect('"');
        std::string text;
        while (true) {
            if (at_ == text_.size()) {
                fail("a string has no end");
            }
            char const sign = text_[at_++];
            if (sign == '"') {
                return text;
            }
            if (uint8_t(sign) < 0x20) {
                fail("a control character in a string");
            }
            if (sign == '\\') {
                escaped(text);
            } else {
                text += sign;
            }
        }
    }

    void escaped(std::string& text)
    {
        char const sign = peek();
        ++at_;
        if (sign == 'u') {
            append(text, code_point());
            return;
        }
        constexpr std::string_view kSigns = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
        size_t const which = sign == '\0' ? std::string_view::npos : kSigns.find(sign);
        if (which == std::string_view::npos) {
            fail("an unknown escape");
        }
        text += kMeant[which];
    }

    uint32_t code_point()
    {
        uint32_t const unit = code_unit();
        if (unit < 0xd800 || unit > 0xdfff) {
            return unit;
        }
        if (unit > 0xdbff || !take("\\u")) {
            fail("half of a surrogate pair");
        }
        uint32_t const low = code_unit();
        if (low < 0xdc00 || low > 0xdfff) {
            fail("half of a surrogate pair");
        }
        return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }

    uint32_t code_unit()
    {
        uint32_t unit = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            char const sign = peek();
            uint32_t digit = 0;
            if (sign >= '0' && sign <= '9') {
                digit = uint32_t(sign - '0');
            } else if (sign >= 'a' && sign <= 'f') {
                digit = uint32_t(sign - 'a' + 10);
            } else if (sign >= 'A' && sign <= 'F') {
                digit = uint32_t(sign - 'A' + 10);
            } else {
                fail("expected four hexadecimal digits");
            }
            unit = 16 * unit + digit;
        }
        return unit;
    }

    static void append(std::string& text, uint32_t code)
    {
        auto const tail = [&](int shift) { text += char(0x80 | (code >> shift & 0x3f)); };
        if (code < 0x80) {
            text += char(code);
        } else if (code < 0x800) {
            text += char(0xc0 | code >> 6);
            tail(0);
        } else if (code < 0x10000) {
            text += char(0xe0 | code >> 12);
            tail(6), tail(0);
        } else {
            text += char(0xf0 | code >> 18);
            tail(12), tail(6), tail(0);
        }
    }

    size_t digits()
    {
        size_t const first = at_;
        while (peek() >= '0' && peek() <= '9') {
            ++at_;
        }
        if (at_ == first) {
            fail("expected a value");
        }
        return at_ - first;
    }

    Json number()
    {
        size_t const first = at_;
        take("-");
        bool const zero = peek() == '0';
        if (digits() > 1 && zero) {
            fail("a number starts with 0");
        }
        bool whole = true;
        if (take(".")) {
            digits();
            whole = false;
        }
        if (take("e") || take("E")) {
            take("+") || take("-");
            digits();
            whole = false;
        }
        // A stream with the classic locale: strtod reads a comma where the program's locale has one.
        std::istringstream stream{std::string(text_.substr(first, at_ - first))};
        stream.imbue(std::locale::classic());
        int64_t integer = 0;
        if (whole && stream >> integer) {
            return Json(integer);
        }
        double real = 0;
        if (whole || !(stream >> real)) {
            fail("a number is too large");
        }
        return Json(real);
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

Json Json::parse(std::string_view text)
{
    return Reader(text).document();
}

char const* Json::kind() const
{
    constexpr char const* kKinds[] = {"null", "bool", "int", "float", "string", "array", "object"};
    return kKinds[value_.index()];
}

std::string quote(std::string_view text)
{
    std::string quoted = "\"";
    for (char const sign : text) {
        if (sign == '"' || sign == '\\') {
            quoted += '\\';
            quoted += sign;
        } else if (uint8_t(sign) < 0x20) {
            quoted += "\\u00";
            quoted += "0123456789abcdef"[uint8_t(sign) >> 4];
            quoted += "0123456789abcdef"[uint8_t(sign) & 15];
        } else {
            quoted += sign;
        }
    }
    return quoted + '"';
}

}  // namespace fmmp::runtime
