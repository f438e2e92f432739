// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "pipeline/request.h"
#include "unit/pipeline/fixture.h"

namespace photovec::pipeline {
namespace {

using testing::Answer;
using ::testing::ElementsAre;
using testing::Photo;
using testing::PipelineFixture;

class ItemTrailTest : public PipelineFixture {};

TEST_F(ItemTrailTest, SaysWhereAnImageCameFromAndWhoWorkedOnIt) {
  Make(2, 1);
  fetcher.automatic = true;
  Answer answer;
  auto request = Open(answer);
  request->Add(Photo("upload"));
  request->Add(Reference{"reference"});
  request->Add(Reference{"missing"});
  request->Add(Photo("corrupt"));
  request->AddFailed(Status(Code::kBodyTooLarge, "too large"));
  request->Finish();
  const RequestResult result = answer.Get();
  ASSERT_EQ(result.items.size(), 5U);
  const auto trail = [&](size_t i) -> const ItemTrail& { return result.items[i].trail; };
  const auto sources = [&](auto member) {
    return std::vector{trail(0).*member, trail(1).*member, trail(2).*member, trail(3).*member,
                       trail(4).*member};
  };
  EXPECT_THAT(sources(&ItemTrail::by_reference), ElementsAre(false, true, true, false, false));
  EXPECT_THAT(sources(&ItemTrail::bytes), ElementsAre(6U, 9U, 0U, 7U, 0U));
  for (const size_t i : {0U, 1U}) {
    EXPECT_THAT(trail(i).decoder, ::testing::AllOf(::testing::Ge(0), ::testing::Lt(2)));
    EXPECT_EQ(trail(i).stream, 0);
    EXPECT_GE(trail(i).batch, 0);
  }
  // Together in one batch or one after the other, as the streams found them.
  const bool together = trail(0).batch == trail(1).batch;
  EXPECT_EQ(trail(0).batch_size, together ? 2 : 1);
  EXPECT_EQ(trail(1).batch_size, together ? 2 : 1);
  EXPECT_EQ(trail(2).decoder, -1);
  EXPECT_GE(trail(3).decoder, 0);
  for (const size_t i : {2U, 3U, 4U}) {
    EXPECT_EQ(trail(i).stream, -1);
    EXPECT_EQ(trail(i).batch, -1);
    EXPECT_EQ(trail(i).batch_size, 0);
  }
}

}  // namespace
}  // namespace photovec::pipeline
