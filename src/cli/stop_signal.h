// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace photovec::cli {

/// Turns signals into questions that the main thread asks. The first SIGTERM or SIGINT asks for an orderly
/// end; the second ends the process at once with code 1. SIGHUP asks for configuration to be read anew,
/// SIGUSR1 for log files to be opened anew; whoever never asks ignores them. SIGPIPE is ignored: a client
/// that goes away is an error of its socket. Make it before any other thread, since threads inherit which
/// signals are blocked. One at a time. Thread-safe.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool requested() const;
  /// Blocks until a stop is requested or the time is up; true in the first case.
  bool WaitFor(std::chrono::milliseconds time) const;
  /// Whether SIGHUP came since this was asked last.
  bool TakeReload();
  /// Whether SIGUSR1 came since this was asked last.
  bool TakeReopen();

 private:
  void Watch();
  void Received(int signal);

  int signal_fd_ = -1;
  int wake_fd_ = -1;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool requested_ = false;
  bool reload_ = false;
  bool reopen_ = false;
  std::thread watcher_;
};

}  // namespace photovec::cli
