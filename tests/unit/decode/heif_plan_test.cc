// SPDX-License-Identifier: MIT
// What an image is made of: shown as the file means it, or refused by name.
#include "decode/formats/heif/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/heif_builder.h"

namespace photovec::decode {
namespace {

using test::Encoded;
using test::FakeHeifPart;
using test::HeifBuilder;
using ::testing::HasSubstr;

HeifPlan Planned(const Encoded& file) {
  Result<HeifPlan> plan = ReadHeifPlan(file, "HEIC");
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  if (!plan.ok()) return {{HeifNode()}, 0, Status::Ok(), 1, false, {}};
  return *std::move(plan);
}

void ExpectNoPlan(const Encoded& file, Code code, const std::string& words) {
  const Status status = ReadHeifPlan(file, "HEIC").status();
  EXPECT_EQ(status.code(), code) << status.ToString();
  EXPECT_THAT(status.message(), HasSubstr(words));
}

TEST(HeifPlan, APredictedImageIsRefused) {
  HeifBuilder builder;
  const uint32_t base = builder.AddCoded(FakeHeifPart(64, 64));
  builder.primary = builder.AddCoded(FakeHeifPart(64, 64));
  builder.AddProperty(builder.primary, "rref", {0, 0, 0, 0}, true);
  builder.Refer("pred", builder.primary, {base});
  ExpectNoPlan(builder.Build(), Code::kUnsupportedFormat, "predicted from another one ('pred')");
  builder.primary = base;
  EXPECT_EQ(Planned(builder.Build()).top().item, base) << "another image may be";
}

TEST(HeifPlan, UnknownPropertiesCountWhenTheyAreEssential) {
  HeifBuilder builder;
  const uint32_t id = builder.AddCoded(FakeHeifPart(64, 64));
  builder.AddProperty(id, "xyzw", {1, 2, 3});
  Planned(builder.Build());
  builder.AddProperty(id, "iscl", {0, 0, 0, 0, 0, 1, 0, 2, 0, 1, 0, 2}, true);
  ExpectNoPlan(builder.Build(), Code::kUnsupportedFormat, "needs the property 'iscl'");
}

TEST(HeifPlan, KindsOfItems) {
  for (const std::string kind : {"unci", "avc1", "j2k1", "jpeg", "lhv1", "mski"}) {
    HeifBuilder builder;
    builder.AddSize(builder.AddItem(kind, {1, 2, 3}), 8, 8);
    ExpectNoPlan(builder.Build(), Code::kUnsupportedFormat, "kind '" + kind + "'; only HEVC and AV1");
  }
  // A gain map's image is shown without it.
  HeifBuilder toned;
  const uint32_t base = toned.AddCoded(FakeHeifPart(64, 48));
  const uint32_t gain = toned.AddCoded(FakeHeifPart(32, 24));
  toned.primary = toned.AddItem("tmap", {0});
  toned.AddSize(toned.primary, 64, 48);
  toned.AddColour(toned.primary, 9, 16, 9, true);
  toned.Refer("dimg", toned.primary, {base, gain});
  const HeifPlan plan = Planned(toned.Build());
  EXPECT_EQ(plan.nodes.size(), 2U);
  EXPECT_EQ(plan.nodes[0].colour, ColourCode()) << "the base is not HDR";
}

TEST(HeifPlan, StepsAreTakenInTheirOrder) {
  HeifBuilder builder;
  const uint32_t id = builder.AddCoded(FakeHeifPart(96, 64));
  builder.AddCrop(id, 41, 30);
  builder.AddRotation(id, 1);
  builder.AddMirror(id, 1);
  const HeifNode node = Planned(builder.Build()).top();
  ASSERT_EQ(node.steps.size(), 3U);
  EXPECT_EQ(node.steps[0].left, 27) << "(96 - 41) / 2, rounded down";
  EXPECT_EQ(node.steps[0].top, 17);
  EXPECT_TRUE(node.steps[2].sideways);
  EXPECT_EQ(node.shown, (HeifSize{30, 41}));
  for (const Encoded& crop : {Encoded(32, 0), Encoded(7, 1)}) {
    HeifBuilder bad;
    bad.AddProperty(bad.AddCoded(FakeHeifPart(96, 64)), "clap", crop);
    ExpectNoPlan(bad.Build(), Code::kImageCorrupt, "cropped to nothing (clap)");
  }
}

TEST(HeifPlan, OverlaysKnowTheirPlaces) {
  HeifBuilder builder;
  const uint32_t part = builder.AddCoded(FakeHeifPart(32, 32));
  builder.primary = builder.AddOverlay(64, 48, {part, part}, {{-5, 7}, {40, -3}});
  const HeifNode node = Planned(builder.Build()).top();
  ASSERT_EQ(node.offsets.size(), 2U);
  EXPECT_EQ(node.offsets[0].x, -5);
  EXPECT_EQ(node.offsets[1].y, -3);
  EXPECT_EQ(node.fill[1], 0x40);
  builder.primary = builder.AddOverlay(64, 48, {part, part, part}, {{0, 0}});
  ExpectNoPlan(builder.Build(), Code::kImageCorrupt, "places are cut off");
}

TEST(HeifPlan, ColoursAreTheNearestThatIsSaid) {
  HeifBuilder builder;
  const uint32_t tile = builder.AddCoded(FakeHeifPart(32, 32));
  const uint32_t own = builder.AddCoded(FakeHeifPart(32, 32));
  builder.AddColour(own, 1, 1, 1, false);
  builder.primary = builder.AddGrid(1, 2, 64, 32, {tile, own});
  builder.AddColour(builder.primary, 12, 13, 6, true);
  const HeifPlan plan = Planned(builder.Build());
  EXPECT_EQ(plan.nodes[0].colour, (ColourCode{12, 13, 6, true}));
  EXPECT_EQ(plan.nodes[1].colour, (ColourCode{1, 1, 1, false}));
}

TEST(HeifPlan, TransparencyOfTilesIsJoined) {
  HeifBuilder builder;
  std::vector<uint32_t> tiles;
  for (int i = 0; i < 2; ++i) {
    tiles.push_back(builder.AddCoded(FakeHeifPart(32, 32)));
    builder.MakeAlpha(builder.AddCoded(FakeHeifPart(32, 32)), tiles.back());
  }
  builder.primary = builder.AddGrid(1, 2, 64, 32, tiles);
  const HeifPlan plan = Planned(builder.Build());
  ASSERT_NE(plan.top().alpha, kNoHeifNode);
  EXPECT_EQ(plan.nodes[plan.top().alpha].children.size(), 2U);
  tiles.push_back(builder.AddCoded(FakeHeifPart(32, 32)));
  builder.primary = builder.AddGrid(1, 3, 96, 32, tiles);
  EXPECT_THAT(Planned(builder.Build()).alpha_status.message(), HasSubstr("some tiles with and some without"));
}

TEST(HeifPlan, SequencesShowTheirFirstPicture) {
  for (const bool av1 : {false, true}) {
    const test::HeifPart alpha = FakeHeifPart(64, 48, av1);
    const Encoded file = test::HeifSequenceOf(FakeHeifPart(64, 48, av1), &alpha);
    const HeifPlan plan = Planned(file);
    EXPECT_EQ(plan.top().shown, (HeifSize{64, 48}));
    EXPECT_EQ(plan.top().av1, av1);
    EXPECT_EQ(plan.top().alpha, 1U);
    for (size_t size = 0; size < file.size(); ++size) {
      const Result<HeifPlan> cut = ReadHeifPlan(test::Cut(file, size), "HEIC");
      if (cut.ok()) {
        EXPECT_FALSE(cut->alpha_status.ok()) << "only the second track may be missing";
      }
    }
  }
  Encoded other = test::HeifSequenceOf(FakeHeifPart(64, 48));
  other[test::Find(other, "hvc1")] = 'a';
  ExpectNoPlan(other, Code::kUnsupportedFormat, "none of its tracks is HEVC or AV1");
}

TEST(HeifStream, SaysWhatItsEncoderWasTold) {
  for (const bool av1 : {false, true}) {
    for (const int bits : {8, 10}) {
      for (const bool chroma_444 : {false, true}) {
        test::HeifOptions options;
        options.av1 = av1;
        options.bit_depth = bits;
        options.chroma_444 = chroma_444;
        if (bits > 8 && !(chroma_444 && !av1)) continue;  // libheif 1.15 encodes no other
        const test::HeifPart part = test::EncodeHeifPart(test::MakePhoto(96, 64, 3), options);
        const auto facts = av1 ? ReadAv1Stream(part.data) : ReadHevcStream(part.config);
        ASSERT_TRUE(facts.has_value());
        EXPECT_EQ(facts->width, 96);
        EXPECT_EQ(facts->height, 64);
        EXPECT_EQ(facts->luma_bits, bits);
        EXPECT_EQ(facts->chroma, chroma_444 ? 3 : 1);
        // Cut anywhere: nothing, or the same sizes.
        const Encoded& all = av1 ? part.data : part.config;
        for (size_t size = 0; size < std::min<size_t>(all.size(), 200); ++size) {
          const Encoded cut = test::Cut(all, size);
          const auto less = av1 ? ReadAv1Stream(cut) : ReadHevcStream(cut);
          if (less) {
            EXPECT_EQ(less->width, 96);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace photovec::decode
