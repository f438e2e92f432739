// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace photovec {

class MemoryBudget;

/// What one client holds of a MemoryBudget. Lives in the budget; whoever holds a pointer must not outlive it.
struct BudgetAccount {
  std::atomic<uint64_t> used{0};
  std::atomic<uint32_t> waiting{0};  ///< bodies of this client that are half here and wait for room
};

/// Bytes taken from a MemoryBudget; given back when destroyed. Move-only. Any thread.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)),
        account_(std::exchange(other.account_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept;
  ~Reservation() { Release(); }
  uint64_t bytes() const { return bytes_; }
  void Release();
  /// Gives back all but `bytes`; nothing happens when it holds less.
  void ShrinkTo(uint64_t bytes);
  /// Moves `bytes` (at most all of it) into a reservation of its own: a part of a request body that goes its
  /// own way through the pipeline.
  Reservation Split(uint64_t bytes);
  /// Adds `other`, which must be of the same budget and account (or empty).
  void Absorb(Reservation other);

 private:
  friend class MemoryBudget;
  Reservation(MemoryBudget* budget, BudgetAccount* account, uint64_t bytes)
      : budget_(budget), account_(account), bytes_(bytes) {}
  MemoryBudget* budget_ = nullptr;
  BudgetAccount* account_ = nullptr;
  uint64_t bytes_ = 0;
};

/// The bound on memory that work takes: bodies, parsed requests, photos, results, replies. Lock-free;
/// thread-safe.
///
/// Clients share it by a dynamic threshold (Choudhury and Hahne, "Dynamic queue length thresholds for
/// shared-memory packet switches", 1998, with alpha = 1): a client may hold as much as then is still free.
/// One alone gets half, two a third each, n of them 1/(n+1); a newcomer always finds room, and nobody must be
/// told how many clients there are. Accounts are a fixed table that clients are hashed into with a seed drawn
/// at the start: two clients in one account (1 in 4,096) share a share, and nobody can choose whose.
class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit_bytes);
  /// nullopt when that much is not free: the caller answers kOverloaded, or waits.
  /// \param account whose share it counts against; null: nobody's.
  std::optional<Reservation> TryReserve(uint64_t bytes, BudgetAccount* account = nullptr) {
    uint64_t used = used_.load(std::memory_order_relaxed);
    uint64_t held = 0;
    if (account != nullptr) held = account->used.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    do {
      if (bytes > limit_ || used > limit_ - bytes || held > limit_ - used - bytes) {
        if (account != nullptr) account->used.fetch_sub(bytes, std::memory_order_relaxed);
        return std::nullopt;
      }
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return Reservation(this, account, bytes);
  }
  /// Takes the bytes even beyond the limit. Only for the one piece of work per model that must always go on,
  /// so that bytes which wait for each other cannot wait for ever (fetch_stage.h).
  Reservation Charge(uint64_t bytes) {
    used_.fetch_add(bytes, std::memory_order_relaxed);
    return Reservation(this, nullptr, bytes);
  }
  /// The account of a client.
  /// \param client its address, or the id of its key.
  BudgetAccount& AccountOf(std::string_view client);
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t limit() const { return limit_; }
  /// The most that one client can ever hold.
  uint64_t most_of_one() const { return limit_ / 2; }

  /// A number for each body in the order in which they began: the oldest that waits for room waits longest.
  uint64_t NextTurn() { return turns_.fetch_add(1, std::memory_order_relaxed); }
  /// A place among those that wait for room; false when all are taken. Only on the slow path: linear.
  bool EnterLine(uint64_t turn);
  void LeaveLine(uint64_t turn);
  bool IsOldestInLine(uint64_t turn) const;

 private:
  friend class Reservation;
  static constexpr size_t kAccounts = 4096;
  static constexpr size_t kLine = 64;  // each of them looks for room up to a hundred times a second
  static constexpr uint64_t kNobody = UINT64_MAX;
  void GiveBack(BudgetAccount* account, uint64_t bytes) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    if (account != nullptr) account->used.fetch_sub(bytes, std::memory_order_relaxed);
  }

  const uint64_t limit_;
  const uint64_t seed_;
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> turns_{0};
  std::array<std::atomic<uint64_t>, kLine> line_;  // turns; kNobody: free
  std::array<BudgetAccount, kAccounts> accounts_;
};

inline void Reservation::Release() {
  if (budget_ != nullptr) budget_->GiveBack(account_, bytes_);
  budget_ = nullptr;
  account_ = nullptr;
  bytes_ = 0;
}

inline void Reservation::ShrinkTo(uint64_t bytes) {
  if (budget_ == nullptr || bytes >= bytes_) return;
  budget_->GiveBack(account_, bytes_ - bytes);
  bytes_ = bytes;
}

inline Reservation Reservation::Split(uint64_t bytes) {
  const uint64_t share = bytes < bytes_ ? bytes : bytes_;
  bytes_ -= share;
  return Reservation(budget_, account_, share);
}

inline void Reservation::Absorb(Reservation other) {
  if (budget_ == nullptr) {
    budget_ = other.budget_;
    account_ = other.account_;
  }
  bytes_ += std::exchange(other.bytes_, 0);
}

inline Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    Release();
    budget_ = std::exchange(other.budget_, nullptr);
    account_ = std::exchange(other.account_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

/// `bytes`, which give `reservation` back when their last copy goes.
Bytes WithReservation(Bytes bytes, Reservation reservation);

}  // namespace photovec
