// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "base/thread_pool.h"
#include "fetch/fetcher.h"

namespace photovec::fetch {

/// The threads on which blocking fetches run (files, long data URLs). Thread-safe. Destroying it cancels what
/// waits and joins what runs.
class FetchPool {
 public:
  using Work = std::function<Result<Bytes>(const FetchRequest&)>;

  FetchPool(int threads, size_t max_queued) : pool_("fetch-io", threads, 0, max_queued) {}
  ~FetchPool() { stopping_.store(true); }
  FetchPool(const FetchPool&) = delete;
  FetchPool& operator=(const FetchPool&) = delete;

  /// Runs `work` and hands its result to `done`, exactly once: kOverloaded at once when the queue is full;
  /// kCancelled or kDeadlineExceeded when the request, or this pool, died while it waited.
  void Post(FetchRequest request, FetchCallback done, Work work);
  size_t waiting() const { return pool_.waiting(); }

 private:
  std::atomic<bool> stopping_{false};
  ThreadPool pool_;  // last: joined while the flag still lives
};

}  // namespace photovec::fetch
