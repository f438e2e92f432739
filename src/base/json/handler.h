// SPDX-License-Identifier: MIT
// Internal to base/json: what reader.cc and checker.cc do with the events of Boost.JSON's parser.
#pragma once

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value_stack.hpp>
#include <cmath>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/json/checker.h"
#include "base/json/reader.h"

namespace photovec::json {

using ErrorCode = boost::system::error_code;

/// Where an error is; lines and columns count from 1.
struct Place {
  size_t line = 1;
  size_t column = 1;
};
inline std::string ToText(const Place& place) {
  return "line " + std::to_string(place.line) + ", column " + std::to_string(place.column);
}

/// Counts what a document has, holds it to limits, and refuses a key that an object already has: Boost.JSON
/// alone keeps the last one, and two readers that disagree about which one counts are a way around checks.
/// \tparam kBuild also builds the document, on `stack`.
template <bool kBuild>
struct Handler {
  static constexpr size_t max_object_size = boost::json::object::max_size();
  static constexpr size_t max_array_size = boost::json::array::max_size();
  static constexpr size_t max_key_size = boost::json::string::max_size();
  static constexpr size_t max_string_size = boost::json::string::max_size();

  boost::json::value_stack stack;
  Limits limits;
  size_t values = 0;
  uint64_t string_bytes = 0;
  std::vector<std::unordered_set<std::string>> keys;  // of each object that is open
  std::string key;
  std::string duplicate;
  std::string beyond;  // which limit was passed

  bool Stop(std::string what, ErrorCode& error) {
    beyond = std::move(what);
    error = boost::json::make_error_code(boost::json::error::syntax);
    return false;
  }
  bool Count(ErrorCode& error) {
    if (++values <= limits.values) return true;
    return Stop("more than " + std::to_string(limits.values) + " values", error);
  }
  bool Measure(size_t total, size_t part, ErrorCode& error) {
    string_bytes += part;
    if (total <= limits.string_bytes) return true;
    return Stop("a string of more than " + std::to_string(limits.string_bytes) + " bytes", error);
  }
  bool AddToKey(boost::json::string_view text, size_t n, ErrorCode& error) {
    if (n == text.size()) key.clear();
    if (n > limits.key_bytes) {
      return Stop("a key of more than " + std::to_string(limits.key_bytes) + " bytes", error);
    }
    key.append(text.data(), text.size());
    return true;
  }

  bool on_document_begin(ErrorCode&) { return true; }
  bool on_document_end(ErrorCode&) { return true; }
  bool on_object_begin(ErrorCode& error) {
    keys.emplace_back();
    return Count(error);
  }
  bool on_object_end(size_t n, ErrorCode&) {
    keys.pop_back();
    if constexpr (kBuild) stack.push_object(n);
    return true;
  }
  bool on_array_begin(ErrorCode& error) { return Count(error); }
  bool on_array_end([[maybe_unused]] size_t n, ErrorCode&) {
    if constexpr (kBuild) stack.push_array(n);
    return true;
  }
  bool on_key_part(boost::json::string_view text, size_t n, ErrorCode& error) {
    if (!AddToKey(text, n, error)) return false;
    if constexpr (kBuild) stack.push_chars(text);
    return true;
  }
  bool on_key(boost::json::string_view text, size_t n, ErrorCode& error) {
    if (!AddToKey(text, n, error)) return false;
    if (keys.back().size() == limits.members) {
      return Stop("an object with more than " + std::to_string(limits.members) + " keys", error);
    }
    if (!keys.back().insert(key).second) {
      duplicate = key;
      error = boost::json::make_error_code(boost::json::error::syntax);
      return false;
    }
    string_bytes += n;
    if constexpr (kBuild) stack.push_key(text);
    return true;
  }
  bool on_string_part(boost::json::string_view text, size_t n, ErrorCode& error) {
    if (!Measure(n, text.size(), error)) return false;
    if constexpr (kBuild) stack.push_chars(text);
    return true;
  }
  bool on_string(boost::json::string_view text, size_t n, ErrorCode& error) {
    if (!Measure(n, text.size(), error)) return false;
    if constexpr (kBuild) stack.push_string(text);
    return Count(error);
  }
  bool on_number_part(boost::json::string_view, ErrorCode&) { return true; }
  bool on_int64([[maybe_unused]] int64_t value, boost::json::string_view, ErrorCode& error) {
    if constexpr (kBuild) stack.push_int64(value);
    return Count(error);
  }
  bool on_uint64([[maybe_unused]] uint64_t value, boost::json::string_view, ErrorCode& error) {
    if constexpr (kBuild) stack.push_uint64(value);
    return Count(error);
  }
  bool on_double(double value, boost::json::string_view, ErrorCode& error) {
    if (!std::isfinite(value)) {  // Boost.JSON makes 1e999 an infinity
      error = boost::json::make_error_code(boost::json::error::exponent_overflow);
      return false;
    }
    if constexpr (kBuild) stack.push_double(value);
    return Count(error);
  }
  bool on_bool([[maybe_unused]] bool value, ErrorCode& error) {
    if constexpr (kBuild) stack.push_bool(value);
    return Count(error);
  }
  bool on_null(ErrorCode& error) {
    if constexpr (kBuild) stack.push_null();
    return Count(error);
  }
  bool on_comment_part(boost::json::string_view, ErrorCode&) { return true; }
  bool on_comment(boost::json::string_view, ErrorCode&) { return true; }
};

/// What is wrong, after "malformed JSON" or the like.
/// \param rest the text from the error on, as far as it is known.
template <bool kBuild>
std::string Explain(const Place& place, std::string_view rest, const ErrorCode& error,
                    const Handler<kBuild>& handler) {
  const std::string where = " at " + ToText(place) + ": ";
  if (!handler.beyond.empty()) return where + handler.beyond;
  if (!handler.duplicate.empty()) {
    return where + "the key \"" + handler.duplicate.substr(0, 64) + "\" occurs twice";
  }
  if (error == boost::json::error::too_deep) {
    return where + "nested more than " + std::to_string(kMaxDepth) + " levels deep";
  }
  std::string message = where + error.message();
  if (!handler.key.empty()) message += ", in or after the field \"" + handler.key.substr(0, 64) + "\"";
  for (const std::string_view word : {"NaN", "Infinity", "-Infinity", "nan", "inf"}) {
    if (rest.starts_with(word)) message += "; NaN and Infinity are not JSON";
  }
  return message;
}

}  // namespace photovec::json
