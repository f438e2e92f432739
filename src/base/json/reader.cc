// SPDX-License-Identifier: MIT
#include "base/json/reader.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/kind.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse_options.hpp>
#include <boost/json/storage_ptr.hpp>
#include <exception>
#include <string>
#include <utility>

#include "base/json/handler.h"

namespace photovec::json {
namespace {

namespace bjson = boost::json;
Place PlaceOf(std::string_view text, size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto newlines = std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const size_t column = newline == std::string_view::npos ? offset + 1 : offset - newline;
  return {static_cast<size_t>(newlines) + 1, column};
}

/// \param verdict how errors begin.
Result<bjson::value> Read(std::string_view text, const std::string& verdict) {
  try {
    bjson::parse_options options;
    options.max_depth = kMaxDepth;
    bjson::basic_parser<Handler<true>> parser(options);
    Handler<true>& builder = parser.handler();
    builder.stack.reset(bjson::make_shared_resource<bjson::monotonic_resource>());
    ErrorCode error;
    const size_t used = parser.write_some(false, text.data(), text.size(), error);
    if (!error && used < text.size()) error = bjson::make_error_code(bjson::error::extra_data);
    if (error) {
      return Status(Code::kInvalidRequest,
                    verdict + Explain(PlaceOf(text, used), text.substr(used), error, builder));
    }
    return builder.stack.release();
  } catch (const std::exception& exception) {
    return Status(Code::kInvalidRequest, verdict + ": it cannot be read: " + exception.what());
  }
}

}  // namespace

Result<bjson::value> Parse(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Status(Code::kInvalidRequest, "the body is empty: a JSON object is expected");
  }
  return Read(text, "malformed JSON");
}

Result<bjson::object> ParseObject(std::string_view text) {
  ASSIGN_OR_RETURN(bjson::value root, Read(text, "not valid JSON"));
  if (!root.is_object()) return Status(Code::kInvalidRequest, "not a JSON object");
  return std::move(root.get_object());
}

std::string_view TypeName(const bjson::value& value) {
  switch (value.kind()) {
    case bjson::kind::null:
      return "null";
    case bjson::kind::bool_:
      return "a boolean";
    case bjson::kind::int64:
    case bjson::kind::uint64:
    case bjson::kind::double_:
      return "a number";
    case bjson::kind::string:
      return "a string";
    case bjson::kind::array:
      return "a list";
    case bjson::kind::object:
      return "an object";
  }
  return "unknown";
}

void FieldReader::Fail(std::string_view field, std::string_view message) {
  if (!status_.ok()) return;
  param_ = path_ + std::string(field);
  status_ = Status(Code::kInvalidRequest, "field \"" + param_ + "\" " + std::string(message));
}

const bjson::value* FieldReader::Find(std::string_view name) const {
  const bjson::value* value = object_.if_contains(bjson::string_view(name.data(), name.size()));
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool FieldReader::Bool(std::string_view name, bool fallback) {
  const bjson::value* value = Find(name);
  if (value == nullptr) return fallback;
  if (value->is_bool()) return value->get_bool();
  Fail(name, "must be true or false, not " + std::string(TypeName(*value)));
  return fallback;
}

std::string_view FieldReader::String(std::string_view name) {
  const bjson::value* value = Find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get_string().data(), value->get_string().size()};
  Fail(name, "must be a string, not " + std::string(TypeName(*value)));
  return {};
}

std::optional<int64_t> FieldReader::Int(std::string_view name) {
  const bjson::value* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_int64()) return value->get_int64();
  if (value->is_uint64() || value->is_double()) {
    Fail(name, "must be a whole number");
  } else {
    Fail(name, "must be a whole number, not " + std::string(TypeName(*value)));
  }
  return std::nullopt;
}

const bjson::array* FieldReader::Array(std::string_view name) {
  const bjson::value* value = Find(name);
  if (value == nullptr) return nullptr;
  if (value->is_array()) return &value->get_array();
  Fail(name, "must be a list, not " + std::string(TypeName(*value)));
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

}  // namespace photovec::json
