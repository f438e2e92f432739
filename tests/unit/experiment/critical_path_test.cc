// SPDX-License-Identifier: MIT
#include "experiment/analyse/critical_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "unit/experiment/record_maker.h"

namespace photovec::experiment {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<std::pair<std::string, int64_t>> Path(const request_log::Record& record) {
  std::vector<std::pair<std::string, int64_t>> parts;
  for (const PathPart& part : CriticalPath(record)) parts.emplace_back(part.name, part.us);
  return parts;
}

TEST(CriticalPath, GoesThroughTheImageThatWasCollectedLast) {
  request_log::Record record = MakeRequest(1, 1'000'000, 1000);
  record.receive_us = 100;
  record.parse_us = 50;
  record.serialise_us = 80;
  record.opened_us = 155;
  record.items = {MakeItem({160, 161, 162, 163, 164, 165, 166, 167, 168}),
                  MakeItem({170, 180, 400, 410, 500, 520, 600, 880, 890}),
                  MakeItem({175, 176, 300, 310, 400, 420, 600, 880, 885})};
  EXPECT_THAT(Path(record), ElementsAre(Pair("receive", 100), Pair("parse", 50), Pair("open", 15),
                                        Pair("admit_wait", 10), Pair("fetch", 220), Pair("decode_wait", 10),
                                        Pair("decode", 90), Pair("preprocess", 20), Pair("batch_wait", 80),
                                        Pair("encode", 280), Pair("collect", 10), Pair("hand_over", 30),
                                        Pair("serialise", 80), Pair("other", 5)))
      << "5 us between parsing and opening";
}

// The upload's last parts came while the image that decides was already being worked on.
TEST(CriticalPath, WhatStreamsInMeanwhileIsNotCountedTwice) {
  request_log::Record record = MakeRequest(1, 0, 1000);
  record.receive_us = 700;
  record.serialise_us = 100;
  record.opened_us = 20;
  record.items = {MakeItem({300, 300, 300, 350, 400, 450, 500, 880, 890}, false),
                  MakeItem({690, 690, 690, 691, 700, 710, 720, 800, 810}, false)};
  EXPECT_THAT(Path(record), ElementsAre(Pair("receive", 300), Pair("decode_wait", 50), Pair("decode", 50),
                                        Pair("preprocess", 50), Pair("batch_wait", 50), Pair("encode", 380),
                                        Pair("collect", 10), Pair("hand_over", 10), Pair("serialise", 100),
                                        Pair("other", 0)));
}

// The form's end came after all of its images were done.
TEST(CriticalPath, WhatIsReceivedAfterTheLastImageIsReceiving) {
  request_log::Record record = MakeRequest(1, 0, 1000);
  record.receive_us = 900;
  record.serialise_us = 90;
  record.items = {MakeItem({300, 300, 300, 310, 320, 330, 340, 390, 400}, false)};
  EXPECT_THAT(Path(record), ElementsAre(Pair("receive", 300 + 500), Pair("decode_wait", 10),
                                        Pair("decode", 10), Pair("preprocess", 10), Pair("batch_wait", 10),
                                        Pair("encode", 50), Pair("collect", 10), Pair("hand_over", 10),
                                        Pair("serialise", 90), Pair("other", 0)));
}

TEST(CriticalPath, AFailedImageEndsInTheStageInWhichItFailed) {
  request_log::Record record = MakeRequest(1, 0, 100);
  record.items = {MakeItem({10, 20, 30, 40, -1, -1, -1, -1, 95})};
  EXPECT_THAT(Path(record), ElementsAre(Pair("admit_wait", 10), Pair("fetch", 10), Pair("decode_wait", 10),
                                        Pair("decode", 55), Pair("hand_over", 5), Pair("other", 10)))
      << "when it was opened is not known";
}

TEST(CriticalPath, ARequestWithoutResultsIsReceivedAndNothingElseIsKnown) {
  request_log::Record record = MakeRequest(1, 0, 100);
  record.receive_us = 60;
  EXPECT_THAT(Path(record), ElementsAre(Pair("receive", 60), Pair("other", 40)));
  record.total_us = -1;
  EXPECT_THAT(Path(record), IsEmpty());
}

TEST(CriticalPath, AServerThatMeasuresStepsHasThoseAsParts) {
  request_log::Record record;
  record.total_us = 903;
  record.load_decode_us = 361;
  record.preprocess_us = 162;
  record.embed_us = 292;
  record.items.resize(2);
  EXPECT_THAT(Path(record), ElementsAre(Pair("load_decode", 361), Pair("preprocess", 162), Pair("embed", 292),
                                        Pair("other", 88)));
  record.receive_us = 8;
  record.serialise_us = 60;
  EXPECT_THAT(Path(record), ElementsAre(Pair("receive", 8), Pair("load_decode", 361), Pair("preprocess", 162),
                                        Pair("embed", 292), Pair("serialise", 60), Pair("other", 20)));
}

// Whatever a log says, rounding and nonsense included, parts are positive and add up to the total.
TEST(CriticalPath, AlwaysAddsUpToTheTotal) {
  uint64_t state = 7;
  const auto random = [&state](int64_t below) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<int64_t>((state >> 33U) % static_cast<uint64_t>(below + 1)) - 1;
  };
  for (int round = 0; round < 20'000; ++round) {
    request_log::Record record;
    record.total_us = random(1000) + 1;
    record.receive_us = random(1200);
    record.parse_us = random(300);
    record.serialise_us = random(1200);
    record.opened_us = random(1200);
    if (round % 4 == 0) record.load_decode_us = random(1200);
    if (round % 4 == 0) record.embed_us = random(1200);
    record.items.resize(static_cast<size_t>(random(4) + 1));
    for (request_log::ItemRecord& item : record.items) {
      int64_t at = random(400);
      for (int64_t& border : item.at_us) border = random(10) < 0 ? -1 : (at += random(200) + 1);
    }
    int64_t sum = 0;
    for (const PathPart& part : CriticalPath(record)) {
      EXPECT_GE(part.us, part.name == kOtherPart ? 0 : 1);
      sum += part.us;
    }
    ASSERT_EQ(sum, record.total_us);
  }
}

}  // namespace
}  // namespace photovec::experiment
