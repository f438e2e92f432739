// SPDX-License-Identifier: MIT
#include "engine/verify/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/verify/photos.h"
#include "engine/verify/published.h"
#include "model/presets.h"
#include "model/random/init.h"
#include "testing/test_images.h"

namespace photovec::engine {
namespace {

using ::testing::HasSubstr;
using Outcome = Finding::Outcome;

TEST(Published, AreFoundByShape) {
  const model::Preset clip = *model::PresetNamed("clip-vit-b-32");
  model::TextConfig text = *clip.text;
  EXPECT_EQ(FindPublished(clip.config, &text), nullptr) << "a vocabulary of bytes is not OpenAI's";
  text.vocabulary_size = 49'408;
  ASSERT_NE(FindPublished(clip.config, &text), nullptr);
  EXPECT_EQ(FindPublished(clip.config, &text)->checkpoint, "openai/clip-vit-base-patch32");
  EXPECT_EQ(FindPublished(clip.config, nullptr), nullptr) << "its numbers are logits";
  model::VisionConfig laion = clip.config;
  laion.activation = model::Activation::kGeluErf;
  EXPECT_EQ(FindPublished(laion, &text), nullptr);

  const auto named = [](const char* preset) {
    const PublishedNumbers* found = FindPublished(model::PresetNamed(preset)->config, nullptr);
    return found == nullptr ? "" : std::string(found->checkpoint);
  };
  EXPECT_EQ(named("dinov2-b-14"), "facebook/dinov2-base");
  EXPECT_EQ(named("dinov2-b-14-reg"), "facebook/dinov2-with-registers-base");
  EXPECT_EQ(named("dinov3-s-16"), "facebook/dinov3-vits16-pretrain-lvd1689m");
  EXPECT_EQ(named("dinov3-b-16"), "");
  EXPECT_EQ(named("tiny"), "");
  const model::Preset siglip = *model::PresetNamed("siglip-b-16");
  text = *siglip.text;
  text.vocabulary_size = 32'000;
  ASSERT_NE(FindPublished(siglip.config, &text), nullptr);
  EXPECT_EQ(FindPublished(siglip.config, &text)->checkpoint, "google/siglip-base-patch16-224");
  text.vocabulary_size = 256'000;
  EXPECT_EQ(FindPublished(siglip.config, &text), nullptr) << "SigLIP 2";
}

TEST(Published, VocabulariesAreFoundByRuleAndSize) {
  tokenize::TokenizerInfo info;
  info.rule = "clip-bpe/hf";
  info.vocabulary_size = 49'408;
  ASSERT_NE(FindVocabulary(info), nullptr);
  EXPECT_EQ(FindVocabulary(info)->vectors.size(), 18U);
  info.rule = "clip-bpe/hf+literal";
  EXPECT_EQ(FindVocabulary(info), nullptr);
  info.rule = "siglip/canonicalize";
  info.vocabulary_size = 32'000;
  ASSERT_NE(FindVocabulary(info), nullptr);
  info.vocabulary_size = 250'000;
  EXPECT_EQ(FindVocabulary(info), nullptr);
}

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string dir = ::testing::TempDir() + "photovec-verify-XXXXXX";
    ASSERT_NE(mkdtemp(dir.data()), nullptr);
    options_.dir = dir;
    options_.device = "cpu";
  }
  void TearDown() override { std::filesystem::remove_all(options_.dir); }

  void Write(const char* preset) const {
    const Status written = model::WriteRandomModel(*model::PresetNamed(preset), options_.dir, {});
    ASSERT_TRUE(written.ok()) << written.ToString();
  }
  std::string Photo(const std::string& name) const {
    const std::string path = options_.dir + "/" + name;
    const test::Encoded photo = test::EncodeJpeg(test::MakePhoto(90, 60, 3));
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(photo.data()), static_cast<std::streamsize>(photo.size()));
    return path;
  }
  Result<bool> Verify() {
    findings_.clear();
    return VerifyModel(ProbeMachine(), options_,
                       [this](const Finding& finding) { findings_.push_back(finding); });
  }
  /// The outcomes of one part, and their texts.
  std::vector<std::pair<Outcome, std::string>> Of(const std::string& part) const {
    std::vector<std::pair<Outcome, std::string>> found;
    for (const Finding& finding : findings_) {
      if (finding.part == part) found.emplace_back(finding.outcome, finding.text);
    }
    return found;
  }

  VerifyOptions options_;
  std::vector<Finding> findings_;
};

TEST_F(VerifyTest, ASoundModelAgrees) {
  Write("tiny-text");
  const Result<bool> good = Verify();
  ASSERT_TRUE(good.ok()) << good.status().ToString();
  EXPECT_TRUE(*good);
  EXPECT_EQ(Of("weights").at(0).first, Outcome::kAgrees);
  EXPECT_EQ(Of("arithmetic").at(0).first, Outcome::kAgrees);
  EXPECT_EQ(Of("tokenizer").at(0).first, Outcome::kNotCompared);
  EXPECT_EQ(Of("published numbers").at(0).first, Outcome::kNotCompared);
  EXPECT_THAT(Of("photos").at(0).second, HasSubstr("made-up"));
}

TEST_F(VerifyTest, AnImageTowerAloneIsEnough) {
  Write("tiny-dinov2");
  const Result<bool> good = Verify();
  ASSERT_TRUE(good.ok()) << good.status().ToString();
  EXPECT_TRUE(*good);
  EXPECT_THAT(Of("tokenizer").at(0).second, HasSubstr("no text tower"));
}

TEST_F(VerifyTest, ANanIsNamed) {
  Write("tiny");
  const std::string file = options_.dir + "/model.safetensors";
  std::fstream weights(file, std::ios::binary | std::ios::in | std::ios::out);
  weights.seekp(-4, std::ios::end);
  const uint32_t nan = 0x7FC00000;
  weights.write(reinterpret_cast<const char*>(&nan), sizeof nan);
  weights.close();
  const Result<bool> good = Verify();
  ASSERT_FALSE(good.ok());
  EXPECT_THAT(good.status().message(), HasSubstr("' has a NaN"));
}

TEST_F(VerifyTest, PhotosAreDecodedOrLeftOut) {
  Write("tiny");
  options_.photos = {Photo("a.jpg"), options_.dir + "/config.json"};
  const Result<bool> good = Verify();
  ASSERT_TRUE(good.ok()) << good.status().ToString();
  EXPECT_THAT(Of("photos").at(0).second, HasSubstr("config.json: "));
  EXPECT_THAT(Of("photos").at(1).second, HasSubstr("1 decoded, 1 left out"));
  options_.photos = {options_.dir + "/config.json"};
  EXPECT_THAT(Verify().status().message(), HasSubstr("none of the photos can be decoded"));
}

TEST_F(VerifyTest, ThePublishedPictureIsKnownByItsName) {
  Write("tiny");
  const auto spec = preprocess::LoadSpec(options_.dir);
  const auto photos = LoadPhotos({Photo("a.jpg"), Photo("val2017_000000039769.jpg")}, *spec);
  ASSERT_TRUE(photos.ok());
  EXPECT_EQ(photos->cats, 1U);
  EXPECT_FALSE(LoadPhotos({}, *spec)->cats.has_value());
}

}  // namespace
}  // namespace photovec::engine
