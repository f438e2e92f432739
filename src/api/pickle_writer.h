// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace photovec::api {

/// Writes a Python pickle, protocol 2, opcode by opcode: dicts with string keys, lists, strings, ints and
/// floats. It names no class, so loading it runs no code. No memo entries are written; none of these types
/// needs one. Source: pickletools.py of CPython.
///
///     PickleWriter pickle;
///     pickle.BeginDict();
///     pickle.Text("message"); pickle.Text("success");
///     pickle.EndDict();
///     std::string bytes = std::move(pickle).Finish();
class PickleWriter {
 public:
  PickleWriter();
  void BeginDict();  ///< then key, value, key, value ...
  void EndDict();
  void BeginList();
  void EndList();
  void Text(std::string_view text);  ///< bytes that are not UTF-8 become U+FFFD
  void Int(int32_t value);
  void Floats(std::span<const float> values);  ///< a list of Python floats
  void Reserve(size_t bytes) { out_.reserve(bytes); }
  /// The whole pickle; every Begin must have met its End.
  std::string Finish() &&;

 private:
  std::string out_;
};

/// Bytes that PickleWriter::Floats writes per value.
inline constexpr size_t kPickleBytesPerFloat = 9;

}  // namespace photovec::api
