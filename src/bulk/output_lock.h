// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "bulk/output_names.h"

namespace photovec::bulk {

/// The right to write one output: NAME.partial/lock, locked by the kernel (flock) as long as this object and
/// its process live, so that a killed run never blocks the next. Not thread-safe.
class OutputLock {
 public:
  /// Makes NAME.partial where it is not there. Errors: kUnavailable when another run holds the lock (its
  /// process is named), or the folder cannot be written.
  static Result<std::unique_ptr<OutputLock>> Take(const OutputNames& names);
  /// Gives the lock back, and removes NAME.partial when nothing but the lock is left in it.
  ~OutputLock();
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

 private:
  OutputLock(std::string folder, FileDescriptor file) : folder_(std::move(folder)), file_(std::move(file)) {}
  const std::string folder_;
  FileDescriptor file_;
};

}  // namespace photovec::bulk
