// SPDX-License-Identifier: MIT
#include "base/json/writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/text/ascii.h"
#include "base/text/utf8.h"

namespace photovec::json {
namespace {

void AppendEscaped(std::string& out, unsigned char byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kLowerHexDigits[byte >> 4];
      out += kLowerHexDigits[byte & 15];
  }
}

template <typename T>
void AppendNumber(std::string& out, T value) {
  std::array<char, 32> text{};
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
}

// Which bytes are a character that stands for itself: nearly all, so they are copied in runs.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t byte = 0x20; byte < 0x7F; ++byte) plain[byte] = byte != '"' && byte != '\\';
  return plain;
}();

}  // namespace

void AppendString(std::string& out, std::string_view text) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && kPlain[static_cast<unsigned char>(text[end])]) ++end;
    out.append(text, at, end - at);
    if (end == text.size()) break;
    const auto byte = static_cast<unsigned char>(text[end]);
    at = end + 1;
    if (byte < 0x80) {
      AppendEscaped(out, byte);
    } else if (const size_t length = Utf8SequenceLength(text, end); length == 0) {
      out += kReplacementCharacter;
    } else {
      out.append(text, end, length);
      at = end + length;
    }
  }
  out += '"';
}

std::string String(std::string_view text) {
  std::string out;
  AppendString(out, text);
  return out;
}

void AppendInt(std::string& out, int64_t value) { AppendNumber(out, value); }

void AppendFloat(std::string& out, float value) {
  if (!std::isfinite(value)) {
    out += "null";
  } else {
    AppendNumber(out, value);
  }
}

void AppendFloats(std::string& out, std::span<const float> values) {
  constexpr size_t kLongest = 17;  // "-1.1754944e-38" and a comma
  const size_t start = out.size();
  out.resize(start + values.size() * kLongest + 2);
  char* at = out.data() + start;
  char* const limit = out.data() + out.size();
  *at++ = '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i != 0) *at++ = ',';
    if (std::isfinite(values[i])) {
      at = std::to_chars(at, limit, values[i]).ptr;
    } else {
      for (const char c : std::string_view("null")) *at++ = c;
    }
  }
  *at++ = ']';
  out.resize(static_cast<size_t>(at - out.data()));
}

void Writer::Comma() {
  if (!fresh_) out_ += ',';
  fresh_ = false;
  BreakLine();
}

void Writer::BreakLine() {
  if (indent_ < 0) return;
  out_ += '\n';
  out_.append(static_cast<size_t>(indent_), ' ');
  indent_ = -1;
}

Writer& Writer::Line(int indent) {
  indent_ = indent;
  return *this;
}

Writer& Writer::Open(char bracket) {
  Comma();
  out_ += bracket;
  fresh_ = true;
  ++depth_;
  return *this;
}

Writer& Writer::Close(char bracket) {
  --depth_;
  PHOTOVEC_CHECK(depth_ >= 0, "JSON that is closed more often than opened");
  BreakLine();
  out_ += bracket;
  fresh_ = false;
  return *this;
}

Writer& Writer::Key(std::string_view key) {
  Comma();
  AppendString(out_, key);
  out_ += ':';
  fresh_ = true;
  return *this;
}

Writer& Writer::Value(std::string_view text) {
  Comma();
  AppendString(out_, text);
  return *this;
}

Writer& Writer::Signed(int64_t value) {
  Comma();
  AppendNumber(out_, value);
  return *this;
}

Writer& Writer::Unsigned(uint64_t value) {
  Comma();
  AppendNumber(out_, value);
  return *this;
}

Writer& Writer::Fixed(double value, int digits) {
  if (!std::isfinite(value)) return Null();
  Comma();
  std::array<char, 352> text{};  // 309 digits before the point at most
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits);
  out_.append(text.data(), end.ptr);
  return *this;
}

Writer& Writer::Number(double value) {
  if (!std::isfinite(value)) return Null();
  Comma();
  AppendNumber(out_, value);
  return *this;
}

Writer& Writer::Error(const Status& status) {
  if (status.ok()) return Null();
  return BeginObject().Field("code", status.name()).Field("message", status.message()).EndObject();
}

Writer& Writer::Raw(std::string_view json) {
  Comma();
  out_ += json;
  return *this;
}

}  // namespace photovec::json
