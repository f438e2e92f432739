// SPDX-License-Identifier: MIT
#include "base/memory_budget.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <span>

namespace photovec {
namespace {

uint64_t DrawSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

// The last step of splitmix64: every bit of the seed and of the text's hash reaches every bit of the result.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

}  // namespace

MemoryBudget::MemoryBudget(uint64_t limit_bytes) : limit_(limit_bytes), seed_(DrawSeed()) {
  for (std::atomic<uint64_t>& place : line_) place.store(kNobody, std::memory_order_relaxed);
}

BudgetAccount& MemoryBudget::AccountOf(std::string_view client) {
  return accounts_[Mix(std::hash<std::string_view>()(client) ^ seed_) % kAccounts];
}

bool MemoryBudget::EnterLine(uint64_t turn) {
  return std::any_of(line_.begin(), line_.end(), [turn](std::atomic<uint64_t>& place) {
    uint64_t nobody = kNobody;
    return place.compare_exchange_strong(nobody, turn, std::memory_order_relaxed);
  });
}

void MemoryBudget::LeaveLine(uint64_t turn) {
  for (std::atomic<uint64_t>& place : line_) {
    uint64_t mine = turn;
    if (place.compare_exchange_strong(mine, kNobody, std::memory_order_relaxed)) return;
  }
}

bool MemoryBudget::IsOldestInLine(uint64_t turn) const {
  return std::all_of(line_.begin(), line_.end(), [turn](const std::atomic<uint64_t>& place) {
    return place.load(std::memory_order_relaxed) >= turn;
  });
}

Bytes WithReservation(Bytes bytes, Reservation reservation) {
  struct Paid {
    Bytes bytes;
    Reservation reservation;
  };
  auto owner = std::make_shared<const Paid>(Paid{std::move(bytes), std::move(reservation)});
  const std::span<const uint8_t> view = owner->bytes.view();
  return {std::move(owner), view};
}

}  // namespace photovec
