// SPDX-License-Identifier: MIT
#include "engine/engine.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <utility>

#include "fetch/make_fetcher.h"
#include "model/presets.h"
#include "model/random/init.h"
#include "testing/test_images.h"

namespace photovec::engine {
namespace {

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string dir = ::testing::TempDir() + "photovec-engine-XXXXXX";
    ASSERT_NE(mkdtemp(dir.data()), nullptr);
    dir_ = dir;
    const auto preset = model::PresetNamed("tiny-text");
    ASSERT_TRUE(preset.ok());
    const Status written = model::WriteRandomModel(*preset, dir_, {});
    ASSERT_TRUE(written.ok()) << written.ToString();
    options_.models = {"tiny=" + dir_};
    options_.device = "cpu";
    options_.precision = model::Precision::kF32;
    options_.streams = 1;
    options_.threads_per_stream = 1;
    options_.max_batch = 2;
    options_.decode_mode = DecodeMode::kThread;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  Result<std::unique_ptr<Engine>> Start() const {
    ASSIGN_OR_RETURN(auto fetcher, fetch::MakeFetcher({}));
    return StartEngine(options_, std::move(fetcher), 2);
  }

  std::string dir_;
  EngineOptions options_;
};

pipeline::ItemResult Embed(const Engine& engine, const test::Encoded& photo) {
  std::promise<pipeline::RequestResult> result;
  auto request =
      engine.pipeline->Open({}, [&result](pipeline::RequestResult all) { result.set_value(std::move(all)); });
  if (!request.ok()) return {request.status(), {}, {}};
  (*request)->Add(Bytes::Own(photo));
  (*request)->Finish();
  return result.get_future().get().items.at(0);
}

TEST_F(EngineTest, OptionsInVectorsOut) {
  const auto engine = Start();
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  EXPECT_EQ((*engine)->plan.backend, encode::Backend::kCpu);
  ASSERT_EQ((*engine)->models.size(), 1U);
  EXPECT_EQ((*engine)->models[0].name, "tiny");
  EXPECT_EQ((*engine)->models[0].encoder.precision, NameOf(model::Precision::kF32));
  const auto item = Embed(**engine, test::EncodeJpeg(test::MakePhoto(320, 240, 3)));
  ASSERT_TRUE(item.status.ok()) << item.status.ToString();
  ASSERT_EQ(item.embedding.size(), static_cast<size_t>((*engine)->models[0].encoder.embedding_dim));
  double square = 0;
  for (const float value : item.embedding) square += static_cast<double>(value) * value;
  EXPECT_NEAR(std::sqrt(square), 1, 1e-5);
  const auto other = Embed(**engine, test::EncodeJpeg(test::MakePhoto(320, 240, 3, 2)));
  EXPECT_NE(other.embedding, item.embedding);
  EXPECT_FALSE(HasHangingStream(**engine));
}

pipeline::ItemResult EmbedText(const Engine& engine, const std::string& text) {
  std::promise<pipeline::RequestResult> result;
  auto request =
      engine.pipeline->Open({}, [&result](pipeline::RequestResult all) { result.set_value(std::move(all)); });
  if (!request.ok()) return {request.status(), {}, {}};
  (*request)->Add(pipeline::Text{text});
  (*request)->Finish();
  return result.get_future().get().items.at(0);
}

TEST_F(EngineTest, TextsInVectorsOut) {
  const auto engine = Start();
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  const ModelSummary& model = (*engine)->models[0];
  EXPECT_EQ(model.text_rule, "clip-bpe/hf");
  EXPECT_EQ(model.text_fingerprint.size(), 12U);
  const auto item = EmbedText(**engine, "a red cat");
  ASSERT_TRUE(item.status.ok()) << item.status.ToString();
  EXPECT_EQ(item.embedding.size(), static_cast<size_t>(model.encoder.embedding_dim));
  EXPECT_GT(item.tokens, 2);
  EXPECT_EQ(EmbedText(**engine, "a red cat").embedding, item.embedding);
  EXPECT_NE(EmbedText(**engine, "a blue cat").embedding, item.embedding);
  EXPECT_EQ(EmbedText(**engine, "\xff").status.code(), Code::kInvalidRequest);

  options_.text_special = tokenize::SpecialTokens::kLiteral;
  options_.text_streams = 1;
  const auto literal = Start();
  ASSERT_TRUE(literal.ok()) << literal.status().ToString();
  EXPECT_EQ((*literal)->models[0].fingerprint, model.fingerprint) << "images are what they were";
  EXPECT_NE((*literal)->models[0].text_fingerprint, model.text_fingerprint);
  EXPECT_EQ((*literal)->models[0].streams, 2);
  EXPECT_EQ(EmbedText(**literal, "a red cat").embedding, item.embedding);
}

TEST_F(EngineTest, WithoutTextOrTokenizerImagesAlone) {
  const auto whole = Start();
  ASSERT_TRUE(whole.ok()) << whole.status().ToString();
  const std::string fingerprint = (*whole)->models[0].fingerprint;
  options_.no_text = true;
  options_.text_streams = 1;
  const auto without = Start();
  ASSERT_TRUE(without.ok()) << without.status().ToString();
  EXPECT_EQ((*without)->models[0].text_rule, "");
  EXPECT_EQ((*without)->models[0].streams, 1) << "nobody would use a stream for texts";
  EXPECT_NE(EmbedText(**without, "a").status.message().find("--no-text"), std::string::npos);
  EXPECT_EQ((*without)->models[0].fingerprint, fingerprint);

  options_.no_text = false;
  for (const char* file : {"tokenizer.json", "vocab.json", "merges.txt"})
    std::filesystem::remove(dir_ + "/" + file);
  const auto untold = Start();
  ASSERT_TRUE(untold.ok()) << untold.status().ToString();
  EXPECT_EQ((*untold)->models[0].fingerprint, fingerprint);
  const auto item = EmbedText(**untold, "a");
  EXPECT_EQ(item.status.code(), Code::kInvalidRequest);
  EXPECT_NE(item.status.message().find("no tokenizer"), std::string::npos) << item.status.message();
  EXPECT_TRUE(Embed(**untold, test::EncodeJpeg(test::MakePhoto(320, 240, 3))).status.ok());
}

TEST_F(EngineTest, ATokenizerOfAnotherModelIsRefused) {
  const std::string path = dir_ + "/vocab.json";
  std::ifstream in(path);
  std::string vocabulary(std::istreambuf_iterator<char>(in), {});
  vocabulary.insert(vocabulary.rfind('}'), ",\"ab</w>\":514");
  std::ofstream(path) << vocabulary;
  std::ofstream(dir_ + "/merges.txt", std::ios::app) << "a b</w>\n";
  const auto refused = Start();
  ASSERT_EQ(refused.status().code(), Code::kInvalidRequest);
  for (const char* part : {"515", "514", "--no-text"}) {
    EXPECT_NE(refused.status().message().find(part), std::string::npos) << refused.status().message();
  }
  options_.no_text = true;
  EXPECT_TRUE(Start().ok());
}

TEST_F(EngineTest, LimitsReachTheDecoder) {
  options_.decode.limits.max_side = 300;
  const auto engine = Start();
  ASSERT_TRUE(engine.ok()) << engine.status().ToString();
  const auto item = Embed(**engine, test::EncodeJpeg(test::MakePhoto(320, 240, 3)));
  EXPECT_EQ(item.status.code(), Code::kTooManyPixels) << item.status.ToString();
}

TEST_F(EngineTest, AGpuDecoderNeedsAGpuForTheModelToo) {
  options_.decode_device = DecodeDevice::kMixed;
  const auto engine = Start();
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.status().code(), Code::kInvalidRequest);
  EXPECT_NE(engine.status().message().find("--decode-device mixed needs a GPU"), std::string::npos)
      << engine.status().message();
}

}  // namespace
}  // namespace photovec::engine
