// SPDX-License-Identifier: MIT
#include "pipeline/admission.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <vector>

namespace photovec::pipeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A server of one model, 100 images a second, with one decoder and one stream. The clock is the test's.
class AdmissionTest : public ::testing::Test {
 protected:
  using Answer = Result<std::shared_ptr<Ticket>, Refusal>;

  void Make(Clock::duration interactive = seconds(2), Clock::duration bulk = seconds(60), double rate = 100) {
    admission = std::make_shared<Admission>(AdmissionOptions{{interactive, bulk}});
    AdmissionModel model;
    model.first_rate = rate;
    admission->AddModel(model);
  }
  static AdmissionAsk For(int images, uint64_t client = 1, uint64_t key = 0) {
    AdmissionAsk ask;
    ask.images = images;
    ask.client = client;
    ask.retry_key = key;
    return ask;
  }
  Answer Ask(const AdmissionAsk& ask) { return admission->Ask(ask, now); }
  void Pass(Clock::duration time) { now += time; }
  /// A request of which all images are here.
  std::shared_ptr<Ticket> Arrive(const AdmissionAsk& ask) {
    Answer answer = Ask(ask);
    if (!answer.ok()) return nullptr;
    for (int i = 0; i < ask.images; ++i)
      charges.push_back({*answer, (*answer)->Add(ItemKind::kImage, 1000, false, now)});
    (*answer)->Finish();
    return *answer;
  }
  /// The oldest images are done, `per_second` of them.
  void Work(size_t images, double per_second) {
    for (size_t i = 0; i < images && next < charges.size(); ++i, ++next) {
      now += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / per_second));
      Served served;
      served.served = true;
      charges[next].ticket->OnEnded(charges[next].charge, served, now);
      charges[next].ticket.reset();
    }
  }
  /// How many single requests are let in at this moment.
  int Fill(uint64_t client = 1) {
    int taken = 0;
    while (Arrive(For(1, client)) != nullptr) ++taken;
    return taken;
  }

  struct Waiting {
    std::shared_ptr<Ticket> ticket;
    Charge charge;
  };
  TimePoint now = Clock::now();
  std::shared_ptr<Admission> admission;
  std::vector<Waiting> charges;
  size_t next = 0;
};

TEST_F(AdmissionTest, TakesWhatIsDoneInTimeAndRefusesTheRest) {
  Make();
  // 70% of 2 s at 100 a second; the one that finds exactly as much before it is taken, too.
  EXPECT_NEAR(Fill(), 141, 1);
  const Answer refused = Ask(For(1));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().status.code(), Code::kOverloaded);
  EXPECT_EQ(refused.error().reason, Refusal::Reason::kQueueTime);
  EXPECT_GE(refused.error().retry_after_s, 1);
  Work(50, 100);
  EXPECT_NEAR(Fill(), 50, 2);
}

TEST_F(AdmissionTest, TheMeasuredRateCountsNotTheAssumedOne) {
  Make();
  Fill();
  Work(100, 50);  // half as fast as assumed, for 2 s
  Work(charges.size(), 50);
  EXPECT_NEAR(Fill(), 71, 4);
  for (int round = 0; round < 8; ++round) {
    Work(charges.size(), 200);
    Fill();
  }
  Work(charges.size(), 200);
  EXPECT_GT(Fill(), 230);
}

TEST_F(AdmissionTest, BigPhotosNeitherDelayOthersNorSlowThemDown) {
  Make();
  const int usual = Fill();
  Work(charges.size(), 100);
  // As many big ones wait apart, and one took ten seconds.
  for (int i = 0; i < usual; ++i) {
    ASSERT_NE(Arrive(For(1, 1)), nullptr);
    charges.back().ticket->OnBig(charges.back().charge, now);
  }
  Work(1, 0.1);
  EXPECT_NEAR(Fill(), usual, 2);
  EXPECT_NEAR(admission->State(0, ItemKind::kImage, now).items_per_second, 100, 5);
}

TEST_F(AdmissionTest, IdleTimeIsNotTakenForSlowness) {
  Make();
  Fill();
  Work(charges.size(), 100);
  Pass(seconds(1000));
  EXPECT_NEAR(Fill(), 141, 3);
}

