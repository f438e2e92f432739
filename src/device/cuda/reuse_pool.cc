// SPDX-License-Identifier: MIT
#include "device/cuda/reuse_pool.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace photovec::device {
namespace {

constexpr size_t kLeastBlock = 4096;
// A request is not served with a block of more than so many times its size: small ones would eat large
// blocks.
constexpr size_t kMostOversize = 2;

}  // namespace

ReusePool::ReusePool(Backing backing, size_t most_idle_bytes)
    : backing_(std::move(backing)), most_idle_bytes_(most_idle_bytes) {}

ReusePool::~ReusePool() {
  for (const auto& [size, idle] : idle_) backing_.release(idle.block);
  for (const auto* blocks : {&resting_, &lent_}) {
    for (const auto& [block, size] : *blocks) backing_.release(block);
  }
}

size_t ReusePool::Rounded(size_t bytes) {
  if (bytes <= kLeastBlock) return kLeastBlock;
  const size_t step = std::bit_floor(bytes - 1) / 4;
  return (bytes + step - 1) / step * step;
}

void* ReusePool::Allocate(size_t bytes) {
  const std::scoped_lock lock(mutex_);
  const size_t size = Rounded(bytes);
  void* block = TakeIdle(size);
  while (block == nullptr) {
    block = backing_.allocate(size);
    if (block != nullptr) {
      ++counts_.allocated;
      counts_.bytes += size;
      lent_[block] = size;
    } else if (!ReleaseOldest(settled_)) {
      return nullptr;
    }
  }
  counts_.lent = static_cast<int64_t>(lent_.size());
  return block;
}

void* ReusePool::TakeIdle(size_t bytes) {
  const auto found = idle_.lower_bound(bytes);
  if (found == idle_.end() || found->first > kMostOversize * bytes) return nullptr;
  const auto [size, idle] = *found;
  idle_.erase(found);
  idle_bytes_ -= size;
  lent_[idle.block] = size;
  return idle.block;
}

bool ReusePool::Free(void* block) {
  const std::scoped_lock lock(mutex_);
  auto node = lent_.extract(block);
  if (node.empty()) return false;
  resting_.insert(std::move(node));
  counts_.lent = static_cast<int64_t>(lent_.size());
  return true;
}

void ReusePool::Settle() {
  const std::scoped_lock lock(mutex_);
  ++settled_;
  for (const auto& [block, size] : resting_) {
    idle_.emplace(size, Idle{block, settled_});
    idle_bytes_ += size;
  }
  resting_.clear();
  while (idle_bytes_ > most_idle_bytes_ && ReleaseOldest(settled_ - kForgetAfter)) {
  }
}

bool ReusePool::ReleaseOldest(int64_t since_at_most) {
  const auto oldest = std::min_element(idle_.begin(), idle_.end(), [](const auto& a, const auto& b) {
    return a.second.since < b.second.since;
  });
  if (oldest == idle_.end() || oldest->second.since > since_at_most) return false;
  backing_.release(oldest->second.block);
  idle_bytes_ -= oldest->first;
  counts_.bytes -= oldest->first;
  idle_.erase(oldest);
  return true;
}

ReusePool::Counts ReusePool::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

}  // namespace photovec::device
