// SPDX-License-Identifier: MIT
#include "fetch/http/waiting_line.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fetch/http/group.h"
#include "fetch/http/inbox.h"

namespace photovec::fetch {
namespace {

using std::chrono::milliseconds;

TEST(Group, GrowsWithSuccessAndHalvesWhenItIsTooMuch) {
  Group group(64);
  EXPECT_EQ(group.limit(), 32);
  for (int i = 0; i < 10; ++i) group.OnSuccess(milliseconds(1), false);
  EXPECT_EQ(group.limit(), 42);
  for (int i = 0; i < 100; ++i) group.OnSuccess(milliseconds(1), false);
  EXPECT_EQ(group.limit(), 64);
  group.OnThrottled();
  EXPECT_EQ(group.limit(), 32);
  for (int i = 0; i < 10; ++i) group.OnThrottled();
  EXPECT_EQ(group.limit(), 1);
  EXPECT_EQ(Group(4).limit(), 4);
}

TEST(Group, HedgesAfterTheP95AndForTwoPercent) {
  Group group(64);
  for (int i = 0; i < 99; ++i) group.OnSuccess(milliseconds(i), false);
  EXPECT_EQ(group.HedgeAfter(), std::nullopt) << "too few to know";
  for (int i = 0; i < 128; ++i) group.OnSuccess(milliseconds(i % 100), false);
  ASSERT_TRUE(group.HedgeAfter());
  EXPECT_GE(*group.HedgeAfter(), milliseconds(90));
  EXPECT_LE(*group.HedgeAfter(), milliseconds(99));
  int hedges = 0;
  for (int i = 0; i < 1000; ++i) {
    group.OnSuccess(milliseconds(1), false);
    hedges += group.TakeHedge() ? 1 : 0;
  }
  EXPECT_LE(hedges, 25);
  EXPECT_GE(hedges, 18);
}

DownloadPtr Waiting(WaitingLine& line, uint64_t id, const std::string& group) {
  auto download = std::make_shared<Download>();
  download->id = id;
  download->group = line.GroupOf(group);
  line.AddLast(download);
  return download;
}

std::vector<uint64_t> Ids(const std::vector<DownloadPtr>& downloads) {
  std::vector<uint64_t> ids;
  for (const DownloadPtr& download : downloads) ids.push_back(download->id);
  return ids;
}

TEST(WaitingLine, InOrderButAGroupAtItsCapIsPassedOver) {
  WaitingLine line(3, 1);
  const auto first = Waiting(line, 1, "a");
  Waiting(line, 2, "a");
  const auto gone = Waiting(line, 3, "b");
  Waiting(line, 4, "c");
  Waiting(line, 5, "d");
  Waiting(line, 6, "e");
  line.Remove(*gone);
  EXPECT_EQ(Ids(line.TakeReady()), (std::vector<uint64_t>{1, 4, 5}));
  EXPECT_TRUE(line.full());
  EXPECT_TRUE(line.TakeReady().empty());
  line.OnInactive(*first);
  EXPECT_FALSE(line.full());
  EXPECT_EQ(Ids(line.TakeReady()), (std::vector<uint64_t>{2}));
}

TEST(WaitingLine, WhoStartsOverGoesFirst) {
  WaitingLine line(1, 1);
  const auto first = Waiting(line, 1, "a");
  Waiting(line, 2, "a");
  EXPECT_EQ(Ids(line.TakeReady()), (std::vector<uint64_t>{1}));
  line.OnInactive(*first);
  line.AddFirst(first);
  EXPECT_EQ(Ids(line.TakeReady()), (std::vector<uint64_t>{1}));
}

TEST(WaitingLine, GroupsAreForgottenWhenThereAreVeryManyAndNobodyHoldsThem) {
  WaitingLine line(1, 64);
  const auto held = line.GroupOf("held");
  held->OnThrottled();
  line.GroupOf("let go")->OnThrottled();
  line.ForgetGroups();
  EXPECT_EQ(line.GroupOf("let go")->limit(), 16) << "a few are kept";
  for (int i = 0; i < 2'000; ++i) line.GroupOf(std::to_string(i));
  line.ForgetGroups();
  EXPECT_EQ(line.GroupOf("let go")->limit(), 32) << "made anew";
  EXPECT_EQ(line.GroupOf("held"), held);
}

TEST(Inbox, IsBoundedUntilOrdersLeaveTheQueue) {
  Inbox inbox(2);
  Inbox::Order order{};
  EXPECT_TRUE(inbox.Add(order).ok());
  EXPECT_TRUE(inbox.Add(order).ok());
  EXPECT_EQ(inbox.Add(order).code(), Code::kOverloaded);
  EXPECT_EQ(inbox.Take().orders.size(), 2U);
  EXPECT_EQ(inbox.Add(order).code(), Code::kOverloaded) << "taken out, but not started";
  inbox.OnLeftQueue();
  EXPECT_TRUE(inbox.Add(order).ok());
}

TEST(Inbox, WhatCameBeforeTheEndIsStillHandedOver) {
  Inbox inbox(2);
  Inbox::Order order{};
  EXPECT_TRUE(inbox.Add(order).ok());
  inbox.Add(Inbox::SignedHeaders{7, std::vector<std::string>{"A: b"}});
  EXPECT_FALSE(inbox.Take().closed);
  EXPECT_TRUE(inbox.Take().orders.empty()) << "once";
  EXPECT_TRUE(inbox.Add(order).ok());
  inbox.Close();
  EXPECT_EQ(inbox.Add(order).code(), Code::kCancelled);
  const Inbox::Contents last = inbox.Take();
  EXPECT_TRUE(last.closed);
  EXPECT_EQ(last.orders.size(), 1U);
  EXPECT_TRUE(inbox.Take().closed);
}

}  // namespace
}  // namespace photovec::fetch
