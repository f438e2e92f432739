// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/fair_queue.h"
#include "base/memory_budget.h"
#include "base/result.h"
#include "fetch/fetcher.h"
#include "pipeline/item.h"

namespace photovec::pipeline {

/// Turns references into bytes, ahead of the decoders but not too far. References wait as text, fair between
/// requests. A fetch starts only with a permit, which its photo holds until it is decoded:
///  - at most `look_ahead` permits per model, so that a stuck model cannot use up those of the others;
///  - each with memory reserved before its first byte comes: an allowance that follows the sizes seen so far,
///    shrunk to the real size when the photo is here. A photo larger than its allowance is fetched again with
///    all that a photo may have (about one in hundreds; the price of never holding more than was reserved);
///  - all together with at most half of the budget, so that uploads are not refused for photos that may come.
/// Without free memory references wait, they are never refused. A model that holds no permit gets one even
/// then: whatever fills the budget may itself be waiting for a reference (a JSON body is held until it is
/// answered). So at most one photo per model lies beyond the budget.
/// Thread-safe. Fetches are started by a thread of its own, never by the thread that adds.
class FetchStage {
 public:
  struct Limits {
    int look_ahead = 64;             ///< fetches in flight + photos fetched but not decoded, per model
    int64_t max_bytes = 25'000'000;  ///< of one photo
  };

  /// \param fetcher, budget borrowed.
  /// \param next gets items with their bytes, on a thread of the fetcher.
  FetchStage(fetch::Fetcher& fetcher, MemoryBudget& budget, Limits limits, int models,
             std::function<void(ItemPtr)> next);
  ~FetchStage() { Stop(); }
  FetchStage(const FetchStage&) = delete;
  FetchStage& operator=(const FetchStage&) = delete;

  /// Never blocks. The item carries a reference.
  void Push(ItemPtr item);
  /// Ends the waiting items that were given up, on this thread.
  void Sweep();
  /// Memory may have become free.
  void Wake();
  /// Joins the thread. Nothing may be waiting or in flight. Idempotent.
  void Stop();

 private:
  friend class FetchPermit;
  void Run();
  ItemPtr TakeStartable();
  bool Permit(Item& item, bool& memory_full);
  uint64_t Allowance(const Item& item) const;
  void LearnSize(uint64_t bytes);
  void Start(const ItemPtr& item);
  void OnFetched(const ItemPtr& item, bool last_try, Result<Bytes> bytes);
  void GiveBack(int model);

  fetch::Fetcher& fetcher_;
  MemoryBudget& budget_;
  MemoryBudget share_;
  const Limits limits_;
  const std::function<void(ItemPtr)> next_;
  std::mutex mutex_;
  std::condition_variable wake_;
  FairQueue<ItemPtr> queue_;
  double mean_bytes_;            // of the photos fetched lately
  std::vector<int> permits_;     // out, per model
  std::atomic<int> waiting_{0};  // = queue_.size(), readable without the lock
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace photovec::pipeline
