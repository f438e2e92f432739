// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace photovec::experiment {

/// One answered request, as the store's log has it.
struct StoreLogLine {
  uint64_t n = 0;           ///< the number that InjectedLatencyMs takes
  std::string_view object;  ///< written as "" when it is not UTF-8
  int64_t received_us = 0;  ///< CLOCK_MONOTONIC, as in an experiment's report
  double latency_ms = 0;    ///< drawn
  int status = 0;
  uint64_t bytes = 0;  ///< of the body that went out
};

/// JSON lines, gathered in memory and written 64 KiB at a time. Not thread-safe.
class StoreLog {
 public:
  /// An existing file is replaced. Errors: kUnavailable naming the file and why.
  static Result<std::unique_ptr<StoreLog>> Create(const std::string& path);
  /// Writes what is left. A write that fails is reported once, to the process's log, and ends the file there.
  ~StoreLog();
  StoreLog(const StoreLog&) = delete;
  StoreLog& operator=(const StoreLog&) = delete;

  void Append(const StoreLogLine& line);

 private:
  StoreLog(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  void Flush();

  const std::string path_;
  int fd_;
  bool failed_ = false;
  std::string buffer_;
};

}  // namespace photovec::experiment
