// SPDX-License-Identifier: MIT
#include "request_log/writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/json/writer.h"
#include "base/log.h"
#include "base/thread_pool.h"

namespace photovec::request_log {
namespace {

// A reader that follows the file sees a request this much later at the most; meanwhile others join its write.
constexpr auto kGather = std::chrono::milliseconds(100);
constexpr size_t kLargeWrite = size_t{256} << 10;
constexpr auto kWarnEvery = std::chrono::minutes(1);

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
  members.Key(kItemsKey);
  members.Flush();
  char before = '[';
  if (record.items.empty()) out += before;
  for (const ItemRecord& item : record.items) {
    out += std::exchange(before, ',');
    Members of_item(out);
    VisitItem(item, of_item);
    if (item.cached) of_item(kCachedKey, true);
    of_item.Flush();
    out += '}';
  }
  return out += "]}\n";
}

Status CannotWrite(const std::string& path) {
  return {Code::kUnavailable, "cannot write the request log " + path + ": " + std::strerror(errno) +
                                  "; --request-log needs a file that this process may create or append to"};
}

// A server that was killed, or met a full disk last, left half a line: it goes, so that the next line is one.
Status RemoveTornLine(const std::string& path, off_t size) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return CannotWrite(path);
  std::array<char, 4096> block;
  off_t end = size;
  bool found = false;
  while (end > 0 && !found) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(block.size()));
    const ssize_t got = pread(fd, block.data(), static_cast<size_t>(end - begin), begin);
    if (got != end - begin) break;
    const std::string_view text(block.data(), static_cast<size_t>(got));
    const size_t newline = text.rfind('\n');
    found = newline != std::string_view::npos;
    end = begin + (found ? static_cast<off_t>(newline) + 1 : 0);
  }
  const bool cut = (found || end == 0) && (end == size || ftruncate(fd, end) == 0);
  const Status status = cut ? Status::Ok() : CannotWrite(path);
  close(fd);
  return status;
}

}  // namespace

Result<std::unique_ptr<RequestLog>> RequestLog::Open(const std::string& path, RequestLogOptions options) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return CannotWrite(path);
  std::unique_ptr<RequestLog> log(new RequestLog(path, fd, options));
  struct stat info {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    RETURN_IF_ERROR(RemoveTornLine(path, info.st_size));
  }
  return log;
}

RequestLog::RequestLog(std::string path, int fd, RequestLogOptions options)
    : path_(std::move(path)), fd_(fd), options_(options), thread_([this] { Run(); }) {}

void RequestLog::Write(Record record) {
  record.id = next_id_.fetch_add(1, std::memory_order_relaxed);
  const std::string line = FormatLine(record);
  bool wake = false;
  {
    std::scoped_lock lock(mutex_);
    if (stopped_ || waiting_.size() + line.size() > options_.max_waiting_bytes) {
      lost_.fetch_add(1);
      return;
    }
    wake =
        waiting_.empty() || (waiting_.size() < kLargeWrite && waiting_.size() + line.size() >= kLargeWrite);
    waiting_ += line;
  }
  if (wake) wake_.notify_one();
}

void RequestLog::Stop() {
  if (!thread_.joinable()) return;
  {
    std::scoped_lock lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_one();
  thread_.join();
  close(fd_);
}

void RequestLog::Run() {
  SetThreadName("request-log");
  while (TakeWaiting()) {
    WriteOut();
    WarnOfLoss(false);
  }
  if (torn_) WriteOut();  // perhaps there is room by now
  if (torn_) lost_.fetch_add(1);
  WarnOfLoss(true);
}

// Moves what waits to the end of text_; false when stopped and nothing is left.
bool RequestLog::TakeWaiting() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return stopped_ || !waiting_.empty(); });
  wake_.wait_for(lock, kGather, [&] { return stopped_ || waiting_.size() >= kLargeWrite; });
  if (waiting_.empty()) return false;
  if (text_.empty()) {
    text_.swap(waiting_);
  } else {
    text_ += waiting_;
    waiting_.clear();
  }
  return true;
}

void RequestLog::WriteOut() {
  size_t written = 0;
  while (written < text_.size()) {
    const ssize_t count = write(fd_, text_.data() + written, text_.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return GiveUp(written, count < 0 ? errno : ENOSPC);
    written += static_cast<size_t>(count);
  }
  text_.clear();
  torn_ = false;
}

// Of a line whose beginning is in the file the rest is kept, to be written as soon as there is room.
void RequestLog::GiveUp(size_t written, int error) {
  torn_ = written > 0 ? text_[written - 1] != '\n' : torn_;
  const size_t kept_end = torn_ ? text_.find('\n', written) + 1 : written;
  const auto lost = std::count(text_.begin() + static_cast<std::ptrdiff_t>(kept_end), text_.end(), '\n');
  lost_.fetch_add(static_cast<uint64_t>(lost));
  text_ = text_.substr(written, kept_end - written);
  reason_ = std::strerror(error);
}

void RequestLog::WarnOfLoss(bool last) {
  const uint64_t lost = lost_.load();
  const TimePoint now = Clock::now();
  if (lost == told_ || (!last && told_ > 0 && now - told_at_ < kWarnEvery)) return;
  log::warn("request log {}: {} lines lost so far: {}", path_, lost,
            reason_.empty() ? "they came faster than the disk took them" : reason_);
  told_ = lost;
  told_at_ = now;
  reason_.clear();
}

}  // namespace photovec::request_log
