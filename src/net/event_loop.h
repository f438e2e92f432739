// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>
#include <thread>
#include <unordered_set>

#include "base/clock.h"
#include "base/thread_pool.h"
#include "metrics/registry.h"
#include "net/session.h"

namespace photovec::net {

/// One event loop: a context, its thread, and the connections that live on it.
class EventLoop {
 public:
  /// \param name of its thread.
  /// \param lag  how late its timers run is observed here; may be null.
  EventLoop(std::string name, LoopPriority priority, metrics::Distribution* lag);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Start();
  /// Ends the thread. Everything on the loop must be over. Does nothing before Start().
  void Stop();
  /// When the loop last did something that it does ten times a second. Thread-safe.
  TimePoint last_tick() const { return TimePoint(Clock::duration(last_tick_.load())); }

  /// On the loop's thread: breaks all connections, or those between two requests that have sent nothing.
  void AbortAll();
  void AbortIdle();

  boost::asio::io_context context{1};
  DateLine date;  ///< on the loop's thread only, as the next two
  DiscardPace discard_pace;
  std::unordered_set<ConnectionIo*> connections;  ///< they enter and leave by themselves

 private:
  void Tick();
  void Run();

  const std::string name_;
  const LoopPriority priority_;
  metrics::Distribution* const lag_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{context.get_executor()};
  boost::asio::steady_timer timer_{context};
  std::atomic<Clock::rep> last_tick_{0};
  std::thread thread_;
};

}  // namespace photovec::net
