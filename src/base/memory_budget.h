// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/bytes.h"

namespace photovec {

class MemoryBudget;

/// Bytes taken from a MemoryBudget; given back when destroyed. Move-only. Any thread.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation() { Release(); }
  uint64_t bytes() const { return bytes_; }
  void Release();
  /// Gives back all but `bytes`; nothing happens when it holds less.
  void ShrinkTo(uint64_t bytes);
  /// Moves `bytes` (at most all of it) into a reservation of its own: a part of a request body that goes its
  /// own way through the pipeline.
  Reservation Split(uint64_t bytes);
  /// Adds `other`, which must be of the same budget (or empty).
  void Absorb(Reservation other);

 private:
  friend class MemoryBudget;
  Reservation(MemoryBudget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
  MemoryBudget* budget_ = nullptr;
  uint64_t bytes_ = 0;
};

/// The bound on bytes that wait for the pipeline (request bodies, fetched photos). Lock-free; thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit_bytes) : limit_(limit_bytes) {}
  /// nullopt when that much is not free: the caller answers kOverloaded, or waits.
  std::optional<Reservation> TryReserve(uint64_t bytes) {
    uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ || used > limit_ - bytes) return std::nullopt;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return Reservation(this, bytes);
  }
  /// Takes the bytes even beyond the limit. Only for the one piece of work per model that must always go on,
  /// so that bytes which wait for each other cannot wait for ever (fetch_stage.h).
  Reservation Charge(uint64_t bytes) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
    return Reservation(this, bytes);
  }
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t limit() const { return limit_; }

 private:
  friend class Reservation;
  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
};

inline void Reservation::Release() {
  if (budget_ != nullptr) budget_->used_.fetch_sub(bytes_, std::memory_order_relaxed);
  budget_ = nullptr;
  bytes_ = 0;
}

inline void Reservation::ShrinkTo(uint64_t bytes) {
  if (budget_ == nullptr || bytes >= bytes_) return;
  budget_->used_.fetch_sub(bytes_ - bytes, std::memory_order_relaxed);
  bytes_ = bytes;
}

inline Reservation Reservation::Split(uint64_t bytes) {
  const uint64_t share = bytes < bytes_ ? bytes : bytes_;
  bytes_ -= share;
  return Reservation(budget_, share);
}

inline void Reservation::Absorb(Reservation other) {
  if (budget_ == nullptr) budget_ = other.budget_;
  bytes_ += std::exchange(other.bytes_, 0);
}

inline Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    Release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

/// `bytes`, which give `reservation` back when their last copy goes.
Bytes WithReservation(Bytes bytes, Reservation reservation);

}  // namespace photovec
