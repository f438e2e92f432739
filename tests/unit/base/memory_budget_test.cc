// SPDX-License-Identifier: MIT
#include "base/memory_budget.h"

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/growing_bytes.h"

namespace photovec {
namespace {

/// All that a client can get, in steps.
Reservation TakeAll(MemoryBudget& budget, const std::string& client) {
  Reservation all;
  while (auto more = budget.TryReserve(1, &budget.AccountOf(client))) all.Absorb(*std::move(more));
  return all;
}

TEST(MemoryShares, OneClientAloneGetsHalfAndANewcomerAlwaysFindsRoom) {
  MemoryBudget budget(12'000);
  const Reservation first = TakeAll(budget, "a");
  EXPECT_EQ(first.bytes(), 6000U);
  EXPECT_EQ(first.bytes(), budget.most_of_one());
  const Reservation second = TakeAll(budget, "b");
  EXPECT_EQ(second.bytes(), 3000U) << "half of what is free";
  const Reservation third = TakeAll(budget, "c");
  EXPECT_EQ(third.bytes(), 1500U);
  EXPECT_FALSE(budget.TryReserve(1, &budget.AccountOf("a")).has_value());
  EXPECT_TRUE(budget.TryReserve(1500).has_value()) << "what is nobody's has no share";
}

TEST(MemoryShares, ClientsThatTakeTurnsGetTheSame) {
  MemoryBudget budget(12'000);
  std::vector<Reservation> held(3);
  for (bool any = true; any;) {
    any = false;
    for (size_t i = 0; i < held.size(); ++i) {
      auto more = budget.TryReserve(10, &budget.AccountOf("client " + std::to_string(i)));
      if (!more) continue;
      held[i].Absorb(*std::move(more));
      any = true;
    }
  }
  for (const Reservation& share : held) EXPECT_EQ(share.bytes(), 3000U);
}

TEST(MemoryShares, PartsGoBackToTheirAccount) {
  MemoryBudget budget(1000);
  BudgetAccount& account = budget.AccountOf("a");
  Reservation whole = *budget.TryReserve(400, &account);
  Reservation part = whole.Split(150);
  part.ShrinkTo(100);
  EXPECT_EQ(account.used, 350U);
  Reservation moved;
  moved = std::move(part);
  moved.Release();
  EXPECT_EQ(account.used, 250U);
  whole.Release();
  EXPECT_EQ(account.used, 0U);
  EXPECT_EQ(budget.used(), 0U);
}

TEST(MemoryShares, ManyThreadsLoseNothing) {
  MemoryBudget budget(1 << 20);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&budget, t] {
      BudgetAccount& account = budget.AccountOf(std::to_string(t % 2));
      for (int i = 0; i < 20'000; ++i) {
        const auto held = budget.TryReserve(1 + static_cast<uint64_t>(i % 1000), &account);
        EXPECT_LE(budget.used(), budget.limit());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_EQ(budget.AccountOf("0").used, 0U);
}

TEST(MemoryShares, TheLineKnowsItsOldest) {
  MemoryBudget budget(1);
  EXPECT_TRUE(budget.EnterLine(7));
  EXPECT_TRUE(budget.EnterLine(3));
  EXPECT_TRUE(budget.IsOldestInLine(3));
  EXPECT_FALSE(budget.IsOldestInLine(7));
  budget.LeaveLine(3);
  EXPECT_TRUE(budget.IsOldestInLine(7));
  for (uint64_t turn = 100; turn < 163; ++turn) EXPECT_TRUE(budget.EnterLine(turn));
  EXPECT_FALSE(budget.EnterLine(200)) << "the line is bounded";
}

TEST(GrowingBytesTest, HoldsWhatWasWrittenInAnyPieces) {
  GrowingBytes bytes;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece(static_cast<size_t>(i % 700), static_cast<char>('a' + i % 26));
    expected += piece;
    if (i % 2 == 0) {
      bytes.Append(piece);
      continue;
    }
    for (size_t at = 0; at < piece.size();) {
      const std::span<uint8_t> room = bytes.Room(UINT64_MAX);
      ASSERT_FALSE(room.empty());
      const size_t part = std::min(room.size(), piece.size() - at);
      piece.copy(reinterpret_cast<char*>(room.data()), part, at);
      bytes.Commit(part);
      at += part;
    }
  }
  bytes.Fit();
  EXPECT_EQ(bytes.text(), expected);
  const Bytes shared = ShareBytes(std::move(bytes), 0);
  EXPECT_EQ(shared.size(), expected.size());
  EXPECT_EQ(bytes.size(), 0U);
  EXPECT_EQ(bytes.Room(10).size(), 10U) << "never more than there will be";
}

}  // namespace
}  // namespace photovec
