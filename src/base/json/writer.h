// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

/// Everything that photovec writes as JSON is written here. One policy: bytes that are not UTF-8 become
/// U+FFFD, so that the output is always valid; NaN and infinities become null. No locale, no exceptions but
/// std::bad_alloc. Safe from any thread.
namespace photovec::json {

/// What AppendFloats is expected to write for one value: decides whether a reply is written on the worker
/// pool.
inline constexpr size_t kBytesPerFloat = 13;

/// `text` as a JSON string with its quotes.
void AppendString(std::string& out, std::string_view text);
std::string String(std::string_view text);
void AppendInt(std::string& out, int64_t value);
/// The shortest decimals that read back as the same f32.
void AppendFloat(std::string& out, float value);
/// "[0.1,-0.2]"
void AppendFloats(std::string& out, std::span<const float> values);

/// Writes JSON into one growing buffer as it goes, commas included: a reply or a large report is one
/// allocation and no tree of values. Calls must nest properly (checked outside release). Not thread-safe.
class Writer {
 public:
  /// \param out is appended to, and must outlive the writer.
  explicit Writer(std::string& out) : out_(out) {}

  Writer& BeginObject() { return Open('{'); }
  Writer& EndObject() { return Close('}'); }
  Writer& BeginArray() { return Open('['); }
  Writer& EndArray() { return Close(']'); }
  Writer& Key(std::string_view key);

  Writer& Value(std::string_view text);
  Writer& Value(const char* text) { return Value(std::string_view(text)); }
  Writer& Value(const std::string& text) { return Value(std::string_view(text)); }
  Writer& Value(std::same_as<bool> auto value) { return Raw(value ? "true" : "false"); }
  Writer& Value(std::signed_integral auto value) { return Signed(value); }
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Writer& Value(T value) { return Unsigned(value); }
  Writer& Null() { return Raw("null"); }
  /// \param digits behind the point, at most 17.
  Writer& Fixed(double value, int digits);
  /// The shortest decimals that read back as the same double.
  Writer& Number(double value);
  /// {"code":"image_corrupt","message":"..."}, or null for OK.
  Writer& Error(const Status& status);
  /// Begins a line before the next key, value or closing bracket: for documents that people read.
  /// \param indent spaces at its beginning.
  Writer& Line(int indent);
  /// A value that is JSON already.
  Writer& Raw(std::string_view json);

  /// Key and value of a member.
  template <typename T>
  Writer& Field(std::string_view key, const T& value) {
    return Key(key).Value(value);
  }
  Writer& Field(std::string_view key, double value, int digits) { return Key(key).Fixed(value, digits); }

 private:
  Writer& Open(char bracket);
  Writer& Close(char bracket);
  Writer& Signed(int64_t value);
  Writer& Unsigned(uint64_t value);
  void Comma();
  void BreakLine();

  std::string& out_;
  bool fresh_ = true;  // nothing stands before the next value that a comma must part it from
  int depth_ = 0;
  int indent_ = -1;  // of the line that begins next; -1: none
};

}  // namespace photovec::json
