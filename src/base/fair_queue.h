// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace photovec {

/// The two kinds of work that share a server. Each has its lane in every queue.
enum class Lane : uint8_t { kInteractive, kBulk };
inline constexpr size_t kLaneCount = 2;

/// Whose turn it is: the lane, in it the lower rank, among equals the older flow (a flow is a request).
/// Ranks are given once, when a request is opened (pipeline/admission.h), so a request that still uploads
/// keeps its place and is in the same order in every queue.
struct Turn {
  Lane lane = Lane::kInteractive;
  double rank = 0;
  uint64_t flow = 0;
};

/// What PopIf is told of a value.
enum class Look : uint8_t {
  kTake,
  kSkip,  ///< this flow not now; another may
  kStop,  ///< nothing may be taken now
};

/// Values in flows: FIFO within a flow; flows in the order of their turn, kRunning of a lane at a time round
/// robin, so that flows end one after another and a short one does not wait for a long one to end.
/// While both lanes have values, kShare of them leave by the interactive lane for each of the other: neither
/// starves. Push and Pop are O(log flows).
/// Not thread-safe and not bounded: its owner locks it and bounds what goes in.
template <typename T>
class FairQueue {
 public:
  /// Flows of a lane that are served at a time. With one, twenty photos would wait for all of the
  /// thousand before them; with all, two hundred requests would end together, and late.
  static constexpr size_t kRunning = 4;
  /// Values of the interactive lane for each of the bulk lane.
  static constexpr double kShare = 4;

  void Push(const Turn& turn, T value) {
    LaneQueue& lane = lanes_[static_cast<size_t>(turn.lane)];
    if (lane.size == 0) lane.served = std::max(lane.served, Other(turn.lane).served);
    lane.flows[{turn.rank, turn.flow}].items.push_back(std::move(value));
    ++lane.size;
  }

  /// The next value whose turn it is.
  std::optional<T> Pop() {
    return PopIf([](const T&) { return Look::kTake; });
  }

  /// As Pop, but asks `look` of the first value of each flow, in turn. O(flows) when many are skipped.
  template <typename Ask>
  std::optional<T> PopIf(Ask look) {
    const size_t first = Turned();
    for (const size_t index : {first, 1 - first}) {
      bool stop = false;
      std::optional<T> value = PopFrom(index, look, stop);
      if (value || stop) return value;
    }
    return std::nullopt;
  }

  /// Moves every value that satisfies `unwanted` to `out`, wherever it waits. O(size).
  template <typename Predicate>
  void Extract(Predicate unwanted, std::vector<T>& out) {
    for (LaneQueue& lane : lanes_) {
      for (auto flow = lane.flows.begin(); flow != lane.flows.end();) {
        std::deque<T>& items = flow->second.items;
        const auto kept =
            std::stable_partition(items.begin(), items.end(), [&](const T& item) { return !unwanted(item); });
        lane.size -= static_cast<size_t>(items.end() - kept);
        std::move(kept, items.end(), std::back_inserter(out));
        items.erase(kept, items.end());
        flow = items.empty() ? lane.flows.erase(flow) : std::next(flow);
      }
    }
  }

  size_t size() const { return lanes_[0].size + lanes_[1].size; }
  bool empty() const { return size() == 0; }
  size_t flows() const { return lanes_[0].flows.size() + lanes_[1].flows.size(); }

 private:
  using Key = std::pair<double, uint64_t>;  // rank, flow
  struct Flow {
    std::deque<T> items;  // never empty
    uint64_t served = 0;  // the turn at which it was served last, or began to run; 0: it waits in line
  };
  using Flows = std::map<Key, Flow>;
  struct LaneQueue {
    Flows flows;
    size_t size = 0;
    double served = 0;  // values so far, each by what it counts for; kept level with the other lane's
  };

  LaneQueue& Other(Lane lane) { return lanes_[1 - static_cast<size_t>(lane)]; }

  // The lane that had less of its share.
  size_t Turned() const {
    const LaneQueue& interactive = lanes_[0];
    const LaneQueue& bulk = lanes_[1];
    if (interactive.size == 0 || bulk.size == 0) return interactive.size == 0 ? 1 : 0;
    return interactive.served <= bulk.served ? 0 : 1;
  }

  template <typename Ask>
  std::optional<T> PopFrom(size_t index, Ask& look, bool& stop) {
    LaneQueue& lane = lanes_[index];
    std::array<typename Flows::iterator, kRunning> running;
    size_t count = 0;
    auto line = lane.flows.begin();  // where the line of those that wait begins
    for (; count < kRunning && line != lane.flows.end(); ++line) {
      if (line->second.served == 0) line->second.served = ++turns_;
      size_t at = count++;  // in the order of their turns
      for (; at > 0 && running[at - 1]->second.served > line->second.served; --at)
        running[at] = running[at - 1];
      running[at] = line;
    }
    for (size_t i = 0; i < count && !stop; ++i) {
      if (Wants(running[i], look, stop)) return Take(index, running[i]);
    }
    for (auto flow = line; flow != lane.flows.end() && !stop; ++flow) {
      if (Wants(flow, look, stop)) return Take(index, flow);
    }
    return std::nullopt;
  }

  template <typename Ask>
  static bool Wants(typename Flows::iterator flow, Ask& look, bool& stop) {
    const Look verdict = look(flow->second.items.front());
    stop = verdict == Look::kStop;
    return verdict == Look::kTake;
  }

  std::optional<T> Take(size_t index, typename Flows::iterator flow) {
    LaneQueue& lane = lanes_[index];
    std::deque<T>& items = flow->second.items;
    std::optional<T> value(std::move(items.front()));
    items.pop_front();
    --lane.size;
    lane.served += index == static_cast<size_t>(Lane::kBulk) ? 1 : 1 / kShare;
    flow->second.served = ++turns_;
    if (items.empty()) lane.flows.erase(flow);
    return value;
  }

  std::array<LaneQueue, kLaneCount> lanes_;
  uint64_t turns_ = 0;
};

}  // namespace photovec
