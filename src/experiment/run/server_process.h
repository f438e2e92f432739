// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace photovec::experiment {

/// A server under test (or the object store) as a process of its own: its output goes to a log file, it tells
/// its port through a port file, and it dies with this process. Not thread-safe.
class ServerProcess {
 public:
  struct Options {
    std::vector<std::string> command;  ///< program and arguments; looked up in PATH when it holds no '/'
    std::string port_file;             ///< the command was told to write its port there
    std::string log_path;              ///< stdout and stderr
    std::chrono::seconds start_timeout{180};
  };
  /// Starts it and waits until it has written its port.
  /// \param stop ends the waiting.
  /// Errors: kUnavailable saying that it ended (with its status) or did not get ready in time, and that its
  /// log says more; kCancelled when `stop` became true.
  static Result<std::unique_ptr<ServerProcess>> Start(Options options, const std::atomic<bool>& stop);
  /// SIGKILL, if Stop() was not called.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  pid_t pid() const { return pid_; }
  uint16_t port() const { return port_; }
  /// Whether it still runs.
  bool Running();
  /// SIGTERM, then after `patience` SIGKILL. OK when it ended by itself with status 0.
  /// Errors: kUnavailable saying how it ended.
  Status Stop(std::chrono::seconds patience = std::chrono::seconds(40));

 private:
  explicit ServerProcess(Options options) : options_(std::move(options)) {}
  Status Spawn();
  Status AwaitPort(const std::atomic<bool>& stop);
  /// Waits for its end for at most `time`; true when it has ended.
  bool WaitEnd(std::chrono::milliseconds time);
  std::string EndText() const;  ///< "exited with status 2", "was killed by signal 11 (Segmentation fault)"

  const Options options_;
  pid_t pid_ = 0;
  int pid_fd_ = -1;
  bool ended_ = false;
  int wait_status_ = 0;
  uint16_t port_ = 0;
};

/// The last lines of a file, at most `count`, each cut at 500 bytes.
std::vector<std::string> LastLines(const std::string& path, size_t count);

}  // namespace photovec::experiment
