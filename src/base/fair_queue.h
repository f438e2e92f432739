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

/// Values in flows (a flow is a request): FIFO within a flow, round robin between flows, so that a request of
/// 1,000 images cannot starve a request of one. Push and Pop are O(1) amortised.
/// Not thread-safe and not bounded: its owner locks it and bounds what goes in.
template <typename T>
class FairQueue {
 public:
  void Push(uint64_t flow, T value) {
    auto [it, fresh] = index_.try_emplace(flow);
    if (fresh) it->second = flows_.insert(flows_.end(), Flow{flow, {}});
    it->second->items.push_back(std::move(value));
    ++size_;
  }

  /// The next value of the flow whose turn it is; that flow then goes to the back.
  std::optional<T> Pop() {
    return PopIf([](const T&) { return true; });
  }

  /// As Pop, but skips flows whose first value does not satisfy `ready`. Skipped flows keep their turn.
  /// O(flows) when many are skipped.
  template <typename Ready>
  std::optional<T> PopIf(Ready ready) {
    for (auto flow = flows_.begin(); flow != flows_.end(); ++flow) {
      if (!ready(flow->items.front())) continue;
      std::optional<T> value(std::move(flow->items.front()));
      flow->items.pop_front();
      --size_;
      if (flow->items.empty()) {
        index_.erase(flow->id);
        flows_.erase(flow);
      } else {
        flows_.splice(flows_.end(), flows_, flow);
      }
      return value;
    }
    return std::nullopt;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t flows() const { return flows_.size(); }

 private:
  struct Flow {
    uint64_t id;
    std::deque<T> items;  // never empty while the flow is listed
  };
  std::list<Flow> flows_;
  std::unordered_map<uint64_t, typename std::list<Flow>::iterator> index_;
  size_t size_ = 0;
};

}  // namespace photovec
