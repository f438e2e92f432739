// SPDX-License-Identifier: MIT
#include "batch/batcher.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

namespace photovec::batch {
namespace {

constexpr size_t kImages = static_cast<size_t>(ItemKind::kImage);
constexpr size_t kTexts = static_cast<size_t>(ItemKind::kText);

}  // namespace

void Batcher::Push(const Turn& turn, Ready item) {
  const ItemKind kind = item.kind();
  {
    std::scoped_lock lock(mutex_);
    item.lane = turn.lane;
    if (turn.lane == Lane::kInteractive) last_interactive_[static_cast<size_t>(kind)] = Clock::now();
    Of(kind).Push(turn, std::move(item));
  }
  WakeFor(kind);
}

// A stream that takes texts alone may be busy while another is free, or the other way round: one of each is
// told, and the one that comes too late goes on waiting.
void Batcher::WakeFor(ItemKind kind) {
  ready_.notify_one();
  if (kind == ItemKind::kText) text_ready_.notify_one();
}

bool Batcher::HasFor(const BatchLimits& most) const {
  return (most[kImages].items > 0 && !queues_[kImages].empty()) ||
         (most[kTexts].items > 0 && !queues_[kTexts].empty());
}

// Something is there for the stream.
ItemKind Batcher::Choose(const BatchLimits& most) {
  const bool images = most[kImages].items > 0 && !queues_[kImages].empty();
  const bool texts = most[kTexts].items > 0 && !queues_[kTexts].empty();
  const ItemKind kind = texts && !(images && images_next_) ? ItemKind::kText : ItemKind::kImage;
  if (most[kImages].items > 0) images_next_ = images && kind == ItemKind::kText;
  return kind;
}

void Batcher::Fill(ItemKind kind, const BatchLimit& most, std::vector<Ready>& out,
                   std::vector<Ready>& dropped) {
  const TimePoint now = Clock::now();
  const auto come = [&](size_t of) { return now - last_interactive_[of] < kInteractiveMemory; };
  int items = kind == ItemKind::kImage && come(kTexts) ? std::min(most.items, most.brief) : most.items;
  int bulk = come(kImages) || come(kTexts) ? most.brief : most.items;
  auto tokens = static_cast<int64_t>(most.tokens);
  while (items > 0) {
    std::optional<Ready> next = Of(kind).PopIf([&](const Ready& item) {
      if (item.lane == Lane::kBulk && bulk <= 0) return Look::kSkip;
      // The next batch begins with it: passing it over for shorter ones could go on for ever.
      return static_cast<int64_t>(item.ids.size()) <= tokens ? Look::kTake : Look::kStop;
    });
    if (!next) break;
    if (!next->client->StillWanted()) {
      dropped.push_back(std::move(*next));
      continue;
    }
    if (next->lane == Lane::kBulk) --bulk;
    tokens -= static_cast<int64_t>(next->ids.size());
    --items;
    out.push_back(std::move(*next));
  }
}

bool Batcher::Take(const BatchLimits& most, bool block, std::vector<Ready>& out) {
  const bool texts_alone = most[kImages].items == 0;
  std::condition_variable& ready = texts_alone ? text_ready_ : ready_;
  out.clear();
  for (;;) {
    std::vector<Ready> dropped;  // allocates only when clients gave up
    bool images_left = false;
    bool texts_left = false;
    {
      std::unique_lock lock(mutex_);
      if (block) ready.wait(lock, [&] { return closed_ || HasFor(most); });
      if (block && !texts_alone && max_wait_ > Clock::duration::zero()) {
        const auto full = static_cast<size_t>(most[kImages].items);
        ready.wait_for(lock, max_wait_, [&] {
          return closed_ || queues_[kImages].size() >= full || !queues_[kTexts].empty();
        });
      }
      const bool any = HasFor(most);
      if (!any && closed_) return false;
      if (any) {
        const ItemKind kind = Choose(most);
        Fill(kind, most[static_cast<size_t>(kind)], out, dropped);
      }
      images_left = !queues_[kImages].empty();
      texts_left = !queues_[kTexts].empty();
    }
    // The push that woke this stream may have been meant for another one as well.
    if (texts_left) {
      WakeFor(ItemKind::kText);
    } else if (images_left) {
      WakeFor(ItemKind::kImage);
    }
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
  text_ready_.notify_all();
}

size_t Batcher::depth(ItemKind kind) const {
  std::scoped_lock lock(mutex_);
  return queues_[static_cast<size_t>(kind)].size();
}

}  // namespace photovec::batch
