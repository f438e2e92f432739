// SPDX-License-Identifier: MIT
#include "base/slot_pool.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace photovec {

SlotRef::SlotRef(SlotRef&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), index_(std::exchange(other.index_, -1)) {}

SlotRef& SlotRef::operator=(SlotRef&& other) noexcept {
  if (this != &other) {
    Release();
    pool_ = std::exchange(other.pool_, nullptr);
    index_ = std::exchange(other.index_, -1);
  }
  return *this;
}

SlotRef::~SlotRef() { Release(); }

void SlotRef::Release() {
  if (pool_ == nullptr) return;
  std::exchange(pool_, nullptr)->Release(std::exchange(index_, -1));
}

std::span<uint8_t> SlotRef::pixels() const { return {pool_->Data(index_), pool_->slot_bytes_}; }

PixelSlot SlotRef::view() const { return {pool_->Data(index_), PixelSlot::kHost}; }

Result<std::unique_ptr<SlotPool>> SlotPool::Create(size_t slot_bytes, int count) {
  std::unique_ptr<SlotPool> pool(new SlotPool());
  pool->slot_bytes_ = slot_bytes;
  pool->stride_ = (slot_bytes + 63) / 64 * 64;
  pool->count_ = count;
  pool->arena_bytes_ = pool->stride_ * static_cast<size_t>(count);
  void* arena = mmap(nullptr, pool->arena_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (arena == MAP_FAILED) {
    return Status(Code::kUnavailable, "cannot make a pixel arena of " + std::to_string(count) + " x " +
                                          std::to_string(slot_bytes) +
                                          " bytes: mmap: " + std::strerror(errno));
  }
  pool->arena_ = static_cast<uint8_t*>(arena);
  pool->free_.reserve(static_cast<size_t>(count));
  for (int i = count - 1; i >= 0; --i) pool->free_.push_back(i);
  return pool;
}

SlotPool::~SlotPool() {
  if (arena_ != nullptr) munmap(arena_, arena_bytes_);
}

std::optional<SlotRef> SlotPool::TryAcquire() {
  std::scoped_lock lock(mutex_);
  if (free_.empty()) return std::nullopt;
  const int index = free_.back();
  free_.pop_back();
  return SlotRef(this, index);
}

void SlotPool::Release(int index) {
  {
    std::scoped_lock lock(mutex_);
    free_.push_back(index);
  }
  if (on_release_) on_release_();
}

int SlotPool::available() const {
  std::scoped_lock lock(mutex_);
  return static_cast<int>(free_.size());
}

}  // namespace photovec
