// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace photovec::cli {

/// Turns SIGTERM and SIGINT into a question that the main thread asks. The first asks for an orderly end; the
/// second ends the process at once with code 1. SIGPIPE is ignored: a client that goes away is an error of
/// its socket. Make it before any other thread, since threads inherit which signals are blocked. One at a
/// time.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const;
  /// Blocks until a stop is requested or the time is up; true in the first case.
  bool WaitFor(std::chrono::milliseconds time) const;

 private:
  void Watch();

  int signal_fd_ = -1;
  int wake_fd_ = -1;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool requested_ = false;
  std::thread watcher_;
};

}  // namespace photovec::cli
