// SPDX-License-Identifier: MIT
#include "pipeline/fetch_stage.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "base/thread_pool.h"

namespace photovec::pipeline {
namespace {

// What a fetched photo may weigh. A data URL is never longer than its text.
uint64_t MemoryNeeded(const std::string& reference, int64_t max_bytes) {
  const auto limit = static_cast<uint64_t>(max_bytes);
  if (std::string_view(reference).substr(0, 5) != "data:") return limit;
  return std::min<uint64_t>(reference.size(), limit);
}

}  // namespace

void FetchPermit::Release() {
  if (stage_ == nullptr) return;
  memory_.Release();
  share_.Release();
  std::exchange(stage_, nullptr)->GiveBack(model_);
}

void FetchPermit::ShrinkTo(uint64_t bytes) {
  if (stage_ == nullptr || bytes >= memory_.bytes()) return;
  memory_.ShrinkTo(bytes);
  share_.ShrinkTo(bytes);
  stage_->Wake();
}

FetchStage::FetchStage(fetch::Fetcher& fetcher, MemoryBudget& budget, Limits limits, int models,
                       std::function<void(ItemPtr)> next)
    : fetcher_(fetcher),
      budget_(budget),
      share_(budget.limit() / 2),
      limits_(limits),
      next_(std::move(next)),
      permits_(static_cast<size_t>(models)),
      thread_([this] { Run(); }) {}

void FetchStage::Push(ItemPtr item) {
  item->model().fetch_waiting.fetch_add(1, std::memory_order_relaxed);
  const uint64_t lane = item->lane();
  std::scoped_lock lock(mutex_);
  queue_.Push(lane, std::move(item));
  waiting_.fetch_add(1);
  wake_.notify_one();
}

void FetchStage::Sweep() {
  const TimePoint now = Clock::now();
  for (;;) {
    std::optional<ItemPtr> item;
    {
      std::scoped_lock lock(mutex_);
      item = queue_.PopIf([&](const ItemPtr& waiting) { return waiting->IsGivenUp(now); });
      if (!item) return;
      waiting_.fetch_sub(1);
    }
    (*item)->model().fetch_waiting.fetch_sub(1, std::memory_order_relaxed);
    (*item)->EndIfGivenUp();
  }
}

void FetchStage::Wake() {
  if (waiting_.load() == 0) return;
  std::scoped_lock lock(mutex_);
  wake_.notify_one();
}

void FetchStage::Stop() {
  if (!thread_.joinable()) return;
  {
    std::scoped_lock lock(mutex_);
    stopped_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void FetchStage::Run() {
  SetThreadName("fetch-start");
  std::unique_lock lock(mutex_);
  while (!stopped_) {
    ItemPtr item = TakeStartable();
    if (item == nullptr) {
      wake_.wait(lock);
      continue;
    }
    lock.unlock();
    item->model().fetch_waiting.fetch_sub(1, std::memory_order_relaxed);
    if (!item->EndIfGivenUp()) Start(item);
    item.reset();
    lock.lock();
  }
}

// The next reference whose turn it is and that may start now, with its permit; null when there is none.
ItemPtr FetchStage::TakeStartable() {
  const TimePoint now = Clock::now();
  bool memory_full = false;
  std::optional<ItemPtr> item = queue_.PopIf(
      [&](const ItemPtr& waiting) { return waiting->IsGivenUp(now) || Permit(*waiting, memory_full); });
  if (!item) return nullptr;
  waiting_.fetch_sub(1);
  return std::move(*item);
}

// Once a photo found the memory full, later ones in line must not take it in smaller bites: it would starve.
bool FetchStage::Permit(Item& item, bool& memory_full) {
  const int model = item.model().index();
  int& out = permits_[static_cast<size_t>(model)];
  if (out >= limits_.look_ahead) return false;
  const uint64_t bytes = MemoryNeeded(item.reference, limits_.max_bytes);
  std::optional<Reservation> share;
  std::optional<Reservation> memory;
  if (!memory_full) share = share_.TryReserve(bytes);
  if (share) memory = budget_.TryReserve(bytes);
  if (!memory && out == 0) {
    share = share_.Charge(bytes);
    memory = budget_.Charge(bytes);
  }
  if (!memory) {
    memory_full = true;
    return false;
  }
  ++out;
  item.permit = FetchPermit(this, model, std::move(*memory), std::move(*share));
  return true;
}

void FetchStage::Start(const ItemPtr& item) {
  item->times().Mark(Border::kFetchStart);
  fetch::FetchRequest request;
  request.reference = std::exchange(item->reference, {});
  request.deadline = item->request().deadline;
  request.cancel = item->cancel_flag();
  request.max_bytes = limits_.max_bytes;
  // The callback holds the item, and that holds the pipeline: a fetcher's thread cannot outlive this stage
  // here.
  fetcher_.Fetch(std::move(request),
                 [this, item](Result<Bytes> bytes) { OnFetched(item, std::move(bytes)); });
}

void FetchStage::OnFetched(const ItemPtr& item, Result<Bytes> bytes) {
  item->times().Mark(Border::kFetchEnd);
  if (!bytes.ok()) return item->Fail(bytes.status());
  item->bytes = std::move(*bytes);
  item->permit.ShrinkTo(item->bytes.size());
  next_(item);
}

void FetchStage::GiveBack(int model) {
  std::scoped_lock lock(mutex_);
  --permits_[static_cast<size_t>(model)];
  wake_.notify_one();
}

}  // namespace photovec::pipeline
