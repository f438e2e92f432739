// SPDX-License-Identifier: MIT
#include "api/json_request.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/json/kind.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse_options.hpp>
#include <boost/json/storage_ptr.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value_stack.hpp>
#include <cmath>
#include <exception>
#include <string>
#include <unordered_set>
#include <vector>

namespace photovec::api {
namespace {

namespace json = boost::json;
using ErrorCode = boost::system::error_code;

/// Builds the document, and refuses a key that an object already has: Boost.JSON alone keeps the last one,
/// and two readers that disagree about which one counts are a way around checks.
struct Builder {
  static constexpr size_t max_object_size = json::object::max_size();
  static constexpr size_t max_array_size = json::array::max_size();
  static constexpr size_t max_key_size = json::string::max_size();
  static constexpr size_t max_string_size = json::string::max_size();

  json::value_stack stack;
  std::vector<std::unordered_set<std::string>> keys;  // of each object that is open
  std::string key;
  std::string duplicate;

  bool on_document_begin(ErrorCode&) { return true; }
  bool on_document_end(ErrorCode&) { return true; }
  bool on_object_begin(ErrorCode&) {
    keys.emplace_back();
    return true;
  }
  bool on_object_end(size_t n, ErrorCode&) {
    keys.pop_back();
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(ErrorCode&) { return true; }
  bool on_array_end(size_t n, ErrorCode&) {
    stack.push_array(n);
    return true;
  }
  bool on_key_part(json::string_view text, size_t n, ErrorCode&) {
    if (n == text.size()) key.clear();
    key.append(text.data(), text.size());
    stack.push_chars(text);
    return true;
  }
  bool on_key(json::string_view text, size_t n, ErrorCode& error) {
    if (n == text.size()) key.clear();
    key.append(text.data(), text.size());
    if (!keys.back().insert(key).second) {
      duplicate = key;
      error = json::make_error_code(json::error::syntax);
      return false;
    }
    stack.push_key(text);
    return true;
  }
  bool on_string_part(json::string_view text, size_t, ErrorCode&) {
    stack.push_chars(text);
    return true;
  }
  bool on_string(json::string_view text, size_t, ErrorCode&) {
    stack.push_string(text);
    return true;
  }
  bool on_number_part(json::string_view, ErrorCode&) { return true; }
  bool on_int64(int64_t value, json::string_view, ErrorCode&) {
    stack.push_int64(value);
    return true;
  }
  bool on_uint64(uint64_t value, json::string_view, ErrorCode&) {
    stack.push_uint64(value);
    return true;
  }
  bool on_double(double value, json::string_view, ErrorCode& error) {
    if (!std::isfinite(value)) {  // Boost.JSON makes 1e999 an infinity
      error = json::make_error_code(json::error::exponent_overflow);
      return false;
    }
    stack.push_double(value);
    return true;
  }
  bool on_bool(bool value, ErrorCode&) {
    stack.push_bool(value);
    return true;
  }
  bool on_null(ErrorCode&) {
    stack.push_null();
    return true;
  }
  bool on_comment_part(json::string_view, ErrorCode&) { return true; }
  bool on_comment(json::string_view, ErrorCode&) { return true; }
};

std::string Position(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const size_t column = newline == std::string_view::npos ? offset + 1 : offset - newline;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::string Explain(std::string_view text, size_t offset, const ErrorCode& error, const Builder& builder) {
  const std::string where = Position(text, offset);
  if (!builder.duplicate.empty()) {
    return "malformed JSON at " + where + ": the key \"" + builder.duplicate.substr(0, 64) +
           "\" occurs twice";
  }
  if (error == json::error::too_deep) {
    return "malformed JSON at " + where + ": nested more than " + std::to_string(kMaxJsonDepth) +
           " levels deep";
  }
  std::string message = "malformed JSON at " + where + ": " + error.message();
  if (!builder.key.empty()) message += ", in or after the field \"" + builder.key.substr(0, 64) + "\"";
  const std::string_view rest = text.substr(std::min(offset, text.size()));
  for (const std::string_view word : {"NaN", "Infinity", "-Infinity", "nan", "inf"}) {
    if (rest.starts_with(word)) message += "; NaN and Infinity are not JSON";
  }
  return message;
}

}  // namespace

Result<json::value> ParseJson(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Status(Code::kInvalidRequest, "the body is empty: a JSON object is expected");
  }
  try {
    json::parse_options options;
    options.max_depth = kMaxJsonDepth;
    json::basic_parser<Builder> parser(options);
    Builder& builder = parser.handler();
    builder.stack.reset(json::make_shared_resource<json::monotonic_resource>());
    ErrorCode error;
    const size_t used = parser.write_some(false, text.data(), text.size(), error);
    if (!error && used < text.size()) error = json::make_error_code(json::error::extra_data);
    if (error) return Status(Code::kInvalidRequest, Explain(text, used, error, builder));
    return builder.stack.release();
  } catch (const std::exception& exception) {
    return Status(Code::kInvalidRequest, std::string("the JSON body cannot be read: ") + exception.what());
  }
}

std::string_view JsonTypeName(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "a list";
    case json::kind::object:
      return "an object";
  }
  return "unknown";
}

void FieldReader::Fail(std::string_view field, std::string_view message) {
  if (!status_.ok()) return;
  param_ = path_ + std::string(field);
  status_ = Status(Code::kInvalidRequest, "field \"" + param_ + "\" " + std::string(message));
}

const json::value* FieldReader::Find(std::string_view name) const {
  const json::value* value = object_.if_contains(json::string_view(name.data(), name.size()));
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool FieldReader::Bool(std::string_view name, bool fallback) {
  const json::value* value = Find(name);
  if (value == nullptr) return fallback;
  if (value->is_bool()) return value->get_bool();
  Fail(name, "must be true or false, not " + std::string(JsonTypeName(*value)));
  return fallback;
}

std::string_view FieldReader::String(std::string_view name) {
  const json::value* value = Find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get_string().data(), value->get_string().size()};
  Fail(name, "must be a string, not " + std::string(JsonTypeName(*value)));
  return {};
}

std::optional<int64_t> FieldReader::Int(std::string_view name) {
  const json::value* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return value->get_int64();
  if (value->is_uint64() || value->is_double()) {
    Fail(name, "must be a whole number");
  } else {
    Fail(name, "must be a whole number, not " + std::string(JsonTypeName(*value)));
  }
  return std::nullopt;
}

const json::array* FieldReader::Array(std::string_view name) {
  const json::value* value = Find(name);
  if (value == nullptr) return nullptr;
  if (value->is_array()) return &value->get_array();
  Fail(name, "must be a list, not " + std::string(JsonTypeName(*value)));
  return nullptr;
}

void FieldReader::RejectUnknown(std::initializer_list<std::string_view> known) {
  for (const auto& member : object_) {
    const std::string_view name(member.key().data(), member.key().size());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string message = "is unknown; known fields:";
    for (const std::string_view field : known) message += " " + std::string(field);
    Fail(name.substr(0, 64), message);
    return;
  }
}

}  // namespace photovec::api
