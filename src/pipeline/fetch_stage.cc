// SPDX-License-Identifier: MIT
#include "pipeline/fetch_stage.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/thread_pool.h"

namespace photovec::pipeline {
namespace {

// Photos of one collection differ less than fourfold from their mean, nearly all of them.
constexpr double kAllowanceOverMean = 4.0;
constexpr double kLeastAllowance = 1 << 20;
// Before anything is known: 1 MiB is a large photo for the web, and 4 MiB of allowance a usual one of a
// phone.
constexpr double kFirstMean = 1 << 20;
constexpr double kMeanOver = 16.0;

// A data URL never gives more bytes than its text has.
bool IsDataUrl(const std::string& reference) { return reference.starts_with("data:"); }

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
      mean_bytes_(kFirstMean),
      permits_(static_cast<size_t>(models)),
      thread_([this] { Run(); }) {}

void FetchStage::Push(ItemPtr item) {
  item->model().fetch_waiting.fetch_add(1, std::memory_order_relaxed);
  const Turn turn = item->turn();
  std::scoped_lock lock(mutex_);
  queue_.Push(turn, std::move(item));
  waiting_.fetch_add(1);
  wake_.notify_one();
}

void FetchStage::Sweep() {
  const TimePoint now = Clock::now();
  std::vector<ItemPtr> given_up;
  {
    std::scoped_lock lock(mutex_);
    queue_.Extract([&](const ItemPtr& waiting) { return waiting->IsGivenUp(now); }, given_up);
    waiting_.fetch_sub(static_cast<int>(given_up.size()));
  }
  for (const ItemPtr& item : given_up) {
    item->model().fetch_waiting.fetch_sub(1, std::memory_order_relaxed);
    item->EndGivenUp(DropQueue::kFetch);
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
    if (item->permit.held()) {
      Start(item);
    } else {
      item->EndGivenUp(DropQueue::kFetch);
    }
    item.reset();
    lock.lock();
  }
}

// The next reference whose turn it is and that may start now, with its permit; null when there is none.
ItemPtr FetchStage::TakeStartable() {
  // Woken for memory with no place to fill it: thousands may be waiting, and each would be looked at. Sweep()
  // finds those that were given up.
  const auto full = [&](int out) { return out >= limits_.look_ahead; };
  if (std::all_of(permits_.begin(), permits_.end(), full)) return nullptr;
  const TimePoint now = Clock::now();
  bool memory_full = false;
  std::optional<ItemPtr> item = queue_.PopIf([&](const ItemPtr& waiting) {
    return waiting->IsGivenUp(now) || Permit(*waiting, memory_full) ? Look::kTake : Look::kSkip;
  });
  if (!item) return nullptr;
  waiting_.fetch_sub(1);
  return std::move(*item);
}

// Once a photo found the memory full, later ones in line must not take it in smaller bites: it would starve.
bool FetchStage::Permit(Item& item, bool& memory_full) {
  const int model = item.model().index();
  int& out = permits_[static_cast<size_t>(model)];
  if (out >= limits_.look_ahead) return false;
  const uint64_t bytes = Allowance(item);
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

uint64_t FetchStage::Allowance(const Item& item) const {
  const auto most = static_cast<uint64_t>(limits_.max_bytes);
  if (IsDataUrl(item.reference)) return std::min<uint64_t>(item.reference.size(), most);
  if (item.is_large) return most;
  return std::min(most, static_cast<uint64_t>(std::max(kLeastAllowance, kAllowanceOverMean * mean_bytes_)));
}

void FetchStage::LearnSize(uint64_t bytes) {
  std::scoped_lock lock(mutex_);
  mean_bytes_ += (static_cast<double>(bytes) - mean_bytes_) / kMeanOver;
}

void FetchStage::Start(const ItemPtr& item) {
  if (!item->times().Has(Border::kFetchStart)) item->times().Mark(Border::kFetchStart);
  const auto allowance = static_cast<int64_t>(item->permit.bytes());
  const bool last_try = IsDataUrl(item->reference) || allowance >= limits_.max_bytes;
  fetch::FetchRequest request;
  request.max_bytes = last_try ? limits_.max_bytes : allowance;
  request.reference = last_try ? std::exchange(item->reference, {}) : item->reference;
  request.deadline = item->request().deadline;
  request.cancel = item->cancel_flag();
  // The callback holds the item, and that holds the pipeline: it cannot come too late for this stage.
  fetcher_.Fetch(std::move(request), [this, item, last_try](Result<Bytes> bytes) {
    OnFetched(item, last_try, std::move(bytes));
  });
}

void FetchStage::OnFetched(const ItemPtr& item, bool last_try, Result<Bytes> bytes) {
  if (!last_try && bytes.status().code() == Code::kBodyTooLarge) {
    item->permit.Release();
    item->is_large = true;
    return Push(item);
  }
  item->times().Mark(Border::kFetchEnd);
  item->reference = {};
  if (!bytes.ok()) return item->Fail(bytes.status());
  item->bytes = std::move(*bytes);
  item->trail().bytes = item->bytes.size();
  LearnSize(item->bytes.size());
  item->OnFetched(item->bytes.size());
  item->permit.ShrinkTo(item->bytes.size());
  next_(item);
}

void FetchStage::GiveBack(int model) {
  std::scoped_lock lock(mutex_);
  --permits_[static_cast<size_t>(model)];
  wake_.notify_one();
}

}  // namespace photovec::pipeline
