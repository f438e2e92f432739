// SPDX-License-Identifier: MIT
#include "request_log/record.h"

#include <array>
#include <boost/json/basic_parser.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <cmath>
#include <concepts>
#include <cstring>
#include <fstream>
#include <limits>
#include <string_view>
#include <utility>

namespace photovec::request_log {
namespace {

namespace bjson = boost::json;

// JSON's own words for what a value is.
std::string_view KindName(const bjson::value& value) {
  switch (value.kind()) {
    case bjson::kind::null:
      return "null";
    case bjson::kind::bool_:
      return "true or false";
    case bjson::kind::string:
      return "a string";
    case bjson::kind::array:
      return "a list";
    case bjson::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

// The members of one object. The first error is kept; after it everything reads as absent.
class Members {
 public:
  Members(const bjson::object& object, std::string where, Status& error)
      : object_(object), where_(std::move(where)), error_(error) {}

  template <std::integral T>
  void Read(std::string_view key, T& target) {
    const bjson::value* value = Find(key);
    if (value == nullptr) return;
    int64_t number = 0;
    if (!ToInteger(*value, number) || !std::in_range<T>(number)) return Wrong(key, *value, "a whole number");
    target = static_cast<T>(number);
  }
  void Read(std::string_view key, std::string& target) {
    const bjson::value* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_string()) return Wrong(key, *value, "a string");
    target.assign(value->get_string().data(), value->get_string().size());
  }
  void Read(std::string_view key, bool& target) {
    const bjson::value* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_bool()) return Wrong(key, *value, "true or false");
    target = value->get_bool();
  }
  void Read(std::string_view key, std::array<int64_t, kBorderCount>& target) {
    const bjson::array* times = Array(key);
    if (times == nullptr) return;
    const std::string named = "\"" + where_ + std::string(key) + "\" must list ";
    if (times->size() != target.size()) {
      return Fail(named + std::to_string(target.size()) + " times, one for each border, not " +
                  std::to_string(times->size()));
    }
    for (size_t i = 0; i < target.size(); ++i) {
      if (!ToInteger((*times)[i], target[i])) {
        return Fail(named + "whole numbers (microseconds; -1: not reached)");
      }
    }
  }
  const bjson::array* Array(std::string_view key) {
    const bjson::value* value = Find(key);
    if (value == nullptr) return nullptr;
    if (!value->is_array()) Wrong(key, *value, "a list");
    return value->if_array();
  }
  const bjson::object* Object(std::string_view key) {
    const bjson::value* value = Find(key);
    if (value == nullptr) return nullptr;
    if (!value->is_object()) Wrong(key, *value, "an object");
    return value->if_object();
  }
  void Require(std::string_view key) {
    if (object_.if_contains(key) == nullptr) Fail("there is no \"" + where_ + std::string(key) + "\"");
  }
  void Fail(std::string message) {
    if (error_.ok()) error_ = Status(Code::kInvalidRequest, std::move(message));
  }

 private:
  // Other servers may measure in floating point.
  static bool ToInteger(const bjson::value& value, int64_t& number) {
    if (const int64_t* whole = value.if_int64()) {
      number = *whole;
      return true;
    }
    constexpr double kLargest = 9e18;  // below 2^63
    const double* real = value.if_double();
    if (real == nullptr || !(std::abs(*real) < kLargest)) return false;
    number = std::llround(*real);
    return true;
  }
  const bjson::value* Find(std::string_view key) const {
    return error_.ok() ? object_.if_contains(key) : nullptr;
  }
  void Wrong(std::string_view key, const bjson::value& value, std::string_view wanted) {
    Fail("\"" + where_ + std::string(key) + "\" must be " + std::string(wanted) + ", not " +
         (value.is_number() ? bjson::serialize(value) : std::string(KindName(value))));
  }

  const bjson::object& object_;
  const std::string where_;
  Status& error_;
};

ItemRecord ReadItem(const bjson::object& object, size_t index, Status& error) {
  const std::string where = "items[" + std::to_string(index) + "].";
  Members members(object, where, error);
  ItemRecord item;
  VisitItem(item, [&](std::string_view key, auto& member) { members.Read(key, member); });
  members.Read(kCachedKey, item.cached);
  members.Read(kRowsOkKey, item.rows_ok);
  members.Read(kJpegByKey, item.jpeg_by);
  bool text = false;
  members.Read(kTextKey, text);
  if (text) item.kind = ItemKind::kText;
  if (const bjson::object* stages = members.Object("stages")) {
    Members durations(*stages, where + "stages.", error);
    for (int i = 0; i < kStageCount; ++i) {
      durations.Read(StageName(static_cast<Stage>(i)), item.stage_us[static_cast<size_t>(i)]);
    }
  }
  return item;
}

Status ReadRecord(const bjson::value& line, Record& record) {
  const bjson::object* object = line.if_object();
  if (object == nullptr) {
    return {Code::kInvalidRequest, "a line must be a JSON object, not " + std::string(KindName(line))};
  }
  Status error;
  Members members(*object, "", error);
  members.Require("started");
  members.Require("status");
  VisitRequest(record, [&](std::string_view key, auto& member) { members.Read(key, member); });
  members.Read(kRequestIdKey, record.request_id);
  members.Read(kTraceparentKey, record.traceparent);
  members.Read("preprocess", record.preprocess_us);
  members.Read("embed", record.embed_us);
  members.Read("load_decode", record.load_decode_us);
  members.Read("pool_wait", record.pool_wait_us);
  if (const bjson::array* items = members.Array(kItemsKey)) {
    record.items.reserve(items->size());
    for (size_t i = 0; i < items->size() && error.ok(); ++i) {
      const bjson::object* item = (*items)[i].if_object();
      if (item == nullptr) {
        members.Fail("\"items[" + std::to_string(i) + "]\" must be an object");
      } else {
        record.items.push_back(ReadItem(*item, i, error));
      }
    }
  }
  return error;
}

Status ParseLine(std::string_view text, Record& record) {
  try {
    bjson::monotonic_resource memory;
    boost::system::error_code error;
    const bjson::value line = bjson::parse({text.data(), text.size()}, error, &memory);
    if (error) return {Code::kInvalidRequest, "this is no JSON (" + error.message() + ")"};
    return ReadRecord(line, record);
  } catch (const std::exception& error) {
    return {Code::kInvalidRequest, std::string("cannot be read: ") + error.what()};
  }
}

}  // namespace

Result<std::vector<Record>> ReadRequestLog(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Status(Code::kNotFound, "cannot read the request log " + path + ": " + std::strerror(errno));
  }
  std::vector<Record> records;
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    if (file.eof()) break;  // the last line has no end: whoever wrote it was killed meanwhile
    Record record;
    const Status read = ParseLine(line, record);
    if (!read.ok()) return read.WithContext(path + ":" + std::to_string(number));
    records.push_back(std::move(record));
  }
  if (file.bad()) {
    return Status(Code::kInvalidRequest, path + ": reading failed after " + std::to_string(records.size()) +
                                             " lines: " + std::strerror(errno));
  }
  return records;
}

}  // namespace photovec::request_log
