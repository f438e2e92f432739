// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "experiment/load/load_generator.h"
#include "experiment/load/load_message.h"
#include "experiment/load/load_schedule.h"
#include "net/client.h"

namespace photovec::experiment {

/// One load from its first request to its last reply, on the thread that calls Go(). Use once.
class LoadRun {
 public:
  /// \param options passed CheckLoadOptions; borrowed, like stop.
  LoadRun(const LoadOptions& options, const std::atomic<bool>& stop);
  Result<LoadResult> Go();

 private:
  template <typename T>
  using Task = boost::asio::awaitable<T>;

  /// One of the closed loop's clients.
  struct Client {
    Client(boost::asio::io_context& context, uint16_t port) : connection(context, port), timer(context) {}
    net::ClientConnection connection;
    boost::asio::steady_timer timer;
  };

  void Spawn(Task<void> task);
  Task<void> RunClient(int index);
  Task<void> Pace();
  Task<void> RunArrival(uint64_t n, int64_t intended_us, net::ClientConnection* connection);
  Task<void> Watch();
  Task<net::ClientOutcome> Ask(uint64_t request, net::ClientConnection& connection, ClientSample* sample);
  net::ClientConnection* TakeConnection();
  Task<void> WaitUntil(boost::asio::steady_timer& timer, int64_t at_us);
  bool Measured(int64_t intended_us) const { return intended_us >= began_us_ && intended_us < end_us_; }
  void Record(ClientSample sample, net::ClientOutcome outcome);
  void Finish();
  LoadResult Collect();

  const LoadOptions& options_;
  const std::atomic<bool>& stop_;
  const LoadSchedule schedule_;
  const LoadMessages messages_;
  int64_t start_us_ = 0;
  int64_t began_us_ = 0;
  int64_t end_us_ = 0;
  int64_t stopped_us_ = 0;    // when `stop` was seen; 0: it was not
  double cpu_before_s_ = -1;  // of this thread, when the measured time began
  bool over_ = false;         // nothing is awaited any more
  Status failure_;
  std::vector<ClientSample> samples_;
  int under_way_ = 0;  // measured requests

  boost::asio::io_context context_{1};
  boost::asio::steady_timer pace_timer_{context_};
  boost::asio::steady_timer watch_timer_{context_};
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<net::ClientConnection>> connections_;  // open loop
  std::vector<net::ClientConnection*> idle_;                         // of these; the last used is used first
};

}  // namespace photovec::experiment
