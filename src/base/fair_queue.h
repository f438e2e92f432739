// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

namespace photovec {

/// Values in lanes (a lane is a request): FIFO within a lane, round robin between lanes, so that a request of
/// 1,000 images cannot starve a request of one. Push and Pop are O(1) amortised.
/// Not thread-safe and not bounded: its owner locks it and bounds what goes in.
template <typename T>
class FairQueue {
 public:
  void Push(uint64_t lane, T value) {
    auto [it, fresh] = index_.try_emplace(lane);
    if (fresh) it->second = lanes_.insert(lanes_.end(), Lane{lane, {}});
    it->second->items.push_back(std::move(value));
    ++size_;
  }

  /// The next value of the lane whose turn it is; that lane then goes to the back.
  std::optional<T> Pop() {
    return PopIf([](const T&) { return true; });
  }

  /// As Pop, but skips lanes whose first value does not satisfy `ready`. Skipped lanes keep their turn.
  /// O(lanes) when many are skipped.
  template <typename Ready>
  std::optional<T> PopIf(Ready ready) {
    for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
      if (!ready(lane->items.front())) continue;
      std::optional<T> value(std::move(lane->items.front()));
      lane->items.pop_front();
      --size_;
      if (lane->items.empty()) {
        index_.erase(lane->id);
        lanes_.erase(lane);
      } else {
        lanes_.splice(lanes_.end(), lanes_, lane);
      }
      return value;
    }
    return std::nullopt;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t lanes() const { return lanes_.size(); }

 private:
  struct Lane {
    uint64_t id;
    std::deque<T> items;  // never empty while the lane is listed
  };
  std::list<Lane> lanes_;
  std::unordered_map<uint64_t, typename std::list<Lane>::iterator> index_;
  size_t size_ = 0;
};

}  // namespace photovec
