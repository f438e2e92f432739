// SPDX-License-Identifier: MIT
#include "pipeline/request_table.h"

#include "base/thread_pool.h"

namespace photovec::pipeline {

RequestTable::RequestTable(std::function<void()> sweep)
    : sweep_(std::move(sweep)), thread_([this] { Run(); }) {}

RequestTable::~RequestTable() { Stop(); }

Result<uint64_t> RequestTable::Register(std::shared_ptr<CancelFlag> cancel, Deadline deadline) {
  std::scoped_lock lock(mutex_);
  if (refusing_) {
    return Status(Code::kUnavailable, "the server is shutting down; send the request to another one");
  }
  const uint64_t id = ++last_id_;
  entries_.emplace(id, Entry{std::move(cancel), deadline});
  if (!deadline.infinite()) {
    const auto at = deadlines_.emplace(deadline.at(), id).first;
    if (at == deadlines_.begin()) wake_.notify_one();
  }
  return id;
}

void RequestTable::OnFinish() {
  std::scoped_lock lock(mutex_);
  ++answers_owed_;
}

void RequestTable::Remove(uint64_t id) {
  std::scoped_lock lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  deadlines_.erase({entry->second.deadline.at(), id});
  entries_.erase(entry);
  --answers_owed_;
  changed_.notify_all();
}

bool RequestTable::ItemStarted() {
  items_.fetch_add(1);
  return !stopped_.load();
}

void RequestTable::ItemEnded() {
  // Sequentially consistent on both sides: either this thread sees the waiter, or the waiter sees zero.
  if (items_.fetch_sub(1) != 1 || waiters_.load() == 0) return;
  std::scoped_lock lock(mutex_);
  changed_.notify_all();
}

void RequestTable::Wake() {
  std::scoped_lock lock(mutex_);
  sweep_wanted_ = true;
  wake_.notify_one();
}

void RequestTable::Refuse() {
  std::scoped_lock lock(mutex_);
  refusing_ = true;
}

bool RequestTable::WaitUntilEmpty(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const auto empty = [&] { return entries_.empty(); };
  if (!deadline.infinite()) return changed_.wait_until(lock, deadline.at(), empty);
  changed_.wait(lock, empty);
  return true;
}

void RequestTable::CancelAll() {
  std::unique_lock lock(mutex_);
  for (const auto& [id, entry] : entries_) entry.cancel->Cancel();
  sweep_wanted_ = true;
  wake_.notify_one();
  waiters_.fetch_add(1);
  changed_.wait(lock, [&] { return items_.load() == 0 && answers_owed_ == 0; });
  waiters_.fetch_sub(1);
}

void RequestTable::Stop() {
  Refuse();
  stopped_ = true;
  if (!thread_.joinable()) return;
  CancelAll();
  {
    std::scoped_lock lock(mutex_);
    quit_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

size_t RequestTable::size() const {
  std::scoped_lock lock(mutex_);
  return entries_.size();
}

void RequestTable::Run() {
  SetThreadName("requests");
  std::unique_lock lock(mutex_);
  while (!quit_) {
    const TimePoint now = Clock::now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      deadlines_.erase(deadlines_.begin());
      sweep_wanted_ = true;
    }
    if (sweep_wanted_) {
      sweep_wanted_ = false;
      lock.unlock();
      sweep_();
      lock.lock();
    } else if (deadlines_.empty()) {
      wake_.wait(lock);
    } else {
      // A copy: wait_until reads its argument again after the wait, when that request may be gone.
      const TimePoint next = deadlines_.begin()->first;
      wake_.wait_until(lock, next);
    }
  }
}

}  // namespace photovec::pipeline
