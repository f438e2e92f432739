// SPDX-License-Identifier: MIT
#include "request_log/writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <string_view>
#include <utility>

#include "base/json/writer.h"

namespace photovec::request_log {
namespace {

// The members of one JSON object, gathered before they are appended: a line is written on an event loop, and
// an append for each of some twenty numbers an image is half of what it costs. Keys are ours and need no
// escaping.
class Members {
 public:
  explicit Members(std::string& out) : out_(out) {}

  void operator()(std::string_view key, const std::string& text) {
    Key(key);
    Flush();
    json::AppendString(out_, text);
  }
  void operator()(std::string_view key, bool value) {
    Key(key);
    Put(value ? "true" : "false");
  }
  void operator()(std::string_view key, std::integral auto value) {
    Key(key);
    Number(value);
  }
  void operator()(std::string_view key, const std::array<int64_t, kBorderCount>& times) {
    Key(key);
    char before = '[';
    for (const int64_t time : times) {
      *at_++ = std::exchange(before, ',');
      Number(time);
    }
    *at_++ = ']';
  }
  // What was gathered is in the text from here on.
  void Flush() {
    out_.append(buffer_.data(), static_cast<size_t>(at_ - buffer_.data()));
    at_ = buffer_.data();
  }
  void Key(std::string_view key) {
    if (static_cast<size_t>(buffer_.data() + buffer_.size() - at_) < key.size() + kLongest) Flush();
    *at_++ = std::exchange(before_, ',');
    *at_++ = '"';
    Put(key);
    Put("\":");
  }

 private:
  static constexpr size_t kDigits = 20;                                 // of any 64-bit number, with its sign
  static constexpr size_t kLongest = kBorderCount * (kDigits + 1) + 8;  // a list of times, and what parts it

  void Put(std::string_view text) { at_ = std::copy(text.begin(), text.end(), at_); }
  void Number(std::integral auto value) { at_ = std::to_chars(at_, at_ + kDigits, value).ptr; }

  std::string& out_;
  std::array<char, 512> buffer_;
  char* at_ = buffer_.data();
  char before_ = '{';
};

std::string FormatLine(const Record& record) {
  std::string out;
  out.reserve(320 + record.items.size() * 192);
  Members members(out);
  VisitRequest(record, members);
  if (!record.request_id.empty()) members(kRequestIdKey, record.request_id);
  if (!record.traceparent.empty()) members(kTraceparentKey, record.traceparent);
  members.Key(kItemsKey);
  members.Flush();
  char before = '[';
  if (record.items.empty()) out += before;
  for (const ItemRecord& item : record.items) {
    out += std::exchange(before, ',');
    Members of_item(out);
    VisitItem(item, of_item);
    if (item.kind == ItemKind::kText) of_item(kTextKey, true);
    if (item.cached) of_item(kCachedKey, true);
    if (item.rows_ok >= 0) of_item(kRowsOkKey, item.rows_ok);
    if (!item.jpeg_by.empty()) of_item(kJpegByKey, item.jpeg_by);
    of_item.Flush();
    out += '}';
  }
  return out += "]}\n";
}

}  // namespace

Result<std::unique_ptr<RequestLog>> RequestLog::Open(const std::string& path, RequestLogOptions options) {
  LineWriterOptions lines;
  lines.thread_name = "request-log";
  lines.what = "the request log " + path;
  lines.flag = "--request-log";
  lines.max_waiting_bytes = options.max_waiting_bytes;
  ASSIGN_OR_RETURN(auto writer, LineWriter::Open(path, std::move(lines)));
  return std::unique_ptr<RequestLog>(new RequestLog(std::move(writer)));
}

void RequestLog::Write(Record record) {
  record.id = next_id_.fetch_add(1, std::memory_order_relaxed);
  lines_->Write(FormatLine(record));
}

}  // namespace photovec::request_log
