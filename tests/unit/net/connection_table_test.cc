// SPDX-License-Identifier: MIT
#include "net/connection_table.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "metrics/names.h"

namespace photovec::net {
namespace {

/// Slots by name, and who was thrown out.
class ConnectionTableTest : public ::testing::Test {
 protected:
  void Make(size_t total, size_t per_address) {
    table_ = std::make_unique<ConnectionTable>(ConnectionTable::Limits{total, per_address},
                                               ConnectionTable::Counters{});
  }
  ~ConnectionTableTest() override { slots_.clear(); }
  /// False when refused.
  bool Come(const std::string& name, const std::string& address = "") {
    auto slot = table_->Enter(address);
    if (!slot) return false;
    EXPECT_TRUE(slot->Attach([this, name] { out_ += name; }));
    slots_[name] = std::move(slot);
    return true;
  }
  ConnectionTable::Slot& At(const std::string& name) { return *slots_.at(name); }
  void Serve(const std::string& name) {
    EXPECT_TRUE(At(name).BeginWork());
    At(name).EndWork();
  }
  /// Who was thrown out since the last call.
  std::string Out() { return std::exchange(out_, {}); }

  std::unique_ptr<ConnectionTable> table_;
  std::map<std::string, std::unique_ptr<ConnectionTable::Slot>> slots_;
  std::string out_;
};

TEST_F(ConnectionTableTest, TheOneThatHasWaitedLongestGoes) {
  Make(3, 0);
  for (const std::string name : {"a", "b", "c"}) EXPECT_TRUE(Come(name));
  EXPECT_EQ(Out(), "");
  EXPECT_TRUE(Come("d"));
  EXPECT_EQ(Out(), "a");
  EXPECT_FALSE(At("a").BeginWork()) << "it has been thrown out";
  EXPECT_TRUE(Come("e"));
  EXPECT_EQ(Out(), "b");
  slots_.clear();
  EXPECT_TRUE(table_->WaitEmpty(Deadline()));
}

TEST_F(ConnectionTableTest, WorkIsNeverThrownOut) {
  Make(2, 0);
  EXPECT_TRUE(Come("a"));
  EXPECT_TRUE(Come("b"));
  EXPECT_TRUE(At("a").BeginWork());
  EXPECT_TRUE(Come("c"));
  EXPECT_EQ(Out(), "b");
  EXPECT_TRUE(At("c").BeginWork());
  EXPECT_FALSE(Come("d")) << "all others work";
  EXPECT_FALSE(table_->EvictOne());
  At("a").EndWork();
  EXPECT_TRUE(Come("d"));
  EXPECT_EQ(Out(), "a");
  At("a").EndWork();  // its reply was on the way
  EXPECT_EQ(table_->size(), 4U) << "those that were thrown out are still there";
}

TEST_F(ConnectionTableTest, ACrowdThatNeverAsksLeavesKeptConnectionsAlone) {
  Make(6, 0);
  EXPECT_TRUE(Come("k"));
  Serve("k");
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Come("crowd " + std::to_string(i)));
  EXPECT_EQ(Out().find('k'), std::string::npos);
  EXPECT_TRUE(At("k").BeginWork());
}

TEST_F(ConnectionTableTest, ACrowdThatKeepsConnectionsLeavesNewcomersAlone) {
  Make(6, 0);
  for (int i = 0; i < 6; ++i) {
    EXPECT_TRUE(Come("crowd" + std::to_string(i)));
    Serve("crowd" + std::to_string(i));
  }
  EXPECT_TRUE(Come("new"));
  for (int i = 6; i < 9; ++i) {
    EXPECT_TRUE(Come("crowd" + std::to_string(i)));
    Serve("crowd" + std::to_string(i));
  }
  EXPECT_TRUE(At("new").BeginWork());
}

TEST_F(ConnectionTableTest, AnAddressMakesRoomAmongItsOwn) {
  Make(10, 2);
  EXPECT_TRUE(Come("x", "other"));
  EXPECT_TRUE(Come("a", "greedy"));
  EXPECT_TRUE(Come("b", "greedy"));
  EXPECT_TRUE(Come("c", "greedy"));
  EXPECT_EQ(Out(), "a");
  EXPECT_TRUE(At("b").BeginWork());
  EXPECT_TRUE(At("c").BeginWork());
  EXPECT_FALSE(Come("d", "greedy"));
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(Come("exempt" + std::to_string(i)));
  EXPECT_EQ(Out(), "");
  slots_.erase("b");
  EXPECT_TRUE(Come("d", "greedy")) << "one has left";
}

TEST_F(ConnectionTableTest, WhoIsThrownOutBeforeItIsKnownHearsOfIt) {
  Make(1, 0);
  const auto first = table_->Enter("");
  const auto second = table_->Enter("");
  EXPECT_FALSE(first->Attach([] { FAIL() << "it was told already"; }));
  EXPECT_TRUE(second->Attach([] {}));
}

TEST_F(ConnectionTableTest, CountsWhatIsOpenThrownOutAndRefused) {
  const auto registry = metrics::Registry::Create();
  const ConnectionTable::Counters counters{registry->GetGauge(metrics::name::kConnections, "h", {}),
                                           registry->GetCounter(metrics::name::kConnectionsEvicted, "h", {}),
                                           registry->GetCounter(metrics::name::kConnectionsRefused, "h", {})};
  ConnectionTable table({1, 0}, counters);
  auto one = table.Enter("");
  auto two = table.Enter("");
  EXPECT_EQ(counters.open->Value(), 1);
  EXPECT_EQ(counters.evicted->Value(), 1);
  EXPECT_TRUE(two->BeginWork());
  EXPECT_EQ(table.Enter(""), nullptr);
  EXPECT_EQ(counters.refused->Value(), 1);
  one.reset();
  two.reset();
  EXPECT_EQ(counters.open->Value(), 0);
}

}  // namespace
}  // namespace photovec::net
