// SPDX-License-Identifier: MIT
#include "batch/batcher.h"

#include <cstddef>
#include <optional>
#include <utility>

namespace photovec::batch {

void Batcher::Push(const Turn& turn, Ready item) {
  {
    std::scoped_lock lock(mutex_);
    item.lane = turn.lane;
    if (turn.lane == Lane::kInteractive) last_interactive_ = Clock::now();
    queue_.Push(turn, std::move(item));
  }
  ready_.notify_one();
}

bool Batcher::Take(const BatchLimit& most, bool block, std::vector<Ready>& out) {
  const auto limit = static_cast<size_t>(most.items);
  out.clear();
  for (;;) {
    std::vector<Ready> dropped;  // allocates only when clients gave up
    bool more_left = false;
    {
      std::unique_lock lock(mutex_);
      if (block) ready_.wait(lock, [&] { return closed_ || !queue_.empty(); });
      if (block && max_wait_ > Clock::duration::zero()) {
        ready_.wait_for(lock, max_wait_, [&] { return closed_ || queue_.size() >= limit; });
      }
      if (queue_.empty() && closed_) return false;
      const bool keep_short = Clock::now() - last_interactive_ < kInteractiveMemory;
      int bulk = keep_short ? most.bulk : most.items;
      while (out.size() < limit) {
        std::optional<Ready> next = queue_.PopIf([&](const Ready& item) {
          return item.lane == Lane::kBulk && bulk <= 0 ? Look::kSkip : Look::kTake;
        });
        if (!next) break;
        if (!next->client->StillWanted()) {
          dropped.push_back(std::move(*next));
          continue;
        }
        if (next->lane == Lane::kBulk) --bulk;
        out.push_back(std::move(*next));
      }
      more_left = !queue_.empty();
    }
    // The push that woke this stream may have been meant for another one as well.
    if (more_left) ready_.notify_one();
    // Outside the lock: a freed slot wakes decoders, and a client's last word may answer a whole request.
    for (Ready& item : dropped) {
      item.slot.Release();
      item.client->OnDropped();
    }
    if (!out.empty() || !block) return true;
  }
}

void Batcher::Close() {
  {
    std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  ready_.notify_all();
}

size_t Batcher::depth() const {
  std::scoped_lock lock(mutex_);
  return queue_.size();
}

}  // namespace photovec::batch