TEST_F(AdmissionTest, WithoutAnyRateEverythingIsTaken) {
  Make(seconds(2), seconds(60), 0);
  for (int i = 0; i < 5000; ++i) ASSERT_NE(Arrive(For(1)), nullptr);
  Work(200, 100);
  EXPECT_FALSE(Ask(For(1)).ok());
}

TEST_F(AdmissionTest, WithoutALimitEverythingIsTaken) {
  Make(Clock::duration::max(), Clock::duration::max());
  for (int i = 0; i < 5000; ++i) ASSERT_NE(Arrive(For(1)), nullptr);
}

TEST_F(AdmissionTest, ALoneRequestIsNeverRefused) {
  Make(seconds(2), seconds(60), 0.01);
  const auto first = Ask(For(1000));
  EXPECT_TRUE(first.ok());
}

TEST_F(AdmissionTest, ManyImagesMayWaitLongerThanFew) {
  Make();
  // What the replaced service had: 30 clients with 50 photos each, at once.
  for (uint64_t client = 0; client < 30; ++client) ASSERT_NE(Arrive(For(50, client)), nullptr);
  // And a small request beside them is not told to come back.
  EXPECT_NE(Arrive(For(1, 99)), nullptr);
}

TEST_F(AdmissionTest, BulkIsWhatAsksForItOrIsLarge) {
  Make();
  AdmissionAsk asked = For(1);
  asked.lane = Lane::kBulk;
  const auto one = Ask(asked);
  EXPECT_EQ((*one)->Add(ItemKind::kImage, 1, false, now).turn.lane, Lane::kBulk);
  const auto nine = Ask(For(9));
  EXPECT_EQ((*nine)->Add(ItemKind::kImage, 1, false, now).turn.lane, Lane::kBulk);
  const auto eight = Ask(For(8));
  EXPECT_EQ((*eight)->Add(ItemKind::kImage, 1, false, now).turn.lane, Lane::kInteractive);
}

TEST_F(AdmissionTest, WhatProvesLargeBecomesBulk) {
  Make();
  const auto ticket = *Ask(For(1));
  for (int i = 0; i < kMostInteractiveImages; ++i) {
    EXPECT_EQ(ticket->Add(ItemKind::kImage, 1, false, now).turn.lane, Lane::kInteractive);
  }
  EXPECT_EQ(ticket->Add(ItemKind::kImage, 1, false, now).turn.lane, Lane::kBulk);
}

TEST_F(AdmissionTest, OneLargePhotoIsNotTakenForManySmallOnes) {
  Make();
  const auto ticket = *Ask(For(40));  // by its length
  ticket->Expect(1);
  EXPECT_EQ(ticket->Add(ItemKind::kImage, 20'000'000, false, now).turn.lane, Lane::kInteractive);
  EXPECT_NEAR(admission->State(0, ItemKind::kImage, now).lanes[1].items, 0, 1e-9);
}

