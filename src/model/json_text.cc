// SPDX-License-Identifier: MIT
#include "model/json_text.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace photovec::model {
namespace {

namespace json = boost::json;

size_t KeysKept(const json::value& value) {
  size_t keys = 0;
  if (const json::object* object = value.if_object()) {
    keys = object->size();
    for (const auto& member : *object) keys += KeysKept(member.value());
  } else if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) keys += KeysKept(item);
  }
  return keys;
}

/// In valid JSON each key is followed by the only ':' outside strings.
size_t KeysWritten(std::string_view text) {
  size_t keys = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (c == ':' && !in_string) {
      ++keys;
    }
  }
  return keys;
}

/// Only called once a duplicate is known to exist; the key as written, or "" when two spellings of one key
/// (escapes) hide it.
std::string FirstDuplicate(std::string_view text) {
  std::vector<std::unordered_set<std::string_view>> open;
  std::string_view last;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      const size_t start = i + 1;
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\' ? 1 : 0;
      last = text.substr(start, i - start);
    } else if (text[i] == '{') {
      open.emplace_back();
    } else if (text[i] == '}') {
      open.pop_back();
    } else if (text[i] == ':' && !open.back().insert(last).second) {
      return std::string(last);
    }
  }
  return "";
}

}  // namespace

Result<json::object> ParseJsonObject(std::string_view text) {
  json::error_code error;
  json::value root = json::parse(json::string_view(text.data(), text.size()), error);
  if (error.failed()) return Status(Code::kInvalidRequest, "not valid JSON: " + error.message());
  if (!root.is_object()) return Status(Code::kInvalidRequest, "not a JSON object");
  if (KeysKept(root) != KeysWritten(text)) {
    return Status(Code::kInvalidRequest,
                  "the key \"" + FirstDuplicate(text) + "\" appears twice in one JSON object");
  }
  return std::move(root.as_object());
}

}  // namespace photovec::model
