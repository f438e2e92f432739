// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/line_writer.h"
#include "base/result.h"
#include "request_log/record.h"

namespace photovec::request_log {

struct RequestLogOptions {
  /// Lines that wait for the disk; more are lost. A line is about 100 bytes an image, so this is some 40,000
  /// images: seconds of a fast disk that has stopped.
  size_t max_waiting_bytes = size_t{4} << 20;
};

/// A file with the raw times of every request, one JSON line each: docs/metrics.md, "Request log". Whoever
/// writes only formats the line; a LineWriter brings it to the disk. What comes faster than the disk takes
/// it, or finds the disk full, is lost and counted, with a warning now and then, and the server goes on.
/// Thread-safe.
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
  /// Goes on in a new file of the same name, after another program has renamed the old one.
  void Reopen() { lines_->Reopen(); }
  /// Writes what waits; later lines are lost. Blocks until it is done, or the disk has taken nothing for a
  /// second. Idempotent, from one thread.
  void Stop() { lines_->Stop(); }
  /// Lines lost so far.
  LostLines lost() const { return lines_->lost(); }

 private:
  explicit RequestLog(std::unique_ptr<LineWriter> lines) : lines_(std::move(lines)) {}

  std::atomic<uint64_t> next_id_{0};
  const std::unique_ptr<LineWriter> lines_;
};

}  // namespace photovec::request_log
