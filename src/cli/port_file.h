// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"

namespace photovec::cli {

/// Tells others (tests, supervisors) which port a server took: one line in a file, which is gone when this
/// object is.
class PortFile {
 public:
  /// \param path empty: no file. Errors: kUnavailable naming the file.
  static Result<std::unique_ptr<PortFile>> Write(const std::string& path, uint16_t port);
  ~PortFile();
  PortFile(const PortFile&) = delete;
  PortFile& operator=(const PortFile&) = delete;

 private:
  explicit PortFile(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

/// "http://127.0.0.1:9000", "http://[::1]:9000"
std::string ServerUrl(const std::string& host, uint16_t port);

}  // namespace photovec::cli
