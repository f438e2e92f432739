// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/slot_pool.h"
#include "batch/batcher.h"

namespace photovec::testing {

/// What one client of the batcher heard.
class FakeClient : public batch::Client {
 public:
  struct Outcome {
    Status status;
    std::vector<float> row;
    bool dropped = false;
    TimePoint at;
  };

  bool StillWanted() const override { return wanted; }
  void OnTaken(const batch::Taken& by) override { taken = by; }
  void OnEncoded(const Status& status, std::span<const float> row, TimePoint at) override {
    outcome.set_value({status, {row.begin(), row.end()}, false, at});
  }
  void OnDropped() override { outcome.set_value({{}, {}, true, {}}); }

  Outcome Get() { return outcome.get_future().get(); }

  std::atomic<bool> wanted{true};
  batch::Taken taken;
  std::promise<Outcome> outcome;  // set twice: throws, and the test dies
};

inline std::unique_ptr<SlotPool> MakeSlots(int count) {
  auto pool = SlotPool::Create(192, count);
  return std::move(pool).value();
}

/// A slot that holds `text`, with its client.
inline batch::Ready MakeReady(SlotPool& slots, const std::string& text,
                              std::shared_ptr<FakeClient> client = std::make_shared<FakeClient>()) {
  auto slot = slots.TryAcquire();
  std::memcpy(slot->pixels().data(), text.c_str(), text.size() + 1);
  return {std::move(*slot), std::move(client)};
}

/// A text whose ids are its characters.
inline batch::Ready MakeText(const std::string& text,
                             std::shared_ptr<FakeClient> client = std::make_shared<FakeClient>()) {
  return {{}, std::move(client), {text.begin(), text.end()}};
}

inline std::string TextOf(const batch::Ready& item) {
  if (item.kind() == ItemKind::kText) return "~" + std::string(item.ids.begin(), item.ids.end());
  return reinterpret_cast<const char*>(item.slot.view().data);
}

}  // namespace photovec::testing
