// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace photovec {

/// Where the pixels of a slot are, as encoders see it. Does not own.
struct PixelSlot {
  const uint8_t* data = nullptr;  ///< [S,S,3] u8 RGB, 64-byte aligned
  int device = kHost;             ///< kHost, or the CUDA device whose memory `data` is in
  static constexpr int kHost = -1;
};

class SlotPool;

/// One slot, held: move-only; gives the slot back when destroyed. Any thread may hold or destroy it.
class SlotRef {
 public:
  SlotRef() = default;
  SlotRef(SlotRef&& other) noexcept;
  SlotRef& operator=(SlotRef&& other) noexcept;
  ~SlotRef();

  explicit operator bool() const { return pool_ != nullptr; }
  int index() const { return index_; }
  std::span<uint8_t> pixels() const;  ///< slot_bytes() bytes to write
  PixelSlot view() const;
  void Release();

 private:
  friend class SlotPool;
  SlotRef(SlotPool* pool, int index) : pool_(pool), index_(index) {}
  SlotPool* pool_ = nullptr;
  int index_ = -1;
};

/// A fixed number of equally sized, recycled pixel slots in one arena, which CUDA can pin once. It is this
/// process's alone: a sandboxed decoder has memory of its own, from which checked pixels are copied. No
/// allocation after Create(). Thread-safe. Must outlive every SlotRef taken from it.
class SlotPool {
 public:
  /// \param slot_bytes  S*S*3 of the model; each slot starts on a 64-byte border.
  /// \param count       > 0; the bound on decoded images that wait for an encoder.
  /// Errors: kUnavailable when the arena cannot be made (the message names the size and errno).
  static Result<std::unique_ptr<SlotPool>> Create(size_t slot_bytes, int count);
  ~SlotPool();
  SlotPool(const SlotPool&) = delete;
  SlotPool& operator=(const SlotPool&) = delete;

  /// A free slot, or nullopt at once when all are taken. Most recently used first, so its pages are warm.
  std::optional<SlotRef> TryAcquire();
  /// Called (on the releasing thread, with no lock held) after each release. Set before the first acquire.
  void OnRelease(std::function<void()> listener) { on_release_ = std::move(listener); }

  size_t slot_bytes() const { return slot_bytes_; }
  int count() const { return count_; }
  int available() const;
  size_t arena_bytes() const { return arena_bytes_; }
  /// All slots' memory, owned by the pool; for encoders that pin it.
  std::span<uint8_t> arena() const { return {arena_, arena_bytes_}; }

 private:
  friend class SlotRef;
  SlotPool() = default;
  void Release(int index);
  uint8_t* Data(int index) const { return arena_ + static_cast<size_t>(index) * stride_; }

  size_t slot_bytes_ = 0;
  size_t stride_ = 0;
  size_t arena_bytes_ = 0;
  int count_ = 0;
  uint8_t* arena_ = nullptr;
  std::function<void()> on_release_;
  mutable std::mutex mutex_;
  std::vector<int> free_;
};

}  // namespace photovec