TEST_F(AdmissionTest, LargePhotosAreNotRefusedMoreOftenThanSmallOnes) {
  Make();
  // Learn that decoding goes by bytes.
  const auto ticket = *Ask(For(1));
  for (int i = 0; i < 100; ++i) {
    const Charge charge = ticket->Add(ItemKind::kImage, 400'000, false, now);
    ticket->OnEnded(charge, {true, 10'000, 10, 1, 400'000}, now);
  }
  // They wait as what they are...
  const Charge large = ticket->Add(ItemKind::kImage, 4'000'000, false, now);
  EXPECT_NEAR(large.work, 10, 0.2);
  const Charge small = ticket->Add(ItemKind::kImage, 40'000, false, now);
  EXPECT_NEAR(small.work, 0.1, 0.02);
  // ...but are asked for as images, whatever their size: an ask has no bytes.
}

TEST_F(AdmissionTest, TheClientsOwnDeadlineCounts) {
  Make();
  for (int i = 0; i < 100; ++i) ASSERT_NE(Arrive(For(1)), nullptr);
  AdmissionAsk hasty = For(1);
  hasty.deadline = Deadline(now + milliseconds(500));
  const Answer refused = Ask(hasty);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, Refusal::Reason::kDeadline);
  hasty.deadline = Deadline(now + milliseconds(1500));
  EXPECT_TRUE(Ask(hasty).ok());
}

TEST_F(AdmissionTest, WhatIsTooMuchForItsTimeIsNotBegun) {
  Make();
  AdmissionAsk large = For(1000);
  large.deadline = Deadline(now + seconds(5));
  EXPECT_FALSE(Ask(large).ok());
  large.deadline = Deadline(now + seconds(15));
  EXPECT_TRUE(Ask(large).ok());
}

TEST_F(AdmissionTest, AClientWithMuchWaitingMakesNobodyElseWait) {
  Make();
  Fill(1);
  EXPECT_FALSE(Ask(For(1, 1)).ok());
  EXPECT_NE(Arrive(For(1, 2)), nullptr);
  // Not even with what it only says that it will send.
  std::vector<std::shared_ptr<Ticket>> silent;
  for (int i = 0; i < 100; ++i) {
    auto answer = Ask(For(200, 3));
    if (answer.ok()) silent.push_back(*answer);
  }
  EXPECT_NE(Arrive(For(50, 4)), nullptr);
}

TEST_F(AdmissionTest, WhoSendsNothingIsNotBelievedForLong) {
  Make();
  std::vector<std::shared_ptr<Ticket>> silent;
  for (int i = 0; i < 100; ++i) {
    auto answer = Ask(For(200));
    if (answer.ok()) silent.push_back(*answer);
  }
  EXPECT_FALSE(Ask(For(200)).ok());
  Pass(seconds(2));
  EXPECT_TRUE(Ask(For(200)).ok());
}

TEST_F(AdmissionTest, ATicketThatIsDroppedLeavesNothingBehind) {
  Make();
  {
    const auto ticket = *Ask(For(50));
    const Charge charge = ticket->Add(ItemKind::kImage, 1, false, now);
    ticket->OnEnded(charge, {}, now);
  }
  const ModelState state = admission->State(0, ItemKind::kImage, now);
  for (const LaneState& lane : state.lanes) {
    EXPECT_EQ(lane.items, 0);
    EXPECT_EQ(lane.waiting + lane.running, 0);
  }
}

TEST_F(AdmissionTest, WhoObeysRetryAfterGetsInBeforeNewcomers) {
  Make();
  Fill();
  const Answer refused = Ask(For(1, 1, 77));
  ASSERT_FALSE(refused.ok());
  const int after = refused.error().retry_after_s;
  // Newcomers take all that becomes free meanwhile.
  for (int i = 0; i < after * 100; ++i) {
    Work(1, 100);
    Fill();
  }
  EXPECT_FALSE(Ask(For(1, 1, 5)).ok());
  EXPECT_TRUE(Ask(For(1, 1, 77)).ok());
  EXPECT_FALSE(Ask(For(1, 1, 77)).ok()) << "a second time is one too many";
}

TEST_F(AdmissionTest, ACrowdIsToldDifferentTimesAndAllOfItGetsIn) {
  Make();
  // 200 x 50 at 100 a second: 100 s of work, of which 42 s may wait.
  std::vector<std::pair<int, uint64_t>> later;
  for (uint64_t i = 0; i < 200; ++i) {
    const AdmissionAsk ask = For(50, 1, 1000);
    if (Arrive(ask) != nullptr) continue;
    later.emplace_back(Ask(For(50, 1, 1000)).error().retry_after_s, i);
    // The second ask stands for the next client.
    ++i;
  }
  ASSERT_GT(later.size(), 20U);
  EXPECT_GT(later.back().first, later.front().first + 20);
  const TimePoint start = now;
  for (const auto& [after, client] : later) {
    while (now < start + seconds(after)) Work(1, 100);
    EXPECT_NE(Arrive(For(50, 1, 1000)), nullptr) << client;
  }
}

TEST_F(AdmissionTest, ThoseWhoNeverComeBackPutOffNobody) {
  Make();
  int longest = 0;
  int last = 0;
  for (uint64_t key = 0; key < 20'000; ++key) {  // 2x: one more for each that is done
    Work(1, 100);
    Arrive(For(1, 1, 2 * key));
    const Answer answer = Ask(For(1, 1, 2 * key + 1));
    if (answer.ok()) continue;
    last = answer.error().retry_after_s;
    longest = std::max(longest, last);
  }
  EXPECT_LE(longest, 35);
  EXPECT_LE(last, 2);
}

TEST_F(AdmissionTest, ClientsThatLeaveEarlierAreServedEarlierOrNotAtAll) {
  Make();
  Fill();
  for (int i = 0; i < 40; ++i) {  // each leaves after a second
    const auto ticket = admission->Enter(For(1), now);
    ticket->OnLeft(now + seconds(1));
  }
  EXPECT_NEAR(admission->State(0, ItemKind::kImage, now).lanes[0].max_wait_s, 0.75, 0.05);
  for (int i = 0; i < 100; ++i) {  // those who leave at once do not leave because they wait
    const auto ticket = admission->Enter(For(1), now);
    ticket->OnLeft(now + milliseconds(50));
  }
  EXPECT_GT(admission->State(0, ItemKind::kImage, now).lanes[0].max_wait_s, 0.7);
  Pass(seconds(300));
  EXPECT_NEAR(admission->State(0, ItemKind::kImage, now).lanes[0].max_wait_s, 2, 1e-9);
}

TEST_F(AdmissionTest, ClientsTakeTurnsAndTheOldestRequestOfOneGoesFirst) {
  Make();
  std::vector<std::shared_ptr<Ticket>> tickets;
  const auto turn = [&](uint64_t client) {
    tickets.push_back(admission->Enter(For(50, client), now));
    return tickets.back()->Add(ItemKind::kImage, 1, false, now).turn;
  };
  const Turn a1 = turn(1);
  const Turn a2 = turn(1);
  const Turn a3 = turn(1);
  const Turn b1 = turn(2);
  EXPECT_LT(a1.rank, a2.rank);
  EXPECT_LT(a2.rank, a3.rank);
  EXPECT_LT(b1.rank, a2.rank);
}

TEST_F(AdmissionTest, AFetchThatStandsStillHoldsUpNoUploads) {
  Make();
  const auto ticket = *Ask(For(1000, 1));
  std::vector<Charge> charges_of_it;
  for (int i = 0; i < 1000; ++i) charges_of_it.push_back(ticket->Add(ItemKind::kImage, 0, true, now));
  for (int i = 0; i < 10; ++i) {
    Pass(seconds(1));
    ticket->OnFetched(charges_of_it[static_cast<size_t>(i)], 1000, now);
  }
  EXPECT_TRUE(Ask(For(1, 2)).ok());
  AdmissionAsk reference = For(20, 1);
  reference.by_reference = true;
  EXPECT_FALSE(Ask(reference).ok()) << "1,000 of its own wait, at one a second";
}

/// Ten times as many texts a second as images.
class TextAdmissionTest : public AdmissionTest {
 protected:
  void MakeWithTexts() {
    admission = std::make_shared<Admission>(AdmissionOptions{{seconds(2), seconds(60)}});
    AdmissionModel images, texts;
    images.first_rate = 100;
    texts.first_rate = 1000;
    admission->AddModel(images, texts);
  }
  static AdmissionAsk ForTexts(int texts, uint64_t client = 1) {
    AdmissionAsk ask = For(0, client);
    ask.texts = texts;
    return ask;
  }
  std::vector<Waiting> ArriveTexts(int count, uint64_t client = 1) {
    std::vector<Waiting> texts;
    auto ticket = *Ask(ForTexts(count, client));
    for (int i = 0; i < count; ++i) texts.push_back({ticket, ticket->Add(ItemKind::kText, 20, false, now)});
    ticket->Finish();
    return texts;
  }
  void End(std::vector<Waiting>& texts, Clock::duration each, double encode_us = 1000) {
    for (const Waiting& text : texts) {
      now += each;
      text.ticket->OnEnded(text.charge, {true, 5, encode_us, 1, 20}, now);
    }
    texts.clear();
  }
  double Texts() { return admission->State(0, ItemKind::kText, now).lanes[0].items; }
  double Images() { return admission->State(0, ItemKind::kImage, now).lanes[0].items; }
};

TEST_F(TextAdmissionTest, ATextIsNotRefusedBecausePhotosWait) {
  MakeWithTexts();
  Fill();
  ASSERT_FALSE(Ask(For(1)).ok());
  EXPECT_TRUE(Ask(ForTexts(1)).ok());
  EXPECT_TRUE(Ask(ForTexts(1, 2)).ok());
  AdmissionAsk both = For(1);
  both.texts = 1;
  EXPECT_FALSE(Ask(both).ok()) << "a photo in it is refused as ever";
}

TEST_F(TextAdmissionTest, TextsAreJudgedByTheirOwnRate) {
  MakeWithTexts();
  std::vector<std::vector<Waiting>> waiting;
  int taken = 0;
  for (; Ask(ForTexts(50)).ok(); taken += 50) waiting.push_back(ArriveTexts(50));
  EXPECT_NEAR(taken, 1400, 50);
  EXPECT_TRUE(Ask(For(1)).ok()) << "photos do not wait for them either";
  for (auto& texts : waiting) End(texts, milliseconds(2));
  for (taken = 0; Ask(ForTexts(50)).ok(); taken += 50) waiting.push_back(ArriveTexts(50));
  EXPECT_NEAR(taken, 700, 50) << "half as many a second were done";
}

TEST_F(TextAdmissionTest, ClientsTakeTurns) {
  MakeWithTexts();
  std::vector<std::vector<Waiting>> waiting;
  while (Ask(ForTexts(50)).ok()) waiting.push_back(ArriveTexts(50));
  EXPECT_TRUE(Ask(ForTexts(50, 2)).ok()) << "another client does not wait for all of the first one's";
  auto ticket = *Ask(ForTexts(1, 2));
  EXPECT_LT(ticket->Add(ItemKind::kText, 20, false, now).turn.rank, waiting.back().front().charge.turn.rank);
}

TEST_F(TextAdmissionTest, SixtyFourAreInteractive) {
  MakeWithTexts();
  EXPECT_EQ(ArriveTexts(64).front().charge.turn.lane, Lane::kInteractive);
  EXPECT_EQ(ArriveTexts(65).front().charge.turn.lane, Lane::kBulk);
}

TEST_F(TextAdmissionTest, ATextThatNobodySpokeOfHasItsPlaceToo) {
  MakeWithTexts();
  {
    const auto ticket = *Ask(For(2, 7));
    const Charge photo = ticket->Add(ItemKind::kImage, 1000, false, now);
    const Charge text = ticket->Add(ItemKind::kText, 20, false, now);
    EXPECT_NE(photo.turn.flow, text.turn.flow);
    EXPECT_EQ(Images(), 2);
    EXPECT_EQ(Texts(), 1);
    ticket->OnStarted(text);
    ticket->OnEnded(text, {true, 5, 2000, 1, 20}, now);
    EXPECT_EQ(Texts(), 0);
    EXPECT_EQ(ticket->RestFromEncode(ItemKind::kText), milliseconds(2));
    EXPECT_EQ(ticket->RestFromEncode(ItemKind::kImage), milliseconds(0));
    ticket->OnEnded(photo, {true, 10000, 50000, 1, 1000}, now);
    EXPECT_EQ(ticket->RestFromEncode(ItemKind::kText), milliseconds(2)) << "a photo says nothing of texts";
    EXPECT_EQ(ticket->RestFromDecode(ItemKind::kImage), milliseconds(60));
  }
  EXPECT_EQ(Images(), 0);
  EXPECT_EQ(admission->State(0, ItemKind::kText, now).lanes[0].waiting, 0);
}

TEST_F(TextAdmissionTest, AFailedOneIsTakenOffOnce) {
  MakeWithTexts();
  AdmissionAsk both = For(2);
  both.texts = 2;
  const auto ticket = *Ask(both);
  ticket->Skip();
  EXPECT_EQ(Images() + Texts(), 3);
  ticket->Finish();
  EXPECT_EQ(Images() + Texts(), 0);
}

}  // namespace
}  // namespace photovec::pipeline
