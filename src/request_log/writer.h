// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "request_log/record.h"

namespace photovec::request_log {

struct RequestLogOptions {
  /// Lines that wait for the disk; more are lost. A line is about 100 bytes an image, so this is some 40,000
  /// images: seconds of a fast disk that has stopped.
  size_t max_waiting_bytes = size_t{4} << 20;
};

/// A file with the raw times of every request, one JSON line each: docs/metrics.md, "Request log". Whoever
/// writes only formats the line; a thread of its own brings it to the disk, many lines at a time. Lines are
/// written whole or not at all: what comes faster than the disk takes it, or finds the disk full, is lost and
/// counted, with a warning now and then, and the server goes on. Thread-safe.
class RequestLog {
 public:
  /// Creates the file or appends to it. What a killed server left of its last line is removed.
  /// Errors: kUnavailable naming the file and why it cannot be written.
  static Result<std::unique_ptr<RequestLog>> Open(const std::string& path, RequestLogOptions options = {});
  ~RequestLog() { Stop(); }
  RequestLog(const RequestLog&) = delete;
  RequestLog& operator=(const RequestLog&) = delete;

  /// Gives the record its id and writes it. Never blocks on the disk. Lines of one thread keep their order.
  void Write(Record record);
  /// Writes what waits; later lines are lost. Blocks until it is done. Idempotent, from one thread.
  void Stop();
  /// Lines lost so far.
  uint64_t lost() const { return lost_.load(); }

 private:
  RequestLog(std::string path, int fd, RequestLogOptions options);
  void Run();
  bool TakeWaiting();
  void WriteOut();
  void GiveUp(size_t written, int error);
  void WarnOfLoss(bool last);

  const std::string path_;
  const int fd_;
  const RequestLogOptions options_;
  std::atomic<uint64_t> next_id_{0};
  std::atomic<uint64_t> lost_{0};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::string waiting_;  // whole lines
  bool stopped_ = false;

  // Of the thread alone.
  std::string text_;   // being written: whole lines, perhaps behind the rest of a torn one
  bool torn_ = false;  // the file ends inside a line, and text_ begins with the rest of it
  uint64_t told_ = 0;  // lost lines that a warning has named
  TimePoint told_at_;
  std::string reason_;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace photovec::request_log
