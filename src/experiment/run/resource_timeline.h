// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "experiment/run_data.h"
#include "metrics/nvml.h"

namespace photovec::experiment {

/// Samples what a server, its object store and the machine use, at equal distances, on a thread of its own.
/// The load generator is this process.
class ResourceTimeline {
 public:
  static constexpr std::chrono::milliseconds kInterval{200};

  struct Watched {
    pid_t server = 0;
    pid_t store = 0;  ///< 0: none
    const metrics::Nvml* nvml =
        nullptr;  ///< null: no GPU; used from the sampling thread only while this lives
  };
  /// Starts sampling at once.
  explicit ResourceTimeline(Watched watched);
  ~ResourceTimeline();
  ResourceTimeline(const ResourceTimeline&) = delete;
  ResourceTimeline& operator=(const ResourceTimeline&) = delete;

  /// Ends sampling and returns what there is. Once.
  std::vector<ResourceSample> Stop();

 private:
  struct Reading;
  Reading Read() const;
  ResourceSample Between(const Reading& before, const Reading& now) const;
  void Run();

  const Watched watched_;
  std::mutex mutex_;
  std::condition_variable stop_changed_;
  bool stop_ = false;
  std::vector<ResourceSample> samples_;  // the thread's, until it is joined
  std::thread thread_;
};

}  // namespace photovec::experiment
