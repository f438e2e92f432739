// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/status.h"

namespace photovec::json {

inline constexpr size_t kMaxDepth = 32;

/// Parses one JSON document, strictly: no comments, no trailing commas, no NaN or Infinity, no duplicate
/// keys, valid UTF-8, at most kMaxDepth levels. Blocking; any thread. Errors: kInvalidRequest saying what
/// is wrong, at which line and column, and inside which field.
Result<boost::json::value> Parse(std::string_view text);

/// The same for a file or an answer that must be one object. Errors: kInvalidRequest, "not valid JSON at line
/// 2, column 1: ..." or "not a JSON object".
Result<boost::json::object> ParseObject(std::string_view text);

/// "a string", "a number", ...: for messages about wrong types.
std::string_view TypeName(const boost::json::value& value);

/// Reads the fields of one JSON object and keeps the first error, so that callers read everything and then
/// look at status() once. A field that is absent or null counts as not given. Borrows the object.
class FieldReader {
 public:
  /// \param path how messages name the object, e.g. "" for the body itself or "input[3].".
  explicit FieldReader(const boost::json::object& object, std::string path = {})
      : object_(object), path_(std::move(path)) {}

  bool Bool(std::string_view name, bool fallback);
  /// Empty when not given. Borrowed from the document.
  std::string_view String(std::string_view name);
  std::optional<int64_t> Int(std::string_view name);
  const boost::json::array* Array(std::string_view name);
  /// nullptr when not given.
  const boost::json::value* Find(std::string_view name) const;
  /// Names a field that is not in `known`, for protocols that are ours and can be strict.
  void RejectUnknown(std::initializer_list<std::string_view> known);

  /// Records an error of our own about a field, unless there is one already.
  void Fail(std::string_view field, std::string_view message);
  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  const std::string& param() const { return param_; }  ///< the field at fault

 private:
  const boost::json::object& object_;
  std::string path_;
  Status status_;
  std::string param_;
};

}  // namespace photovec::json
